"""The drivers of the emulators, against stand-ins that speak their command lines and channels."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.boards.board import Board, Emulator
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import attach
from bench.boards.drivers.emulator import EmulatedBoard, flash_size
from bench.boards.drivers.emulator_efuse import EfuseFile
from bench.boards.identify import identify
from bench.builds import Build, VirtualBuild, write_build
from bench.console import Console
from bench.errors import BenchError, BoardLost
from bench.images import Image
from bench.ota import Draft, Firmware, FlashView, Ota, dialect_of
from bench.server import Authority, OtaServer
from bench.timeline import Timeline
from tests.boards import emulator_stand_in

LIMIT = 60.0
ROOT = Path(__file__).parents[2]
POWERON = b"rst:0x1 (POWERON"

Emulate = Callable[[str, str], Board]


@pytest.fixture
def emulate(tmp_path: Path) -> Emulate:
    """A board of that driver and chip whose emulator is the stand-in."""

    def make(driver: str, chip: str) -> Board:
        tool = tmp_path / driver
        tool.write_text(
            f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {emulator_stand_in.__file__} {driver} "$@"\n'
        )
        tool.chmod(0o755)
        return Board(name=f"emulated-{chip}", chip=chip, driver=driver, emulator=Emulator(str(tool)))

    return make


@contextmanager
def entered(board: Board) -> Iterator[EmulatedBoard]:
    with attach(board) as attached:
        assert isinstance(attached, EmulatedBoard)
        yield attached


def built(chip: str, folder: Path, authority: Authority) -> Build:
    write_build(
        VirtualBuild(chip=chip, app="advanced_https_ota", version="1", ca_pem=authority.ca_pem), folder / "build"
    )
    return Build.load(folder / "build")


def put(board: EmulatedBoard, build: Build) -> None:
    """By the programmer, as a scenario does it."""
    for file in build.flash_files:
        board.write_flash(file.offset, file.path.read_bytes())


class Heard:
    """What came from the console."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._came = threading.Condition()

    def feed(self, data: bytes) -> None:
        with self._came:
            self.data += data
            self._came.notify_all()

    def wait(self, text: bytes, times: int = 1) -> None:
        with self._came:
            came = self._came.wait_for(lambda: self.data.count(text) >= times, LIMIT)
        assert came, f"waited {LIMIT:g} s for {text!r} ({times} times) in {bytes(self.data[-2000:])!r}"


EACH = pytest.mark.parametrize(("driver", "chip"), [("qemu", "esp32"), ("qemu", "esp32s3"), ("espemu", "esp32c3")])


@EACH
def test_it_boots_what_the_programmer_wrote_and_resets_and_loses_power(
    emulate: Emulate, tmp_path: Path, driver: str, chip: str
) -> None:
    heard, build = Heard(), built(chip, tmp_path, Authority.load_or_create(tmp_path / "ca"))
    with entered(emulate(driver, chip)) as board, ConsolePort(board.port, heard.feed) as port:
        put(board, build)
        assert not board.powered
        board.power(True)
        heard.wait(POWERON)
        heard.wait(b"app_init: App version:")
        port.reset()
        heard.wait(b"app_init: App version:", 2)
        board.power(False)
        board.power(True)
        board.power(True)
        heard.wait(b"app_init: App version:", 3)
        board.power(False)
        assert board.read_flash(build.app_offset, 4096) == build.app_path.read_bytes()[:4096]


@EACH
def test_esptool_reaches_the_roms_loader_by_dtr_and_rts(
    emulate: Emulate, tmp_path: Path, driver: str, chip: str
) -> None:
    with entered(emulate(driver, chip)) as board:
        put(board, built(chip, tmp_path, Authority.load_or_create(tmp_path / "ca")))
        board.power(True)
        assert identify(board.port).chip == chip
        heard = Heard()
        with ConsolePort(board.port, heard.feed) as port:
            port.reset()
            heard.wait(b"app_init: App version:")


@pytest.mark.parametrize(("driver", "chip"), [("qemu", "esp32"), ("qemu", "esp32c3")])
def test_a_whole_update_over_the_emulators_network(emulate: Emulate, tmp_path: Path, driver: str, chip: str) -> None:
    authority = Authority.load_or_create(tmp_path / "ca")
    build = built(chip, tmp_path, authority)
    with entered(emulate(driver, chip)) as board, Timeline() as timeline:
        console = Console(timeline)
        with (
            OtaServer(timeline, authority, name=board.server_name) as server,
            ConsolePort(board.port, console.feed) as port,
        ):
            put(board, build)
            board.power(True)
            ota = Ota(
                firmware=Firmware(build, behaves=True),
                dialect=dialect_of("advanced_https_ota"),
                device=port,
                supply=board,
                flash=FlashView(build.partition_table, board.read_flash, chip=chip, digest=board.digest_flash),
                server=server,
                timeline=timeline,
                verdict=console.verdict,
            )
            ota.wait_for_prompt()
            first = ota.running_slot
            ota.update(Draft(Image.parse(build.app_path.read_bytes())).version("2"), version="2")
            assert ota.running_slot != first
            ota.power_cycle()
            ota.expect_boot(version="2", reset_reason="POWERON_RESET" if chip == "esp32" else "POWERON")


def test_what_esp_emu_cannot_do_is_said(emulate: Emulate) -> None:
    with pytest.raises(BenchError, match=r"esp-emu has no esp32s3; of the bench's chips it has esp32c3"):
        attach(emulate("espemu", "esp32s3"))
    board = emulate("espemu", "esp32c3")
    assert "flash_snapshot" not in board.capabilities
    with entered(board) as attached:
        attached.power(True)
        with pytest.raises(BenchError, match="switch it off to read it"):
            attached.read_flash(0, 16)


def test_a_missing_emulator_is_told_with_how_to_get_it() -> None:
    for driver, mend in (("qemu", r"idf_tools\.py install qemu-riscv32"), ("espemu", "espressif/esp-emulator")):
        board = Board(name="none", chip="esp32c3", driver=driver, emulator=Emulator("/no/such/emulator"))
        with pytest.raises(BenchError, match=mend), attach(board):
            pass


@pytest.mark.parametrize(("driver", "chip"), [("qemu", "esp32"), ("espemu", "esp32c3")])
def test_an_emulator_that_does_not_start_is_told_with_its_last_words(tmp_path: Path, driver: str, chip: str) -> None:
    tool = tmp_path / "broken"
    tool.write_text("#!/bin/sh\necho no such machine >&2\nexit 3\n")
    tool.chmod(0o755)
    board = Board(name="broken", chip=chip, driver=driver, emulator=Emulator(str(tool)))
    with (
        entered(board) as attached,
        pytest.raises(BoardLost, match=r"did not start: it ended with exit code 3:\nno such machine"),
    ):
        attached.power(True)


def test_an_emulator_that_died_is_told(emulate: Emulate) -> None:
    with entered(emulate("qemu", "esp32")) as board:
        board.write_flash((8 << 20) - 1, b"\0")
        board.power(True)
        assert board._process is not None
        os.killpg(board._process.pid, signal.SIGKILL)
        with pytest.raises(BoardLost, match=r"exit code|does not answer"):
            board.read_flash(0, 16)
        board.power(False)
        board.power(True)
        assert board.read_flash((8 << 20) - 1, 1) == b"\0"


@EACH
def test_an_emulator_that_dies_is_a_lost_board_and_no_silent_firmware(
    emulate: Emulate, tmp_path: Path, driver: str, chip: str
) -> None:
    heard, lost, build = Heard(), threading.Event(), built(chip, tmp_path, Authority.load_or_create(tmp_path / "ca"))
    with entered(emulate(driver, chip)) as board:
        put(board, build)
        with ConsolePort(board.port, heard.feed, when_lost=lambda _cause: lost.set()) as port:
            board.power(True)
            heard.wait(b"app_init: App version:")
            port.reset()
            board.power(False)
            board.power(True)
            heard.wait(b"app_init: App version:", 2)
            assert port.lost is None, "an end that is wanted is no loss"
            assert board._process is not None
            guard = board._process.pid
            (emulator,) = map(int, Path(f"/proc/{guard}/task/{guard}/children").read_text().split())
            os.kill(guard, signal.SIGSTOP)  # it would notice at once, or a moment later
            try:
                os.kill(emulator, signal.SIGKILL)
                assert lost.wait(LIMIT)
                with pytest.raises(BoardLost, match="is gone"):
                    port.write(b"x")
                assert not board.powered
            finally:
                os.kill(guard, signal.SIGCONT)
        with pytest.raises(BoardLost, match=r"exit code|does not answer"):
            board.read_flash(0, 16)
        again = Heard()
        with ConsolePort(board.port, again.feed):
            board.power(True)
            again.wait(b"app_init: App version:")


def test_the_emulator_ends_when_the_bench_is_killed(emulate: Emulate, tmp_path: Path) -> None:
    tool = emulate("qemu", "esp32").emulator
    assert tool is not None
    script = (
        "import signal\nfrom bench.boards.board import Board, Emulator\nfrom bench.boards.drivers import attach\n"
        f"tool = Emulator({tool.executable!r})\n"
        "with attach(Board(name='m', chip='esp32', driver='qemu', emulator=tool)) as board:\n"
        "    board.write_flash((8 << 20) - 1, b'x')\n    board.power(True)\n"
        "    print(board._process.pid, flush=True)\n    signal.pause()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as bench:
        assert bench.stdout is not None
        group = int(bench.stdout.readline())
        bench.kill()
    ends = time.monotonic() + LIMIT
    while _runs(group):
        assert time.monotonic() < ends, "the emulator outlived the bench"
        time.sleep(0.02)


def _runs(group: int) -> bool:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, leader = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(leader) == group and state not in "ZX":
            return True
    return False


def test_flash_is_written_while_it_is_off_and_grows(emulate: Emulate) -> None:
    with entered(emulate("qemu", "esp32")) as board:
        assert board.read_flash((4 << 20) - 16, 16) == b"\xff" * 16
        with pytest.raises(BenchError, match="its flash ends before 0x400001"):
            board.read_flash(4 << 20, 1)
        board.write_flash((8 << 20) - 4, b"last")
        assert board.read_flash((8 << 20) - 8, 8) == b"\xff\xff\xff\xfflast"
        with pytest.raises(BenchError, match="16777216 bytes of flash at most"):
            board.write_flash(16 << 20, b"x")
        board.power(True)
        with pytest.raises(BenchError, match="cannot write its flash while it runs"):
            board.write_flash(0, b"x")
        with pytest.raises(BenchError, match="cannot burn its eFuses while it runs"):
            board.burn_efuse(0, b"x")
        board.renew()
        assert not board.powered
        assert board.read_flash(0, 4) == b"\xff" * 4


@pytest.mark.parametrize(
    ("header", "mib"),
    [
        (b"\xe9\x01\x02\x20", 4),
        (b"\xe9\x01\x02\x3f", 8),
        (b"\xe9\x01\x02\x40", 16),
        (b"\xe9\x01\x02\x70", 16),
        (b"\xff" * 4, 4),
        (b"", 4),
        (b"\xe9\x01\x02\x00", 4),
    ],
)
def test_the_flash_is_as_large_as_the_bootloader_was_built_for(header: bytes, mib: int) -> None:
    assert flash_size(header) == mib << 20


@pytest.mark.parametrize(
    ("chip", "revision", "size"), [("esp32", 300, 124), ("esp32c3", 3, 1024), ("esp32s3", 3, 1024)]
)
def test_efuses_are_as_delivered_and_only_gain_bits(tmp_path: Path, chip: str, revision: int, size: int) -> None:
    file = EfuseFile(tmp_path / "efuse", chip)
    file.renew()
    assert file.path.stat().st_size == size
    assert file.blocks().chip_revision == revision
    wanted = file.blocks().with_secure_version(3)
    for number, bits in enumerate(wanted.blocks):
        file.burn(number, bits)
    assert file.blocks().secure_version == 3
    for number in range(len(wanted.blocks)):
        file.burn(number, bytes(24))
    assert file.blocks() == wanted
    with pytest.raises(BenchError, match="no such eFuse bits"):
        file.burn(len(wanted.blocks), b"\1")
    with pytest.raises(BenchError, match="no such eFuse bits"):
        file.burn(0, bytes(31) + b"\1")
    file.path.write_bytes(bytes(20))
    with pytest.raises(BenchError, match="and not 20"):
        file.blocks()
