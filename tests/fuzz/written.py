"""Fuzz targets: files that users write, images that are encrypted with real keys, and consoles in users' own words."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.console import ConsoleReader, Event, Item
from bench.console.as_json import item_json
from bench.errors import FormatError, SettingsError
from bench.images.encrypted import decrypt, encrypt
from bench.images.keys import SigningKey
from bench.ota import parse_dialect
from bench.report.gate import parse_policy
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Check, Target

__all__ = ["WRITTEN"]

_YAML = [
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!python/x ",
    b"[" * 3000,
    b"{a: " * 3000,
    *b"[,{,: ,- ,\t,|\n,...,\0,1e9".split(b","),
]

_DIALECT = b"""project_name: tracker_fw
tags: [tracker]
can: [version_check]
url:
  from: stdin
lines:
  prompt: ready for orders
  given_up: ["no luck", "no luck {any}"]
  success: done, restarting
  version: "this is version {version}"
events:
  START: begin of it
  UPDATE_BOOT_PARTITION: next from {slot}
  WRITE_FLASH: "wrote {bytes} of {total}"
  FINISH: "the end {any}"
  VERIFY_CHIP_ID: looking at chip {chip}
instead:
  "Image validation failed, image is corrupted": image is broken
"""

_POLICY = b"""name: production
least: 3
require:
  - {family: rollback, chip: [esp32, esp32s3]}
  - {scenario: "test_status_*", tag: lab, least: 2}
waive:
  - {scenario: "test_x*", chip: esp32, reason: "no such button", by: "R. Tester", until: 2027-01-31}
others: tell
"""


def _settings(parse: Callable[[bytes], object]) -> Check:
    def check(data: bytes) -> bool:
        try:
            parse(data)
        except SettingsError as error:
            refused = error
        else:
            return True
        assert 1 <= refused.line <= data.count(b"\n") + data.count(b"\r") + 3, f"line {refused.line} is outside"
        assert len(str(refused)) < 2000, "a complaint without end"
        return False

    return check


_ECIES = bytes(300)
"""What the header's key field ends with when the scheme is ECIES: zeros, which a mended input keeps."""


@cache
def _keys() -> tuple[SigningKey, SigningKey]:
    """The same in every process and every run: an input must come back by its number."""
    return _rsa(), ec.derive_private_key(20261121, ec.SECP256R1())


def _rsa() -> rsa.RSAPrivateKey:
    """An RSA key of 3072 bits, of the first two primes behind a round number; not one to keep a secret with."""
    e, p, q = 65537, (3 << 1534) + 1837, (3 << 1534) + 2617
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *parts, public).private_key()


def _sealed() -> tuple[bytes, bytes]:
    chance = random.Random(1)
    first, second = (encrypt(b"content " * 40, key, rng=chance) for key in _keys())
    return first, second


def _decrypting() -> Check:
    keys = _keys()
    plain = b"content " * 40

    def check(data: bytes) -> bool:
        opened = False
        for key in keys:
            try:
                found = decrypt(data, key)
            except FormatError:
                continue
            assert found == plain, "what was changed was taken for whole"
            opened = True
        return opened

    return check


def _consoles() -> Mutator:
    said = [b"begin of it", b"next from ota_1", b"wrote 4096 of 100000", b"the end of all", b"looking at chip 0x9"]
    lines = [b"I (%d) tracker: %s\r\n" % (number, line) for number, line in enumerate(said)]
    tokens = [
        *said,
        b"9" * 5000,
        b"0x",
        b"ota_",
        b"ota_99",
        b"I (1) tracker: ",
        b"\r",
        b"\xd9\xa3",
        b"\xff",
        b"factory",
    ]
    return Mutator([b"".join(lines), *lines, *(said_ + b"\r\n" for said_ in said)], tokens)


def _read(console: bytes, source: bytes, steps: random.Random | None) -> list[Item]:
    reader, items, at = ConsoleReader(parse_dialect(source).speech), list[Item](), 0
    while at < len(console):
        step = len(console) if steps is None else steps.randint(1, 300)
        items += reader.feed(console[at : at + step])
        at += step
    return items + reader.close()


_BARE = _DIALECT.replace(b"tags: [tracker]\n", b"")


def _speech(data: bytes) -> bool:
    taken = False
    for source in (_DIALECT, _BARE):
        items = _read(data, source, None)
        assert items == _read(data, source, random.Random(len(data))), "other chunks, other items"
        assert all(item_json(item).isascii() for item in items)
        assert len(items) <= 4 * data.count(b"\n") + 4 * data.count(b"\r") + len(data) // 8 + 16, "items without end"
        taken |= any(isinstance(item, Event) for item in items)
    return taken


WRITTEN: Mapping[str, Target] = MappingProxyType(
    {
        "dialect": Target(
            "dialect files",
            lambda: Mutator([_DIALECT, _BARE], [*_YAML, b"{any}", b"{", b"}}", b"{slot}"]),
            _settings(parse_dialect),
        ),
        "policy": Target(
            "release policies",
            lambda: Mutator([_POLICY], [*_YAML, b"2027-02-30", b"[!", b"*"]),
            _settings(parse_policy),
        ),
        "decrypt": Target(
            "pre-encrypted images, opened with the keys they are for",
            lambda: Mutator([*_sealed()], [b"\xcf\xb6\x88\x07", _ECIES, b"", b"", b""]),
            serving=lambda: nullcontext(_decrypting()),
            costly=True,
        ),
        "speech": Target("consoles in the words of a dialect file", _consoles, _speech),
    }
)
