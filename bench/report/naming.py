"""What a scenario and its folder of evidence are called."""

from __future__ import annotations

import hashlib
import re

__all__ = ["folder_name", "function_and_case", "scenario_name"]


def scenario_name(test: str, pool: str) -> str:
    """``test_x[virtual-esp32-404]`` is ``test_x_404``: the scenario within its module, on whatever board."""
    return re.sub(r"[^\w.]+", "_", "_".join(function_and_case(test, pool))).strip("_")


def function_and_case(test: str, pool: str) -> tuple[str, str]:
    """The function, and the case without the pool: that is one of its pieces, and no part of the function's name."""
    function, _, case = test.partition("[")
    case = case.removesuffix("]")
    return function, f"-{case}-".replace(f"-{pool}-", "-", 1)[1:-1] if pool else case


def folder_name(module: str, test: str, pool: str, board: str) -> str:
    """``tls.test_x_404`` of ``test_x[virtual-esp32-404]`` in test_tls: unlike any other of the run on that board.

    A case of which a folder's name cannot have all has a few digits of its digest there.

    Args:
        module: stem of the file
        test: with its parameters
        pool: which of them is the pool; it is left out where it is the board's own name, and kept otherwise: a run with
            ``--board desk --board esp32s3`` may do the scenario on the same board twice
        board: name of the board that it ran on
    """
    function, case = function_and_case(test, pool if pool == board else "")
    shown = re.sub(r"[^\w.-]+", "_", case).strip("_")
    digest = f"-{hashlib.sha256(case.encode()).hexdigest()[:6]}" if shown != case else ""
    return f"{module.removeprefix('test_')}.{function}" + (f"_{shown}{digest}" if case else "")
