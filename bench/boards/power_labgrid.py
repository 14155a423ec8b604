"""The supply switched by an outlet that one of labgrid's network power drivers knows, without a coordinator."""

from __future__ import annotations

import json

from bench.boards.board import NetworkPower
from bench.boards.labgrid_python import labgrid_python, side_script
from bench.boards.power_command import LIMIT, run_tool
from bench.errors import BenchError

__all__ = ["OutletSwitch"]


class OutletSwitch:
    """One outlet; the driver's own question for the state is asked after each switching."""

    def __init__(self, outlet: NetworkPower, *, seconds: float = LIMIT) -> None:
        self._outlet = outlet
        self._seconds = seconds

    def switch(self, on: bool) -> None:
        """Switch it by labgrid's driver, and ask the outlet whether it is so."""
        outlet, wanted = self._outlet, "on" if on else "off"
        python = labgrid_python()
        command = [python, side_script("outlet"), outlet.model, outlet.host, outlet.index, wanted]
        told = run_tool(command, mend="check OTA_BENCH_LABGRID", seconds=self._seconds)
        try:
            state = json.loads(told)["on"]
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"labgrid's power driver {outlet.model!r} answered {told!r}") from error
        if state is not None and state is not on:
            raise BenchError(
                f"outlet {outlet.index} of {outlet.host} ({outlet.model}) was switched {wanted}, "
                f"but says that it is {'on' if state else 'off'}"
            )
