"""The project configuration: as `sdkconfig` (Kconfig's text) and as `config/sdkconfig.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from bench.errors import BuildError

__all__ = ["Sdkconfig", "Value", "as_json", "as_lines", "as_text", "from_json", "from_text"]

Value = bool | int | str
Sdkconfig = Mapping[str, Value]
"""Symbols without their CONFIG_ prefix, as config/sdkconfig.json has them."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set")
_HEX = {"PARTITION_TABLE_OFFSET", "BOOTLOADER_OFFSET_IN_FLASH"}


def as_text(config: Sdkconfig) -> str:
    """The text that Kconfig writes to `sdkconfig`."""
    head = ["#", "# Automatically generated file. DO NOT EDIT.", "# Espressif IoT Development Framework", "#"]
    return "\n".join([*head, *as_lines(config)]) + "\n"


def as_lines(config: Sdkconfig) -> list[str]:
    """One line for each symbol, as `sdkconfig` and the files of its defaults have them."""
    lines = []
    for name, value in config.items():
        if value is False:
            lines.append(f"# CONFIG_{name} is not set")
        elif value is True:
            lines.append(f"CONFIG_{name}=y")
        elif isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'CONFIG_{name}="{escaped}"')
        else:
            lines.append(f"CONFIG_{name}={value:#x}" if name in _HEX else f"CONFIG_{name}={value}")
    return lines


def as_json(config: Sdkconfig) -> str:
    """The text of `config/sdkconfig.json`."""
    return json.dumps(dict(config), indent=4, sort_keys=True) + "\n"


def from_json(text: str, *, name: str) -> Sdkconfig:
    """Read `config/sdkconfig.json`.

    Raises:
        BuildError: it is not JSON, or not an object
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BuildError(f"{name}: not JSON ({error}); build the project again") from None
    if not isinstance(data, dict):
        raise BuildError(f"{name}: {type(data).__name__}; expected an object of configuration symbols")
    return MappingProxyType(data)


def from_text(text: str) -> Sdkconfig:
    """Read `sdkconfig`; lines that set nothing are skipped, as Kconfig does."""
    config: dict[str, Value] = {}
    for line in text.splitlines():
        if unset := _NOT_SET.fullmatch(line.strip()):
            config[unset[1]] = False
        elif found := _SET.fullmatch(line.strip()):
            config[found[1]] = _value(found[2])
    return MappingProxyType(config)


def _value(text: str) -> Value:
    if text in ("y", "n"):
        return text == "y"
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text.strip('"'))
    try:
        return int(text, 0)
    except ValueError:
        return text
