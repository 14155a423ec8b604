"""What a scenario and its folder of evidence are called."""

from __future__ import annotations

import re

__all__ = ["folder_name", "scenario_name"]


def scenario_name(test: str, pool: str) -> str:
    """``test_x[virtual-esp32-404]`` is ``test_x_404``: the scenario within its module, on whatever board."""
    return re.sub(r"[^\w.]+", "_", test.replace(pool, "", 1)).strip("_")


def folder_name(module: str, test: str, pool: str, board: str) -> str:
    """``tls.test_x_404`` of ``test_x[virtual-esp32-404]`` in test_tls: unlike any other of the run on that board.

    Args:
        module: stem of the file
        test: with its parameters
        pool: which of them is the pool; it is left out where it is the board's own name, and kept otherwise: a run with
            ``--board desk --board esp32s3`` may do the scenario on the same board twice
        board: name of the board that it ran on
    """
    return f"{module.removeprefix('test_')}." + scenario_name(test, pool if pool == board else "")
