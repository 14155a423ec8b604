"""The supply switched by a USB hub, through uhubctl.

uhubctl sends a request and exits with 0; whether the hub did anything is another matter (many hubs acknowledge and do
nothing, and the kernel may switch a port on again). So the port's state is read afterwards. A USB 3 hub is two hubs to
the host, one for each speed, and a port is off only where both say so; uhubctl switches and prints both.

The output is that of `print_port_status` in uhubctl.c (2.1 to 2.6)::

    Current status for hub 1-1.4 [2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]
      Port 2: 0103 power enable connect [10c4:ea60 Silicon Labs CP2102N USB to UART Bridge Controller 0001]
      Port 3: 0000 off
"""

from __future__ import annotations

import re

from bench.boards.board import HubPort
from bench.boards.power_command import LIMIT, run_tool
from bench.errors import BenchError

__all__ = ["HubSwitch", "port_states"]

_HUB = re.compile(r"(?:Current|New) status for hub ([0-9][0-9.-]*)(?: \[.*)?")
_PORT = re.compile(r" +Port ([0-9]{1,3}): [0-9a-f]{4}((?: [A-Za-z0-9.]+)*)(?: \[.*)?")

_INSTALL = "install it: apt-get install uhubctl"
_RIGHTS = (
    "this user may not switch it: add the udev rule of uhubctl's README "
    '(SUBSYSTEM=="usb", DRIVER=="usb", MODE="0666", ATTR{idVendor}=="<the hub\'s>")'
)


def port_states(output: str, port: int) -> dict[str, bool]:
    """By hub, whether the port has power, as the output of uhubctl says last.

    What is not a line of a hub or a port is passed over, as is whatever stands in brackets: a device may call itself
    anything.
    """
    states: dict[str, bool] = {}
    hub = ""
    for line in output.splitlines():
        if (found := _HUB.fullmatch(line)) is not None:
            hub = found[1]
        elif hub and (found := _PORT.fullmatch(line)) is not None and int(found[1]) == port:
            states[hub] = "power" in found[2].split()
    return states


class HubSwitch:
    """One port of one hub."""

    def __init__(self, hub: HubPort, *, executable: str = "uhubctl", seconds: float = LIMIT) -> None:
        self._hub = hub
        self._executable = executable
        self._seconds = seconds

    def switch(self, on: bool) -> None:
        """Ask the hub, and look whether it did it."""
        wanted = "on" if on else "off"
        self._run("-a", wanted)
        wrong = [hub for hub, powered in self.states().items() if powered is not on]
        if wrong:
            raise BenchError(
                f"uhubctl switched port {self._hub.port} of hub {self._hub.location} {wanted}, but hub "
                f"{', '.join(wrong)} says that it is {'off' if on else 'on'}: "
                "this hub cannot switch its ports; uhubctl's README lists those that can"
            )

    def states(self) -> dict[str, bool]:
        """Whether the port has power, by hub: a USB 3 hub counts as two."""
        states = port_states(self._run(), self._hub.port)
        if not states:
            raise BenchError(
                f"uhubctl tells nothing of port {self._hub.port} of hub {self._hub.location}; "
                "run `uhubctl` to see the hubs and ports there are, and correct power.usb_hub in boards.yaml"
            )
        return states

    def _run(self, *more: str) -> str:
        command = [self._executable, "-l", self._hub.location, "-p", str(self._hub.port), *more]
        try:
            return run_tool(command, mend=_INSTALL, seconds=self._seconds)
        except BenchError as error:
            if "permission problems" in str(error):  # usb_find_hubs in uhubctl.c
                raise BenchError(f"{error}\n{_RIGHTS}") from error
            raise
