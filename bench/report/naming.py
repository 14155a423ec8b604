"""What a scenario's folder of evidence is called."""

from __future__ import annotations

import re

__all__ = ["scenario_name"]


def scenario_name(module: str, test: str, pool: str, board: str) -> str:
    """``tls.test_x_404`` of ``test_x[virtual-esp32-404]`` in test_tls: unlike any other of the run on that board.

    Args:
        module: stem of the file
        test: with its parameters
        pool: which of them is the pool; it is left out where it is the board's own name, and kept otherwise: a run with
            ``--board desk --board esp32s3`` may do the scenario on the same board twice
        board: name of the board that it ran on
    """
    case = test.replace(pool, "" if pool == board else pool, 1)
    return f"{module.removeprefix('test_')}." + re.sub(r"[^\w.]+", "_", case).strip("_")
