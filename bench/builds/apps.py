"""The applications that the bench writes builds of: ESP-IDF's own OTA examples, and one of its own.

Adding one is a table entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.builds.releases import Line
from bench.errors import BuildError

__all__ = ["APPS", "VirtualApp", "app_of"]

# What every application that updates itself has linked in.
_UPDATED = ("startup", "spi_flash", "efuse", "watchdog", "image_format", "secure_boot", "app_update")
# What every example that connects to a network and updates itself over HTTP has linked in.
_NETWORKED = (
    *_UPDATED,
    "network",
    "example_connect",
    "esp_http_client",
    "esp_tls",
    "crt_bundle",
)
_COMMON = (*_NETWORKED, "esp_https_ota")


@dataclass(frozen=True)
class VirtualApp:
    """One example.

    Args:
        project_name: esp_app_desc_t.project_name, and the name of its .bin
        components: the files of `strings/app` that it has linked in
        confirms: it cancels the rollback once it is sure to work, so a build with rollback makes sense
        needs_private_key: it embeds an RSA private key
        cert_bundle: it verifies the server by ESP-IDF's certificate bundle unless configured otherwise
        checks_version: it refuses its own version unless configured otherwise
        partial_download: it can be configured to download by HTTP ranges
        since: first release line that has it
        networked: it downloads its updates, from a URL and from a server that a certificate vouches for
    """

    project_name: str
    components: tuple[str, ...]
    confirms: bool = False
    needs_private_key: bool = False
    cert_bundle: bool = False
    checks_version: bool = True
    partial_download: bool = True
    since: Line = (4, 0)
    networked: bool = True


APPS: Mapping[str, VirtualApp] = MappingProxyType(
    {
        app.project_name: app
        for app in (
            VirtualApp("advanced_https_ota", (*_COMMON, "advanced_https_ota", "misbehaviour"), confirms=True),
            VirtualApp(
                "pre_encrypted_ota",
                (*_COMMON, "esp_encrypted_img", "pre_encrypted_ota"),
                needs_private_key=True,
                since=(5, 0),
            ),
            VirtualApp("native_ota", (*_NETWORKED, "native_ota"), confirms=True, partial_download=False),
            VirtualApp(
                "simple_ota",
                (*_COMMON, "simple_ota"),
                cert_bundle=True,
                checks_version=False,
                partial_download=False,
            ),
            VirtualApp(
                "serial_ota",
                (*_UPDATED, "serial_ota"),
                confirms=True,
                checks_version=False,
                partial_download=False,
                networked=False,
            ),
        )
    }
)


def app_of(name: str) -> VirtualApp:
    """The application of that name.

    Raises:
        BuildError: there is none; lists those there are
    """
    try:
        return APPS[name]
    except KeyError:
        raise BuildError(f"application {name!r}: the bench writes {', '.join(APPS)}") from None
