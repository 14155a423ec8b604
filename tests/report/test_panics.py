"""Panics and their addresses: with toolchain programs that speak the real ones' command lines, and without any."""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from pathlib import Path

import pytest

from bench.console import Console
from bench.report.panics import Toolchain, decode_panics
from bench.timeline import Timeline

ADDR2LINE = """\
#!{python}
import sys
assert sys.argv[1:4] == ["-fiaC", "-e", {elf!r}], sys.argv
for address in sys.argv[4:]:
    print(address)
    known = address == "0x42000014"
    print("crash\\n/src/app.c:7 (discriminator 2)\\napp_main\\n/src/app.c:12" if known else "??\\n??:0")
"""

GDB = """\
#!{python}
import re, socket, subprocess, sys
assert sys.argv[1:4] == ["--batch", "-n", {elf!r}], sys.argv
assert sys.argv[4] == sys.argv[6] == "-ex" and sys.argv[7] == "bt", sys.argv
server = subprocess.Popen(re.fullmatch(r"target remote \\| (.*)", sys.argv[5])[1], shell=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

def ask(text):
    server.stdin.write(b"$%s#%02x" % (text, sum(text) % 256))
    server.stdin.flush()
    answer = b""
    while not re.search(rb"#[0-9a-f]{{2}}$", answer):
        piece = server.stdout.read(1)
        assert piece, "the server of the remote protocol has gone"
        answer += piece
    server.stdin.write(b"+")
    server.stdin.flush()
    return answer[answer.index(b"$") + 1 : -3]

ask(b"?")
registers = ask(b"g")
pc = int.from_bytes(bytes.fromhex(registers.decode())[32 * 4 : 33 * 4], "little")
print("warning: something else")
print("#0  0x%08x in crash () at /src/app.c:7" % pc)
print("#1  0x42000010 in app_main () at /src/app.c:12")
if {kills}:
    ask(b"k")
    server.wait()
"""

XTENSA = """\
Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.

Core  0 register dump:
PC      : 0x42000014  PS      : 0x00060030  A0      : 0x82001234  A1      : 0x3fcf0000

Backtrace: 0x42000011:0x3fcf0000 0x42000014:0x3fcf0020


ELF file SHA256: {sha}

Rebooting...
"""

RISCV = """\
Guru Meditation Error: Core  0 panic'ed (Illegal instruction). Exception was unhandled.

Core  0 register dump:
MEPC    : 0x42000014  RA      : 0x42000010  SP      : 0x3fc8f000  GP      : 0x3fc8b400
TP      : 0x3fc8f100  T0      : 0x00000000  T1      : 0x00000000  T2      : 0x00000000
S0/FP   : 0x00000000  S1      : 0x00000000  A0      : 0x00000000  A1      : 0x00000000
A2      : 0x00000000  A3      : 0x00000000  A4      : 0x00000000  A5      : 0x00000000
A6      : 0x00000000  A7      : 0x00000000  S2      : 0x00000000  S3      : 0x00000000
S4      : 0x00000000  S5      : 0x00000000  S6      : 0x00000000  S7      : 0x00000000
S8      : 0x00000000  S9      : 0x00000000  S10     : 0x00000000  S11     : 0x00000000
T3      : 0x00000000  T4      : 0x00000000  T5      : 0x00000000  T6      : 0x00000000
MSTATUS : 0x00001881  MTVEC   : 0x40380001  MCAUSE  : 0x00000002  MTVAL   : 0x00000000
MHARTID : 0x00000000

Stack memory:
3fc8f000: 0x00000000 0x42000010 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000


ELF file SHA256: {sha}

Rebooting...
"""


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    """An ELF file with nothing in it: the programs here do not look into it, and its digest is what counts."""
    path = tmp_path / "app.elf"
    path.write_bytes(b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHI", 2, 243, 1) + bytes(28))
    return path


@pytest.fixture
def toolchain(tmp_path: Path, elf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two programs, of both architectures, alone on PATH (but for a shell, which gdb starts its server with)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, source in (("xtensa-esp32s3-elf-addr2line", ADDR2LINE), ("riscv32-esp-elf-gdb", GDB)):
        (folder / name).write_text(source.format(python=sys.executable, elf=str(elf), kills=True))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def panic(
    dump: str, elf: Path, chip: str, *, sha: str = "", prefix: str = "", patience: float = 30
) -> dict[str, object]:
    digest = sha or hashlib.sha256(elf.read_bytes()).hexdigest()[:9]
    data = b"I (1) main: before\n" + dump.format(sha=digest).replace("\n", "\r\n").encode()
    timeline = Timeline()
    console = Console(timeline)
    console.feed(data)
    console.close()
    (found,) = decode_panics(timeline.entries, data, elf=elf, toolchain=Toolchain(chip, prefix, patience))
    assert found["line_no"] == 2
    return found


@pytest.mark.usefixtures("toolchain")
def test_a_backtrace_is_looked_up_by_addr2line(elf: Path) -> None:
    assert panic(XTENSA, elf, "esp32s3")["decoded"] == [
        "0x42000011: unknown, perhaps in ROM",
        "0x42000014: crash at /src/app.c:7",
        "            (inlined by) app_main at /src/app.c:12",
    ]


@pytest.mark.usefixtures("toolchain")
def test_registers_and_stack_are_served_to_gdb(elf: Path) -> None:
    assert panic(RISCV, elf, "esp32c3") == {
        "line_no": 2,
        "decoded": ["#0  0x42000014 in crash () at /src/app.c:7", "#1  0x42000010 in app_main () at /src/app.c:12"],
    }


@pytest.mark.usefixtures("toolchain")
def test_another_elf_file_is_not_believed(elf: Path) -> None:
    told = panic(XTENSA, elf, "esp32s3", sha="012345678")
    assert "the device ran ELF file 012345678, and app.elf of the build is" in str(told["why_not"])
    assert "decoded" not in told


@pytest.mark.usefixtures("toolchain")
def test_the_builds_own_prefix_is_taken(elf: Path) -> None:
    told = panic(XTENSA, elf, "esp32s3", prefix="strange-")
    assert told["why_not"] == "not decoded: strange-addr2line is not on PATH; run the bench after ESP-IDF's export.sh"


def test_no_toolchain_and_no_elf_are_told(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "riscv32-esp-elf-gdb is not on PATH" in str(panic(RISCV, elf, "esp32c3")["why_not"])
    elf_gone = elf.rename(elf.with_suffix(".old"))
    timeline = Timeline()
    timeline.append("console", "panic", reason="x", line_no=1, last_line_no=1)
    assert decode_panics(timeline.entries, b"x\n", elf=elf, toolchain=Toolchain("esp32c3")) == [
        {"line_no": 1, "why_not": "not decoded: the build has no ELF file"}
    ]
    assert "neither a backtrace nor its stack" in str(
        decode_panics(timeline.entries, b"x\n", elf=elf_gone, toolchain=Toolchain("esp32c3"))[0]["why_not"]
    )


def test_a_program_that_fails_is_told_with_its_words(toolchain: Path, elf: Path) -> None:
    (toolchain / "riscv32-esp-elf-gdb").write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such luck')\n")
    assert str(panic(RISCV, elf, "esp32c3")["why_not"]).endswith("riscv32-esp-elf-gdb ended with 1: no such luck")


def test_a_program_that_never_ends_is_ended(toolchain: Path, elf: Path) -> None:
    (toolchain / "riscv32-esp-elf-gdb").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    told = panic(RISCV, elf, "esp32c3", patience=0.2)
    assert told["why_not"] == "not decoded: riscv32-esp-elf-gdb did not answer within 0.2 s"


def test_what_a_dying_gdb_leaves_behind_is_ended(
    toolchain: Path, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = GDB.format(python=sys.executable, elf=str(elf), kills=False)
    note = f"open({str(tmp_path / 'server')!r}, 'w').write(str(server.pid))\n"
    (toolchain / "riscv32-esp-elf-gdb").write_text(source + note)
    assert "decoded" in panic(RISCV, elf, "esp32c3")
    monkeypatch.undo()
    server = int((tmp_path / "server").read_text())
    ends = time.monotonic() + 10
    while Path(f"/proc/{server}").exists() and "Z" not in Path(f"/proc/{server}/stat").read_text().split(")")[-1]:
        assert time.monotonic() < ends, "it lives on"
        time.sleep(0.01)
