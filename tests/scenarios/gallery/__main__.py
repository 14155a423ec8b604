"""Write docs/qualification.md, or with --check only look whether it is in step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.scenarios.gallery.document import document

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "qualification.md"


def main() -> int:
    """0; 1 where the page is stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.gallery", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where the page is stale")
    check = parser.parse_args().check
    wanted = document()
    if not check:
        _PAGE.write_text(wanted, encoding="utf-8")
    elif not _PAGE.exists() or _PAGE.read_text(encoding="utf-8") != wanted:
        print(f"{_PAGE} is stale: python -m tests.scenarios.gallery", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
