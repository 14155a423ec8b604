"""Write the made part of docs/fidelity.md: ``python -m tests.fidelity``."""

from __future__ import annotations

from tests.fidelity.page import BEGIN, END, PAGE, logs, section
from tests.fidelity.telling import compared, new_keys

if __name__ == "__main__":
    keys = new_keys()
    told = section([compared(log, keys) for log in logs()])
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{told}\n{END}{after}", encoding="utf-8")
