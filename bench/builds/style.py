"""An OTA example under another name and in other words: virtual firmware that is nobody's stock application.

A user's firmware that grew out of an example has its own project name, tag and lines. The image holds them as the
literals ``CONFIG_STYLE_…=…``, and the virtual board speaks in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import BuildError

__all__ = ["Style"]


@dataclass(frozen=True)
class Style:
    """Name, tag and lines.

    Args:
        project_name: esp_app_desc_t.project_name
        tag: of its own log lines; none: they are bare lines, as printf writes them
        lines: beginning of a line of the example, and what stands in its place; the rest of the line stays
        nvs: ``namespace/key`` of the NVS string that holds its URL, where it has it from there

    Raises:
        BuildError: a text that no literal can hold
    """

    project_name: str
    tag: str
    lines: tuple[tuple[str, str], ...] = ()
    nvs: str = ""

    def __post_init__(self) -> None:
        for text in (self.project_name, self.tag, self.nvs, *(part for line in self.lines for part in line)):
            if not text.isascii() or (text and not text.isprintable()) or "|" in text:
                raise BuildError(f"style {text!r}: expected printable ASCII without a vertical bar")
        if not 1 <= len(self.project_name) <= 31:
            raise BuildError(f"project name {self.project_name!r}: expected 1 to 31 characters")

    def strings(self, app: str) -> list[str]:
        """The literals of the image."""
        own = [f"CONFIG_STYLE_OF={app}", f"CONFIG_STYLE_TAG={self.tag}"]
        own += [f"CONFIG_STYLE_LINE={stock}|{other}" for stock, other in self.lines]
        return own + ([f"CONFIG_STYLE_NVS={self.nvs}"] if self.nvs else [])
