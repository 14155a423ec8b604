"""Fuzz targets: all that listens, and the bench's own client where the other side is hostile."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from urllib.parse import urlsplit

import serial

from bench.boards.serialurl import register
from bench.server import Authority, OtaServer
from bench.timeline import Deadline, Entry, Timeline
from bench.virtual.board import Board
from bench.virtual.control import ControlPort
from bench.virtual.hub import Hub, listen
from bench.virtual.machine import Machine, Restart
from bench.virtual.rom.errors import checksum
from bench.virtual.rom.loader import SerialLoader
from bench.virtual.rom.slip import SlipReader, encode
from bench.virtual.supply import Supply
from bench.virtual.telnet import COM_PORT, DO, WILL, Subnegotiation, TelnetReader, escape, negotiation, subnegotiation
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Check, Target
from tests.virtual.benchtop import benchtop

__all__ = ["LISTENERS"]

_PATIENCE = 20.0
"""Seconds after which something that should have happened is given up."""

_AN_HONEST_ONE_EVERY = 25
"""Inputs after which somebody harmless asks, too, and must be served."""


# -- HTTP requests -------------------------------------------------------------------------------------------------

_APP = b"the bytes of the application " * 100
_SECRET = b"bytes that nobody was to have "


def _requests() -> Mutator:
    get = b"GET /app.bin HTTP/1.1\r\nHost: x\r\n"
    inner = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    corpus = [
        get + b"\r\n",
        get + b"Range: bytes=10-20\r\n\r\n" + get + b"\r\n",
        b"HEAD /app.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
        get + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner) + 5) + inner,
        get + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + inner + b"\r\n0\r\n\r\n",
        get + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + inner,
        get + b"X-Long: a\r\n folded\r\n\tand again\r\n\r\n",
        get + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: z\r\n\r\n" + inner,
        b"GET https://x/app.bin HTTP/1.1\r\nHost: y\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /app.bin HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /app.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 3,
        get + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ]
    tokens = [
        b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b" ", b"\t", b"/", b"..", b"%2e%2e/", b"%00", b"%2f", b"//", b"\\",
        b"?", b"/hidden.bin", b"/../", b"#", b"Content-Length: 3\r\n", b"Content-Length : 3\r\n",
        b"Content-Length: +3\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Range: bytes=0-\r\n", b"Range: bytes=" + b"0-1," * 900 + b"\r\n", b"Content-Encoding: gzip\r\n", b"A" * 9000,
        b"X: y\r\n" * 300, b"ffffffffffffffff\r\n", b"\xff", b"\xc3\xa4", b"HTTP/1.0", b"HTTP/2.0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", inner,
    ]  # fmt: skip
    return Mutator(corpus, tokens)


_LAST = b"GET /app.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Sent behind every input, so that a connection whose input was well formed ends at once."""

_QUIET = 0.05
"""Seconds of silence after which an input is taken for one that waits for more, and the connection is ended."""


class _Fire:
    """One server under fire."""

    def __init__(self, server: OtaServer, timeline: Timeline, context: ssl.SSLContext, url: str) -> None:
        self._server = server
        self._timeline = timeline
        self._context = context
        self._url = urlsplit(url)
        self._inputs = 0

    def check(self, data: bytes) -> bool:
        """Send it, and look at what it had the server do."""
        after = self._timeline.last_index
        heard = self._say(data + _LAST)
        self._over(after)
        entries = self._timeline.since(after)
        served = [entry for entry in entries if entry.kind == "request"]
        good = {entry.get("request") for entry in entries if entry.kind == "response" and _good(entry)}
        for entry in served:
            assert entry.get("request") not in good or entry.get("path") == "/app.bin", f"served {entry.get('path')!r}"
        assert _SECRET not in heard, "what was withheld was served"
        if _ambiguous(data):
            assert not any(entry.get("path") == "/smuggled" for entry in served), "a request was smuggled past a body"
        self._inputs += 1
        if self._inputs % _AN_HONEST_ONE_EVERY == 0:
            assert self._say(_LAST).endswith(b"\r\n\r\n" + _APP), "nobody else is served any more"
        return bool(good)

    def _say(self, data: bytes) -> bytes:
        heard = b""
        with (
            socket.create_connection((self._url.hostname, self._url.port), timeout=_PATIENCE) as plain,
            self._context.wrap_socket(plain, server_hostname=self._url.hostname) as peer,
            contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError),
        ):
            peer.sendall(data)
            peer.settimeout(_QUIET if data != _LAST else _PATIENCE)
            while part := peer.recv(1 << 16):
                heard += part
        return heard

    def _over(self, after: int) -> None:
        """Wait until every connection that was greeted has been told to be over."""
        ends = Deadline(_PATIENCE)
        while True:
            entries = self._timeline.since(after)
            greeted = {entry.get("connection") for entry in entries if entry.kind == "tls" and entry.get("ok")}
            if greeted <= {entry.get("connection") for entry in entries if entry.kind == "closed"}:
                return
            assert not ends.expired, "a connection stays for ever"
            threading.Event().wait(0.0005)


def _good(entry: Entry) -> bool:
    return entry.get("status") in (200, 206)


def _ambiguous(data: bytes) -> bool:
    """Does the first head announce its body's end in two ways that a reader could choose from?"""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    lengths = set(re.findall(rb"\r\ncontent-length: *([0-9]+)(?=\r\n)", head.lower()))
    chunked = re.search(rb"\r\ntransfer-encoding: *chunked(?=\r\n)", head.lower())
    return len(lengths) > 1 or bool(lengths and chunked)


@contextmanager
def _ota_server() -> Iterator[Check]:
    threads = threading.active_count()
    with Timeline() as timeline:
        authority = Authority.throwaway("the fuzzing trusts this")
        context = ssl.create_default_context(cadata=authority.ca_pem.decode())
        with OtaServer(timeline, authority) as server:
            release = server.publish("/app.bin", _APP)
            server.publish("/hidden.bin", _SECRET * 10)
            server.withhold("/hidden.bin")
            yield _Fire(server, timeline, context, release.url).check
        assert threading.active_count() == threads, "a thread was left behind"


# -- the serial loader ---------------------------------------------------------------------------------------------


class _AtRest(BaseException):
    """The processor waits for something that will not come. Not an `Exception`, as `Halted` is none."""


class _InRam(BaseException):
    """An application in RAM was started: nothing but a reset brings the loader back."""


class _NeverWaits(Supply):
    def wait_for_halt(self) -> None:
        raise _InRam

    @contextmanager
    def idling(self) -> Iterator[None]:
        if self.powered:
            raise _AtRest
        yield


_FLASH = 64 * 1024
_PATTERN = bytes(number * 7 & 0xFF for number in range(_FLASH))
_SYNC = struct.pack("<BBHI", 0, 0x08, 36, 0) + b"\x07\x07\x12\x20" + 32 * b"\x55"


def _command(number: int, data: bytes = b"", check: int = 0) -> bytes:
    return encode(struct.pack("<BBHI", 0, number, len(data), check) + data)


def _block(number: int, data: bytes) -> bytes:
    return _command(number, struct.pack("<IIII", len(data), 0, 0, 0) + data, checksum(data))


def _begin(number: int, size: int, offset: int) -> bytes:
    return _command(number, struct.pack("<IIIII", size, 1, 4096, offset, 0))


def _conversations() -> Mutator:
    stub = _command(0x05, struct.pack("<IIII", 64, 1, 0x1800, 0x40380000)) + _block(0x07, bytes(64))
    stub += _command(0x06, struct.pack("<II", 0, 0x40380010))
    plain = _begin(0x02, 5000, 0x2000) + _block(0x03, b"a" * 4096) + _block(0x03, b"b" * 904)
    deflated = _begin(0x10, 8192, 0x4000) + _block(0x11, zlib.compress(bytes(8192)))
    registers = _command(0x09, struct.pack("<IIII", 0x3FFB0000, 1, 0xFFFFFFFF, 0)) + _command(0x0A, bytes(4))
    fuses = b"".join(
        _command(0x09, struct.pack("<IIII", address, value, 0xFFFFFFFF, 0))
        for address, value in ((0x60008800, 0x12), (0x600089CC, 0x5A5A), (0x600089D4, 0x12), (0x600089D4, 0x2))
    )
    reads = _command(0xD2, struct.pack("<IIII", 0, 8192, 1024, 2)) + encode(struct.pack("<I", 8192))
    erase = _command(0xD1, struct.pack("<II", 0x8000, 0x1000))
    rest = _command(0x13, struct.pack("<IIII", 0, 4096, 0, 0)) + _command(0x0E, struct.pack("<II", 0, 64))
    corpus = [
        encode(_SYNC) + plain, deflated + rest, encode(_SYNC) + stub + plain, stub + deflated, stub + reads + erase,
        registers + fuses, stub + _command(0xD0), _command(0x14) + rest, _command(0x04, bytes(4)), fuses + plain,
    ]  # fmt: skip
    bomb = _begin(0x10, 4096, 0) + _block(0x11, zlib.compress(bytes(1 << 22)))
    numbers = [_command(number, bytes(16)) for number in (*range(0x02, 0x15), *range(0xD0, 0xD5))]
    return Mutator(corpus, [b"\xc0", b"\xdb", b"\xdb\xdc", bomb, stub, *numbers])


def _loader(data: bytes) -> bool:
    chip = ("esp32", "esp32c3", "esp32s3")[len(data) % 3]
    machine = Machine.assemble(chip, supply=_NeverWaits(), flash_size=_FLASH)
    machine.flash.poke(0, _PATTERN)
    heard = bytearray()
    machine.uart.listen(heard.extend)
    loader, taken = SerialLoader(machine), False
    machine.uart.feed(data)
    try:
        loader.serve()
    except (Restart, _InRam):
        loader = SerialLoader(machine)
    except _AtRest:
        pass
    answers = SlipReader().feed(bytes(heard))
    taken = any(len(answer) >= 10 and answer[0] == 1 and not any(answer[-2:]) for answer in answers)
    allowed = _writable(data)
    now = machine.flash.peek(0, _FLASH)
    for sector in range(0, _FLASH, 4096):
        if sector not in allowed:
            assert now[sector : sector + 4096] == _PATTERN[sector : sector + 4096], f"0x{sector:x} was written"
    _still_answers(machine, loader, heard)
    machine.close()
    return taken


def _writable(data: bytes) -> set[int]:
    """The sectors that some command in these bytes names; whether it was in order is not asked."""
    found = set[int]()
    for frame in (part.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb") for part in data.split(b"\xc0")):
        if len(frame) >= 24 and frame[1] in (0x02, 0x10):
            size, offset = struct.unpack_from("<I8xI", frame, 8)
        elif len(frame) >= 16 and frame[1] == 0xD1:
            offset, size = struct.unpack_from("<II", frame, 8)
        elif len(frame) >= 8 and frame[1] == 0xD0:
            offset, size = 0, _FLASH
        else:
            continue
        found |= set(range(offset - offset % 4096, min(offset + size, _FLASH), 4096))
    return found


def _still_answers(machine: Machine, loader: SerialLoader, heard: bytearray) -> None:
    """The loader answers a sync at one of the first tries, of which esptool makes more."""
    for _ in range(5):
        heard.clear()
        machine.uart.feed(encode(_SYNC))
        try:
            loader.serve()
        except (Restart, _InRam):
            loader = SerialLoader(machine)
        except _AtRest:
            if heard.count(b"\xc0\x01\x08") == 8:
                return
    raise AssertionError("it answers no sync any more")


# -- RFC 2217 ------------------------------------------------------------------------------------------------------


def _sessions() -> Mutator:
    def asked(*value: int) -> bytes:
        return subnegotiation(COM_PORT, bytes(value))

    hello = b"".join(negotiation(verb, option) for verb in (WILL, DO) for option in (0, 3, COM_PORT))
    reset = asked(5, 9) + asked(5, 11) + asked(5, 8) + asked(5, 12)
    text = escape(bytes(range(256)))
    settings = asked(1, 0, 1, 194, 0) + asked(2, 8) + asked(3, 1) + asked(4, 1) + asked(0) + asked(12, 1)
    corpus = [
        hello + settings,
        hello + reset + text,
        settings + b"text\r\n",
        reset + encode(_SYNC),
    ]
    tokens = [b"\xff", b"\xff\xff", b"\xff\xfa", b"\xff\xf0", b"\xff\xfa\x2c", *(asked(number) for number in range(14))]
    return Mutator(corpus, [*tokens, b"\xff\xfa\x2c" + b"a" * 3000, hello])


@contextmanager
def _port() -> Iterator[Check]:
    with _unseen_errors() as errors, benchtop("esp32c3") as top:

        def check(data: bytes) -> bool:
            heard = _said_by(top.address, data)
            assert not errors, errors
            answer = _said_by(top.address, subnegotiation(COM_PORT, b"\0"))
            assert subnegotiation(COM_PORT, b"dota-bench virtual board") in answer, "the next client is not served"
            return any(isinstance(token, Subnegotiation) for token in TelnetReader().feed(heard))

        yield check


def _said_by(address: tuple[str, int], data: bytes) -> bytes:
    """All that the port says to this before it hangs up in its turn."""
    heard = b""
    with socket.create_connection(address, timeout=_PATIENCE) as peer, contextlib.suppress(ConnectionError):
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        while part := peer.recv(1 << 16):
            heard += part
    return heard


@contextmanager
def _unseen_errors() -> Iterator[list[str]]:
    """The errors that end a thread, which nobody else would see."""
    found: list[str] = []
    before = threading.excepthook
    threading.excepthook = lambda ended: found.append(f"{ended.thread}: {ended.exc_value!r}")
    try:
        yield found
    finally:
        threading.excepthook = before
    assert not found, found


def _answers() -> Mutator:
    corpus = [b"", b"\r\n", escape(bytes(range(256))), subnegotiation(COM_PORT, b"\x6b\x10") * 3, negotiation(WILL, 1)]
    corpus += [negotiation(verb, COM_PORT) for verb in range(251, 255)]
    return Mutator(corpus, [b"\xff", b"\xff\xfa", b"\xff\xf0", b"\xff\xfa\x2c" + b"a" * 3000, b"\xff\xfe\x2c"])


@contextmanager
def _client() -> Iterator[Check]:
    register()
    with _unseen_errors() as errors, listen(("127.0.0.1", 0)) as listener:
        listener.setblocking(True)
        host, port = listener.getsockname()[:2]

        def check(data: bytes) -> bool:
            server = threading.Thread(target=_hostile, args=(listener, data))
            server.start()
            opened = False
            try:
                with serial.serial_for_url(f"fast2217://{host}:{port}?timeout=0.2", timeout=0) as there:
                    opened = True
                    there.dtr = False
                    there.write(b"hello")
                    there.read(1 << 16)
            except serial.SerialException:
                pass
            finally:
                server.join(_PATIENCE)
            assert not server.is_alive(), "the client does not hang up"
            assert not errors, errors
            return opened

        yield check


def _hostile(listener: socket.socket, data: bytes) -> None:
    """Answer as a server does, with a part of `data` before each answer; hang up when a request makes no sense."""
    parts = [data[at : at + 1 + len(data) // 6] for at in range(0, len(data), 1 + len(data) // 6)]
    sock, _ = listener.accept()
    reader = TelnetReader()
    sock.settimeout(_PATIENCE)
    with sock, contextlib.suppress(OSError):
        while heard := sock.recv(1 << 16):
            for token in reader.feed(heard):
                sock.sendall(parts.pop(0) if parts else b"")
                if isinstance(token, Subnegotiation):
                    sock.sendall(subnegotiation(COM_PORT, bytes((token.data[0] + 100,)) + token.data[1:]))
                elif not isinstance(token, bytes) and (token.verb, token.option) == (WILL, COM_PORT):
                    sock.sendall(negotiation(DO, COM_PORT))
                elif token == b"hello":
                    return


# -- the control channel -------------------------------------------------------------------------------------------


def _orders() -> Mutator:
    corpus = [
        b'{"do": "power", "on": true}', b'{"do": "reset"}', b'{"do": "renew"}', b'{"do": "status"}', b'{"do": "efuse"}',
        b'{"do": "read_flash", "offset": 0, "length": 16}', b'{"do": "digest_flash", "offset": 8, "length": 8}',
        b'{"do": "write_flash", "offset": 0, "data": "AAAA"}', b'{"do": "burn_efuse", "block": 4, "data": "AQ=="}',
        b'{"do": "network", "up": false}', b'{"do": "forget_cuts"}',
        b'{"do": "plan_cut", "purpose": "otadata*", "phase": "middle", "nth": 1, "back": false}',
    ]  # fmt: skip
    numbers = [b"-1", b"1e999", b"NaN", b"1" * 30, b"9" * 5000, b"4294967296", b"true", b"null", b"0.5"]
    nested = [b"[" * 30_000, b'{"do":' * 30_000]
    return Mutator(
        corpus, [*numbers, *nested, b'"', b"\\ud800", b"\\u00e4", b"\xc3\xa4", b"\xff", b"\0", b"]", b"}", b","]
    )


@contextmanager
def _control() -> Iterator[Check]:
    hub = Hub()
    machine = Machine.assemble("esp32s3", flash_size=_FLASH)
    board = Board(machine, firmware=lambda _: machine.idle(), download=lambda _: machine.idle())
    port = ControlPort(hub, board, listen(("127.0.0.1", 0)))
    try:
        with board:

            def check(data: bytes) -> bool:
                results = [json.loads(port.answer(line)) for line in data.split(b"\n")]
                assert len(machine.flash.peek(0, _FLASH)) == _FLASH
                assert json.loads(port.answer(b'{"do": "status"}'))["ok"] is True
                return all(result["ok"] for result in results)

            yield check
    finally:
        port.close()
        hub.close()


LISTENERS: Mapping[str, Target] = MappingProxyType(
    {
        "http": Target("requests to the OTA server, over TLS", _requests, serving=_ota_server, costly=True),
        "loader": Target("the serial loader of the virtual board", _conversations, _loader),
        "rfc2217-server": Target("the virtual board's port", _sessions, serving=_port, costly=True),
        "rfc2217-client": Target("a serial port on the network", _answers, serving=_client, costly=True),
        "control": Target("the control channel of the virtual board", _orders, serving=_control),
    }
)
