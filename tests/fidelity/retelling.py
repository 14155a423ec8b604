"""The stories of reference/serial/truth.json told again by a virtual board, from the ROM's banner to the end.

Nothing of a real console goes into the board but what its story says: the release, the configuration, the versions,
and what the server did. One exception is named where it is made: random bytes that the application took for text.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, NoReturn

import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.builds import VirtualBuild
from bench.builds.firmware import application
from bench.builds.rodata import component_strings
from bench.images import Behaviour, Image, random_payload
from bench.images.encrypted import encrypt
from bench.images.segment import Segment
from bench.virtual import boot, panic
from bench.virtual.log import Log
from bench.virtual.machine import Machine
from bench.virtual.release import Release
from bench.virtual.running import Running
from tests.fidelity.wire import InterruptsLost, Wire, lose_interrupts
from tests.virtual.lifelike import ANTI_ROLLBACK, TWO_OTA, Life, live
from tests.virtual.peer import Peer, Script, answering, response, serve
from tests.virtual.stories import NATIVE, SIMPLE, STORIES, Story

__all__ = ["Keys", "Told", "retell"]

_4MB = 4 << 20
_EARLY = ("startup", "spi_flash")
_NOT_EARLY = ("app_main()", "Started on CPU")
"""ESP_EARLY_LOGx counts milliseconds in every configuration: all that start-up says but the main task's own lines."""


@dataclass(frozen=True)
class Keys:
    """What is generated once for all stories: the trusted authority, the device's RSA key, and another."""

    authority: trustme.CA
    device: RSAPrivateKey
    other: RSAPrivateKey


@dataclass(frozen=True)
class Told:
    """What the virtual board printed, and what the server was asked for."""

    console: bytes
    requests: tuple[str, ...]


def retell(name: str, keys: Keys, real: bytes) -> Told:
    """Tell one story again.

    Args:
        name: of the log, without ``.log``
        keys: for the builds and the server
        real: the real console; only `native_random` looks at it
    """
    release, _, title = name.partition("_")
    teller = _Teller(release, title, keys, real)
    tell = {
        "penc": teller.pre_encrypted,
        "artifact": teller.interrupted,
        "ar": teller.anti_rollback,
        "rollback": teller.rolled_back,
        "powercut": teller.power_cut,
        "hang": teller.rolled_back,
    }.get(title.partition("_")[0], teller.example)
    return tell()


@dataclass
class _Teller:
    release: str
    title: str
    keys: Keys
    real: bytes

    # -- the stories

    def example(self) -> Told:
        """One update of an example with its default configuration, from the factory slot."""
        story = self._story()
        old, new = self._example_build("1"), self._example_build(story.version, new=True)
        path = f"/{old.app}.bin"
        with live(csv=TWO_OTA, console=Wire(), flash_size=_4MB) as life:
            life.flash(old)
            if self.title == "systime_ok":
                _poke_app(life, "factory", _with_system_time(old))
            script = story.script(application(new))
            if self.title == "native_random":
                script = answering(response(_random_text(self.real)))
            with self._server(story, script) as peer:
                url = peer.url(path, scheme="https" if story.tls else "http")
                life.boot(url if story.listening else f"https://127.0.0.1:1{path}")
            return _told(life, peer)

    def pre_encrypted(self) -> Told:
        """pre_encrypted_ota with the device's RSA key in it."""
        pem = self.keys.device.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        version = "1" if self.title == "penc_same_version" else "2"
        old, new = (
            self._build(one, app="pre_encrypted_ota", layout="factory_two_ota", private_key_pem=pem)
            for one in ("1", version)
        )
        data = application(new).to_bytes()
        if self.title != "penc_plain_image":
            key = self.keys.other if self.title == "penc_wrong_key" else self.keys.device
            data = encrypt(data, key.public_key(), rng=Random(3))
        if self.title == "penc_truncated_64000":
            data = data[:64_000]
        with live(csv=TWO_OTA, console=Wire(), flash_size=_4MB) as life:
            life.flash(old)
            with serve(answering(response(data)), authority=self.keys.authority) as peer:
                life.boot(peer.url("/pre_encrypted_ota_secure.bin"))
            return _told(life, peer)

    def interrupted(self) -> Told:
        """The emulator lost its interrupts in the middle of an update; after the panic nobody types a URL."""
        last = b"Verifying chip id of new image: 5" if self.title.endswith("1") else b"OTA started"
        old, new = self._example_build("1"), self._example_build("2")
        wire = Wire(until=last + b"\x1b[0m\r\n", then=lose_interrupts)
        with live(csv=TWO_OTA, console=wire, flash_size=_4MB) as life:
            life.flash(old)
            running = _running(life, application(old), "factory")
            with serve(answering(response(application(new).to_bytes())), authority=self.keys.authority) as peer:
                life.boot(peer.url("/advanced_https_ota.bin"), firmware=partial(_until_lost, running))
            return _told(life, peer)

    def anti_rollback(self) -> Told:
        """`1` with secure version 0 in ota_0, `2` with secure version 1 in ota_1."""
        first, second = (self._build(one, secure_version=number) for number, one in enumerate("12"))
        lower = application(first)
        with live(csv=ANTI_ROLLBACK, console=Wire()) as life:
            life.flash(first)
            if self.title == "ar_refused_at_finish":
                unchecked = application(replace(second, secure_version_check=False))
                return self._updates(life, unchecked, lower)
            if self.title == "ar_ok_sec0_to_sec1":
                return self._updates(life, application(second))
            self._updates(life, application(second))
            life.console.raw.clear()
            if self.title == "ar_bootloader_otadata_erased":
                life.machine.flash.poke(life.partition("otadata").offset, b"\xff" * 0x2000)
                return self._updates(life)
            return self._updates(life, lower)

    def rolled_back(self) -> Told:
        """`3` fails before it confirms itself; `2` is in ota_1 as it came there, or `1` in ota_0."""
        how = {
            "rollback_abort": Behaviour.ABORT,
            "rollback_abort_from_sec0": Behaviour.ABORT,
            "rollback_diag": Behaviour.DIAGNOSTICS_FAIL,
            "rollback_intwdt": Behaviour.INTERRUPT_WATCHDOG,
            "hang_taskwdt_no_panic": Behaviour.TASK_WATCHDOG,
        }[self.title]
        with live(csv=ANTI_ROLLBACK, console=Wire()) as life:
            life.flash(self._build("1"))
            if not self.title.endswith("sec0"):
                self._updates(life, application(self._build("2", secure_version=1)))
                life.console.raw.clear()
            return self._updates(life, application(self._build("3", secure_version=1, behaviour=how)))

    def power_cut(self) -> Told:
        """Power fails in the middle of a line of the new image's first boot, and comes back."""
        wire = Wire()
        with live(csv=ANTI_ROLLBACK, console=wire) as life:
            life.flash(self._build("1"))
            wire.until = b"App version:      2\x1b[0m\r"
            wire.then = partial(life.machine.supply.set_power, False)
            told = self._updates(life, application(self._build("2", secure_version=1)))
            life.boot()
            return replace(told, console=bytes(life.console.raw))

    # -- builds and servers

    def _story(self) -> Story:
        if self.title == "native_random":
            return NATIVE["native_ok"]
        as_adv_ok = dict.fromkeys(("dbg_ok", "nocolor_ok", "systime_ok"), STORIES["adv_ok"])
        return {**STORIES, **NATIVE, **SIMPLE, **as_adv_ok}[self.title]

    def _example_build(self, version: str, *, new: bool = False) -> VirtualBuild:
        known: dict[str, dict[str, Any]] = {
            "partial": {"partial_http_download": True},
            "native": {"app": "native_ota"},
            "simple": {"app": "simple_ota"},
            "dbg": {"log_level": "debug"},
            "nocolor": {} if new else {"log_colors": False},
        }
        return self._build(version, layout="factory_two_ota", **known.get(self.title.partition("_")[0], {}))

    def _build(self, version: str, **options: Any) -> VirtualBuild:
        given: dict[str, Any] = {"app": "advanced_https_ota", "layout": "anti_rollback", **options}
        pem = self.keys.authority.cert_pem.bytes()
        return VirtualBuild(chip="esp32c3", version=version, idf_ver=self.release, ca_pem=pem, **given)

    def _updates(self, life: Life, *images: Image) -> Told:
        """Power the board and give it the URL of one image after the other, in one go."""
        answers = [response(image.to_bytes()) for image in images]
        with serve(answering(*answers or [b""]), authority=self.keys.authority) as peer:
            life.boot(*[peer.url("/advanced_https_ota.bin") for _ in images])
        return _told(life, peer)

    def _server(self, story: Story, script: Script) -> AbstractContextManager[Peer]:
        authority = self.keys.authority if story.trusted else trustme.CA()
        return serve(script, authority=authority if story.tls else None)


def _told(life: Life, peer: Peer) -> Told:
    return Told(bytes(life.console.raw), tuple(_request(one) for one in peer.requests))


def _request(request: bytes) -> str:
    """As the log of the real server has it: method, path, range."""
    method, path, _ = request.decode("latin-1").split(" ", 2)
    asked = re.search(rb"\r\nRange: (\S+)", request)
    return f"{method} {path} Range={asked[1].decode() if asked else None}"


def _poke_app(life: Life, slot: str, image: Image) -> None:
    life.machine.flash.poke(life.partition(slot).offset, image.to_bytes())


def _with_system_time(spec: VirtualBuild) -> Image:
    """The same application compiled with CONFIG_LOG_TIMESTAMP_SOURCE_SYSTEM: its formats take a text for the time."""
    image = application(spec)
    early = [one.encode() for one in component_strings(spec.dialect, "app", _EARLY) if not _has(one, _NOT_EARLY)]
    first, *rest = image.segments
    data = b"\0".join(
        one if one in early else one.replace(b" (%lu) %s: ", b" (%s) %s: ") for one in first.data.split(b"\0")
    )
    return replace(image, segments=(Segment(first.load_addr, data.ljust(len(first.data), b"\0")), *rest)).seal()


def _has(text: str, parts: tuple[str, ...]) -> bool:
    return any(part in text for part in parts)


def _random_text(real: bytes) -> bytes:
    """32,000 bytes that are no image, of which the real device printed some as a version: those are taken from it."""
    begin = real.index(b"New firmware version: ") + len("New firmware version: ")
    printed = real[begin : real.index(b"\x1b[0m\r\n", begin)].replace(b"\r\n", b"\n")
    payload = bytearray(random_payload(32_000, seed=1, first_byte=0))
    payload[48 : 48 + 240] = printed[:240]
    return bytes(payload)


def _running(life: Life, image: Image, slot: str) -> Running:
    desc = image.app_desc
    assert desc is not None
    release = Release.parse(desc.idf_ver)
    log = Log(life.machine, image, release)
    return Running(life.machine, image, image.to_bytes(), life.partition(slot), life.table, release, log)


def _until_lost(running: Running, machine: Machine) -> NoReturn:
    try:
        boot.run(machine)
    except InterruptsLost:
        panic.interrupt_watchdog(running)
