"""Consoles of the virtual board's applications, line by line against those of real devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.images.encrypted import encrypt, with_flipped_tag
from bench.virtual.machine import PowerLost, Restart
from tests.reference import reference
from tests.virtual.lifelike import Console, firmware, live
from tests.virtual.peer import Peer, Script, answering, response, serve
from tests.virtual.stories import STORIES, Story

_PARTIAL = b"CONFIG_EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD=y"
_IN_EVERY_RELEASE = (
    "adv_ok",
    "adv_same_version",
    "adv_wrong_ca",
    "adv_http_404",
    "adv_cut_close_200000",
    "adv_truncated_64000",
    "adv_truncated_header_180",
)
_REAL = [
    *(f"v4.4.8_{name}" for name in _IN_EVERY_RELEASE),
    *(f"v5.1.4_{name}" for name in STORIES),
    *(f"v5.3.1_{name}" for name in (*_IN_EVERY_RELEASE, "partial_ok")),
]


def normal(lines: list[str]) -> list[str]:
    """The lines with what may differ between two devices taken out: addresses, sizes, MAC and sockets."""
    told = []
    for line in lines:
        line = re.sub(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", "MAC", line)
        line = re.sub(r"(paddr|vaddr|size)=\s*[0-9a-f]+h?", r"\1=…", line)
        told.append(re.sub(r"\(\s*\d+\) (map|load|)$", r"(…) \1", line))
    return told


def real_life(name: str) -> list[str]:
    """The first life's lines of a real console from app_main on, up to the reset where there was one."""
    console = Console(bytearray(reference(f"serial/{name}.log").read_bytes()))
    start = "cpu_start: Starting scheduler." if name.startswith("v4.4") else "main_task: Calling app_main()"
    lines = normal(console.after(start))
    resets = [at for at, line in enumerate(lines) if line.startswith("ESP-ROM:")]
    return lines[: resets[0]] if resets else lines


@contextmanager
def server(story: Story, authority: trustme.CA, script: Script) -> Iterator[Peer]:
    """The story's server; `authority` is the one that the device trusts."""
    other = authority if story.trusted else trustme.CA()
    with serve(script, authority=other if story.tls else None) as peer:
        yield peer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("name", _REAL)
def test_an_update_reads_as_on_a_real_device(name: str, authority: trustme.CA) -> None:
    release, _, title = name.partition("_")
    expected = real_life(name)
    story = STORIES[title]
    embedded = [b"FROM_STDIN", authority.cert_pem.bytes()] + [_PARTIAL] * title.startswith("partial")
    old = firmware("1", idf_ver=release, embedded=embedded)
    new = firmware(story.version, idf_ver=release, embedded=embedded)
    with server(story, authority, story.script(new)) as peer, live() as life:
        url = peer.url(scheme="https" if story.tls else "http")
        if not story.listening:
            url = "https://127.0.0.1:1/image.bin"
        end = life.run(old, url)
        assert normal(life.console.lines) == expected
        assert end is (Restart if title.endswith("_ok") else PowerLost)


# -- pre-encrypted images


@pytest.fixture(scope="module")
def keys() -> tuple[RSAPrivateKey, RSAPrivateKey]:
    """The device's key, and another whose modulus is higher or lower by chance."""
    first = generate_private_key(public_exponent=65537, key_size=3072)
    return first, generate_private_key(public_exponent=65537, key_size=3072)


def pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_Keys = tuple[RSAPrivateKey, RSAPrivateKey]
_ENCRYPTED: dict[str, Callable[[bytes, _Keys], bytes]] = {
    "penc_ok": lambda data, keys: encrypt(data, keys[0].public_key(), rng=Random(3)),
    "penc_same_version": lambda data, keys: encrypt(data, keys[0].public_key(), rng=Random(3)),
    "penc_truncated_64000": lambda data, keys: encrypt(data, keys[0].public_key(), rng=Random(3))[:64_000],
    "penc_wrong_key": lambda data, keys: encrypt(data, keys[1].public_key(), rng=Random(3)),
    "penc_plain_image": lambda data, _keys: data,
}


@pytest.mark.parametrize(
    "name", [*(f"v5.1.4_{name}" for name in _ENCRYPTED), "v5.3.1_penc_ok", "v5.3.1_penc_wrong_key"]
)
def test_a_pre_encrypted_update_reads_as_on_a_real_device(
    name: str, authority: trustme.CA, keys: tuple[RSAPrivateKey, RSAPrivateKey]
) -> None:
    release, _, title = name.partition("_")
    # which of the two codes a wrong key gives depends on the two moduli
    expected = [re.sub(r"-0x4(100|304)", "-0x4…", line) for line in real_life(name)]
    embedded = [b"FROM_STDIN", authority.cert_pem.bytes(), pem(keys[0])]
    same = title == "penc_same_version"
    old, new = (
        firmware(version, project="pre_encrypted_ota", idf_ver=release, embedded=embedded)
        for version in ("1", "1" if same else "2")
    )
    served = _ENCRYPTED[title](new.to_bytes(), keys)
    with serve(answering(response(served)), authority=authority) as peer, live() as life:
        end = life.run(old, peer.url())
        assert [re.sub(r"-0x4(100|304)", "-0x4…", line) for line in normal(life.console.lines)] == expected
        assert end is (Restart if title == "penc_ok" else PowerLost)
        if title == "penc_ok":
            assert life.content("ota_0").startswith(new.to_bytes())


def test_a_flipped_tag_is_refused_after_the_download(
    authority: trustme.CA, keys: tuple[RSAPrivateKey, RSAPrivateKey]
) -> None:
    embedded = [b"FROM_STDIN", authority.cert_pem.bytes(), pem(keys[0])]
    old, new = (firmware(version, project="pre_encrypted_ota", embedded=embedded) for version in "12")
    served = with_flipped_tag(encrypt(new.to_bytes(), keys[0].public_key(), rng=Random(3)))
    with serve(answering(response(served)), authority=authority) as peer, live() as life:
        assert life.run(old, peer.url()) is PowerLost
        assert life.console.lines[-2:] == [
            "E esp_encrypted_img: Invalid Auth",
            "E pre_encrypted_ota_example: ESP_HTTPS_OTA upgrade failed",
        ]
        assert life.content("otadata") == b"\xff" * 0x2000
