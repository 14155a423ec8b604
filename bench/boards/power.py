"""Switching the supply of a board: by a USB hub, a command of the user's own, or an outlet that labgrid knows.

A switch does not believe its tool's exit code where it can ask for the state. Whether the board itself lost power is
told by its console alone: see `bench.ota.supply`.
"""

from __future__ import annotations

from typing import Protocol

from bench.boards.board import HubPort, NetworkPower, PowerCommands
from bench.boards.power_command import CommandSwitch
from bench.boards.power_hub import HubSwitch
from bench.boards.power_labgrid import OutletSwitch

__all__ = ["Switch", "switch_of"]


class Switch(Protocol):
    """Something that gives and takes the supply."""

    def switch(self, on: bool) -> None:
        """Switch it; returns when it is done. Raises `BenchError` when it is not."""


def switch_of(power: HubPort | PowerCommands | NetworkPower) -> Switch:
    """The switch that boards.yaml names; nothing is asked of it yet."""
    if isinstance(power, HubPort):
        return HubSwitch(power)
    if isinstance(power, PowerCommands):
        return CommandSwitch(power)
    return OutletSwitch(power)
