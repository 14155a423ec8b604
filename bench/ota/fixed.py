"""Builds whose URL is settled before the board starts: compiled in anew, or written into the NVS that is flashed.

A copy of the build is made; the build itself is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bench.builds import Build
from bench.builds.copies import copy_build
from bench.builds.rekeying import signed_by_anybody
from bench.errors import BenchError, FormatError
from bench.flash.nvs import Nvs
from bench.images.rekey import embedded, with_url
from bench.images.signature import sign
from bench.ota.dialect import Place

__all__ = ["compiled_url", "reaches", "with_compiled_url", "with_nvs_url"]

_NVS_FILE = "nvs_url.bin"


def compiled_url(build: Build, place: Place) -> tuple[int, str]:
    """The URL that an application has compiled in: the number of the text among those in the image, and the URL.

    Raises:
        BenchError: it has none, or several and the dialect does not say which
    """
    urls = [one.text.decode("ascii") for one in embedded(build.image, "URL")]
    if place.embedded:
        if place.embedded not in urls:
            raise BenchError(f"{build.app_path} does not hold {place.embedded}, which the dialect says is compiled in")
        return urls.index(place.embedded), place.embedded
    if not urls:
        raise BenchError(f"{build.app_path} has no URL compiled in: say in the dialect how it is told one")
    if len(urls) > 1:
        raise BenchError(
            f"{build.app_path} holds {len(urls)} URLs ({', '.join(urls[:4])}): say under `url: embedded:` of the "
            "dialect which of them is that of its update"
        )
    return 0, urls[0]


def reaches(url: str, host: str) -> int | None:
    """The port of this URL where it leads to the bench as it is, so that the build can stay as it is; else None."""
    parts = urlsplit(url)
    usable = parts.scheme == "https" and parts.hostname == host and not parts.query and len(parts.path) > 1
    return parts.port if usable and parts.port and parts.port >= 1024 else None


def with_compiled_url(build: Build, place: Place, url: str, out: Path, *, signing: Callable[[str], bytes]) -> Build:
    """A copy of the build with another URL compiled in.

    Args:
        signing: the bench's private key for a scheme, for an image that anybody may sign

    Raises:
        BenchError: it does not fit, or the image is signed by a key that the bench does not have and is checked at boot
    """
    number, old = compiled_url(build, place)
    scheme = signed_by_anybody(build)
    if scheme is None and build.enabled("SECURE_SIGNED_APPS"):
        raise BenchError(
            f"{build.app_path} is signed with a key that the bench has not, so that its URL cannot be replaced: build "
            "it with a URL at the bench itself, https://<server_host>:<port>/<name>"
        )
    try:
        image = with_url(build.image, url, number=number)
    except FormatError as error:
        raise BenchError(
            f"{build.app_path}: {url} does not fit into the room of {old}: build it with a longer URL ({error})"
        ) from None
    if scheme is not None:
        image = sign(image, signing(scheme))
    copy_build(build, out).write_bytes(image.to_bytes())
    return Build.load(out)


def with_nvs_url(build: Build, place: Place, url: str, out: Path) -> Build:
    """A copy of the build that also flashes an NVS partition with this URL in it.

    Raises:
        BenchError: the partition table has no such partition, or the build flashes one already
    """
    partition = build.partition_table.by_label(place.partition)
    if partition is None:
        raise BenchError(f"{build.path} has no partition {place.partition!r}: say under `url: partition:` which it is")
    if any(partition.offset <= file.offset < partition.offset + partition.size for file in build.flash_files):
        raise BenchError(f"{build.path} flashes {place.partition!r} itself: put the URL into that file")
    nvs = Nvs(b"\xff" * partition.size)
    nvs.set_string(place.namespace, place.key, url)
    copy_build(build, out)
    (out / _NVS_FILE).write_bytes(nvs.to_bytes())
    path = out / "flasher_args.json"
    args = json.loads(path.read_text("utf-8"))
    args["flash_files"][hex(partition.offset)] = _NVS_FILE
    path.write_text(json.dumps(args, indent=4) + "\n", "utf-8")
    return Build.load(out)
