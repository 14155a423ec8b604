"""Switch one outlet by one of labgrid's network power drivers, and print what it says of itself then.

Usage: ``python outlet.py MODEL HOST INDEX on|off``; prints ``{"on": true}``, or null where the outlet cannot be asked.
Whatever goes wrong ends it with a traceback. Runs in labgrid's Python (3.11 or later) and imports nothing of the bench.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main(model: str, host: str, index: str, wanted: str) -> None:
    """Switch and ask."""
    resource, driver = import_module("labgrid.resource.power"), import_module("labgrid.driver.powerdriver")
    target = import_module("labgrid.target").Target("ota-bench")
    resource.NetworkPowerPort(target, None, model=model, host=host, index=index)
    outlet = driver.NetworkPowerDriver(target, None)
    target.activate(outlet)
    (outlet.on if wanted == "on" else outlet.off)()
    print(json.dumps({"on": _state(outlet)}))


def _state(outlet: Any) -> bool | None:
    try:
        return bool(outlet.get())
    except NotImplementedError:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
