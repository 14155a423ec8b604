"""The project configuration: as `sdkconfig` (Kconfig's text) and as `config/sdkconfig.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from bench.errors import BuildError

__all__ = ["HIDDEN", "Sdkconfig", "Value", "as_json", "as_lines", "as_text", "from_json", "from_text", "is_secret"]

Value = bool | int | str
Sdkconfig = Mapping[str, Value]
"""Symbols without their CONFIG_ prefix, as config/sdkconfig.json has them."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set")
_STRING = re.compile(r'"((?:[^\\"]|\\.)*)"')
"""As Kconfig reads a text: to the first quote that is not escaped (kconfiglib, `_conf_string_match`)."""
_HEX = {"PARTITION_TABLE_OFFSET", "BOOTLOADER_OFFSET_IN_FLASH"}

HIDDEN = "***"
"""Stands where a secret stood."""

_SECRET = re.compile(r"tok|sig|secret|pass|pwd|psk|auth|cred|key|session|jwt|cookie|policy|ssid", re.IGNORECASE)
"""What the name of a symbol with a secret looks like: as that of a request's parameter, or a network's name."""


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
    for line in text.split("\n"):  # as Kconfig; splitlines() also parts a text at characters like U+2028
        if unset := _NOT_SET.fullmatch(line.strip()):
            config[unset[1]] = False
        elif found := _SET.fullmatch(line.strip()):
            config[found[1]] = _value(found[2])
    return MappingProxyType(config)


def is_secret(name: str, text: str) -> bool:
    """Does a symbol of that name, or a text like this, look like one that holds a secret?"""
    return bool(text) and (_SECRET.search(name) is not None or "PRIVATE KEY" in text)


def _value(text: str) -> Value:
    if text in ("y", "n"):
        return text == "y"
    if string := _STRING.match(text):
        return re.sub(r"\\(.)", r"\1", string[1])
    try:
        return int(text, 0)
    except ValueError:
        return text
