"""What is fuzzed: for each parser its corpus, its tokens, and what must hold whatever comes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType

import trustme

from bench.boards.boards_file import BoardsFile
from bench.builds import VirtualBuild
from bench.console import Boot, ConsoleReader, Event, Item, Record, judge
from bench.console.as_json import item_json, summary_json
from bench.errors import BoardsFileError, FormatError
from bench.flash import OtaData, SelectEntry
from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.nvs import Nvs, Program
from bench.flash.partition_csv import parse_csv
from bench.flash.partition_table import PartitionTable
from bench.images import Image, read_behaviour
from bench.images.encrypted import EncryptedHeader
from bench.images.signature import SignatureBlock
from bench.virtual.rom.slip import SlipReader, encode
from bench.virtual.telnet import COM_PORT, TelnetReader, escape, subnegotiation
from tests.console.consoles import Device
from tests.fuzz.listeners import LISTENERS
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Target
from tests.fuzz.written import WRITTEN
from tests.images.samples import small_app, small_bootloader

__all__ = ["TARGETS", "Target"]


# -- console -------------------------------------------------------------------------------------------------------

_SAID = (
    b"OTA started",
    b"OTA finish",
    b"Boot partition updated. Next Partition: 16",
    b"Connected to server",
    b"ESP_HTTPS_OTA upgrade successful. Rebooting ...",
    b"Guru Meditation Error: Core  0 panic'ed (x). ",
)
_LINE = b"I (12) advanced_https_ota_example: "


def _consoles() -> Mutator:
    device = Device().boot("factory", "1").download("ota_0").boot("ota_0", "2")
    tokens = [
        *_SAID, _LINE, b"I (1) ", b"E (12:34:56.789) ", b"\x1b[0;32m", b"\x1b[0m", b"\r\n", b"\r", b"\0", b": ", b"(",
        b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)", b"ESP-ROM:esp32c3-api1-20210207", b"Rebooting...",
        b"I (5) app_init: App version:      9", b"Backtrace: 0x400d6f38:0x3ffb5e10", b"\xff", b"\xc3\xa4", b"x" * 5000,
    ]  # fmt: skip
    return Mutator([device.console, *(_LINE + said + b"\r\n" for said in _SAID)], tokens)


def _read(console: bytes, steps: random.Random | None = None) -> list[Item]:
    reader, items, at = ConsoleReader(), list[Item](), 0
    while at < len(console):
        step = len(console) if steps is None else steps.randint(1, 700)
        items += reader.feed(console[at : at + step])
        at += step
    return items + reader.close()


def _console(data: bytes) -> bool:
    items = _read(data)
    assert items == _read(data, random.Random(len(data))), "other chunks, other items"
    before: Item | None = None
    for item in items:
        if isinstance(item, Event):
            assert isinstance(before, Record), "an event without a record"
            assert before.tag == "advanced_https_ota_example", f"an event invented from {before!r}"
        assert item_json(item).isascii()
        before = item
    judgement = judge(items)
    assert judgement.boots == sum(isinstance(item, Boot) for item in items)
    assert summary_json(judgement).isascii()
    assert len(items) <= 4 * data.count(b"\n") + 4 * data.count(b"\r") + len(data) // 8 + 16, "items without end"
    _quoted(data)
    return any(isinstance(item, Event) for item in items)


def _quoted(data: bytes) -> None:
    """A line that merely contains an event's text inside other text is not an event."""
    for said in _SAID:
        line = b"I (7) my_app: server said: '" + _LINE + said + b"'\r\n"
        if data.startswith(_LINE + said):
            invented = [item for item in _read(line * 3) if isinstance(item, Event)]
            assert not invented, f"{invented} invented from a quotation"


# -- bytes of flash and images -------------------------------------------------------------------------------------


def _images() -> Mutator:
    signed = bytes([0xE7, 2]) + bytes(1214)
    corpus = [small_app("esp32s3").to_bytes(), small_app("esp32", hash_appended=False).to_bytes()]
    return Mutator([*corpus, small_bootloader().to_bytes()], [b"\xe9", signed, b"OTABENCH\0BEHAVIOUR=abort"])


def _image(data: bytes) -> bool:
    try:
        image = Image.parse(data)
    except FormatError:
        return False
    assert image.to_bytes() == data, "the image does not come back as it was"
    assert all(problem.subject if hasattr(problem, "subject") else str(problem) for problem in image.check())
    read_behaviour(image)
    for read in (lambda: image.app_desc, lambda: image.bootloader_desc, image.seal):
        try:
            read()
        except FormatError:
            continue
    return True


def _tables() -> Mutator:
    build = VirtualBuild(
        chip="esp32s3", app="simple_ota", version="1", ca_pem=trustme.CA().cert_pem.bytes(), rollback=True
    )
    table = build.files()["partition_table/partition-table.bin"]
    return Mutator([table, table[:96], b"\xff" * 64], [b"\xaaP", b"\xeb\xeb" + b"\xff" * 14, b"otadata\0"])


def _table(data: bytes) -> bool:
    try:
        table = PartitionTable.parse(data)
    except FormatError:
        return False
    assert PartitionTable.parse(table.to_bytes()).partitions == table.partitions
    return True


def _csvs() -> Mutator:
    text = b"# Name, Type, SubType, Offset, Size, Flags\nnvs,data,nvs,0x9000,16K\notadata,data,ota,,8K\nphy,1,1,,4k\n"
    text += b"ota_0,app,ota_0,,1M\nota_1,app,ota_1,,1M,encrypted\n"
    return Mutator([text], [b",", b"0x", b"1M", b"-", b"\n", b'"', b"99999999999999999999", b"#", b"app", b"\0"])


def _csv(data: bytes) -> bool:
    try:
        parse_csv(data.decode("utf-8", "replace"), flash_size=4 << 20, table_offset=0x8000)
    except FormatError:
        return False
    return True


def _otadatas() -> Mutator:
    updated = OtaData.erased().with_entry(0, SelectEntry.for_seq(1)).with_entry(1, SelectEntry.for_seq(2, 0))
    tokens = [SelectEntry.for_seq(seq, state).to_bytes() for seq in (0, 1, 0xFFFFFFFE) for state in range(5)]
    return Mutator([updated.to_bytes()], tokens, lambda data: data.ljust(8192, b"\xff")[:8192])


def _otadata(data: bytes) -> bool:
    try:
        otadata = OtaData.parse(data)
    except FormatError:
        return False
    assert OtaData.parse(otadata.to_bytes()) == otadata
    assert otadata.active_index in (None, 0, 1)
    for slots in (1, 2, 16):
        if otadata.active is not None:
            assert 0 <= otadata.active.slot(slots) < slots
    return otadata.active is not None


def _nvs_partitions() -> Mutator:
    flash = bytearray(b"\xff" * 12288)
    store = Nvs(bytes(flash))
    for operation in [*store.set_string("storage", "url", "https://x"), *store.set_u16("storage", "ota_wr_len", 7)]:
        if isinstance(operation, Program):
            flash[operation.offset : operation.offset + len(operation.data)] = operation.data
    return Mutator([bytes(flash), bytes(flash[:4096])], [b"\xfe\xff\xff\xff"])


def _nvs(data: bytes) -> bool:
    sectors = data[: len(data) // 4096 * 4096]
    if not sectors:
        return False
    store = Nvs(sectors)
    found = [store.get_number("storage", key) for key in ("url", "ota_wr_len", "x" * 15)]
    return any([*found, *(store.get_string("storage", key) for key in ("url", "ota_wr_len"))])


def _efuse(data: bytes) -> bool:
    taken = False
    for chip in ("esp32", "esp32c3", "esp32s3"):
        try:
            blocks = EfuseBlocks.parse(chip, data)
        except FormatError:
            continue
        taken = True
        assert EfuseBlocks.parse(chip, blocks.to_bytes()) == blocks
        assert 0 <= blocks.secure_version <= blocks.max_secure_version
    return taken


def _encrypted(data: bytes) -> bool:
    try:
        header = EncryptedHeader.parse(data)
    except FormatError:
        return False
    assert header.to_bytes() == data[: len(header.to_bytes())]
    return True


def _signatures() -> Mutator:
    def mend(data: bytes) -> bytes:
        return SignatureBlock.with_crc(data.ljust(SignatureBlock.SIZE, b"\0"))

    blocks = [SignatureBlock(version, bytes(32), bytes(776), bytes(384)).to_bytes() for version in (2, 3)]
    return Mutator(blocks, [b"\xe7\x02", b"\xe7\x03"], mend)


def _signature(data: bytes) -> bool:
    try:
        block = SignatureBlock.parse(data)
    except FormatError:
        return False
    assert block.verifies(bytes(32)) is False
    return True


# -- users' files and the wire -------------------------------------------------------------------------------------

_BOARDS = b"""default: model
boards:
  model: {chip: esp32s3, driver: virtual}
  desk:
    chip: esp32
    driver: serial
    usb: {location: 1-2.3}
    power: {command: {on: "a", off: "b"}}
    network: {wifi: {ssid: env:A, password: env:B}}
    tags: [a, b]
"""


def _boards(data: bytes) -> bool:
    try:
        file = BoardsFile.parse(data)
    except BoardsFileError as error:
        refused = error
    else:
        assert file.boards
        return True
    assert 1 <= refused.line <= data.count(b"\n") + data.count(b"\r") + 3, f"line {refused.line} is outside the file"
    return False


def _slip(data: bytes) -> bool:
    whole = SlipReader().feed(data)
    reader = SlipReader()
    assert [frame for byte in data for frame in reader.feed(bytes((byte,)))] == whole
    assert sum(map(len, whole)) <= len(data)
    return bool(whole)


def _telnet(data: bytes) -> bool:
    tokens = TelnetReader().feed(data)
    reader = TelnetReader()
    apart = [token for byte in data for token in reader.feed(bytes((byte,)))]
    texts = [b"".join(token for token in some if isinstance(token, bytes)) for some in (tokens, apart)]
    assert texts[0] == texts[1]
    return any(not isinstance(token, bytes) for token in tokens)


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "console": Target("bytes of a console", _consoles, _console),
        "image": Target("application and bootloader images", _images, _image),
        "partition-table": Target("partition tables", _tables, _table),
        "partition-csv": Target("partition tables as text", _csvs, _csv),
        "otadata": Target("otadata", _otadatas, _otadata),
        "nvs": Target("NVS partitions", _nvs_partitions, _nvs),
        "efuse": Target(
            "eFuse blocks",
            lambda: Mutator([EfuseBlocks.blank(chip).to_bytes() for chip in ("esp32", "esp32c3", "esp32s3")]),
            _efuse,
        ),
        "encrypted": Target(
            "pre-encrypted images",
            lambda: Mutator([b"\xcf\xb6\x88\x07" + bytes(700)], [b"\xcf\xb6\x88\x07"]),
            _encrypted,
        ),
        "signature": Target("signature blocks", _signatures, _signature),
        "boards-yaml": Target(
            "boards.yaml",
            lambda: Mutator([_BOARDS], [b"&a ", b"*a", b"<<: ", b"!!python/x ", *b"[,{,: ,- ,\t,|\n,...".split(b",")]),
            _boards,
        ),
        "slip": Target(
            "frames of the serial loader",
            lambda: Mutator([encode(b"\x08\0\x24" * 9)], [b"\xc0", b"\xdb"]),
            _slip,
        ),
        "telnet": Target(
            "RFC 2217",
            lambda: Mutator(
                [escape(bytes(range(256))), subnegotiation(COM_PORT, b"\1\0\1\xc2\0")], [b"\xff", b"\xff\xfa"]
            ),
            _telnet,
        ),
        **WRITTEN,
        **LISTENERS,
    }
)
"""By name, as the command line calls them."""
