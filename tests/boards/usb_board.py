"""A virtual board behind a USB serial port of a machine of the test's own: real terminals, and nodes that come and go.

`UsbTree` is what Linux shows of USB serial ports (sysfs and /dev), below a folder. `UsbBoard` joins a virtual board to
a pseudo terminal and plugs that into the tree. Like a chip on its own USB, it leaves at each reset of the chip and
comes back under the next name; what came before a reset goes to the old terminal, what comes from the ROM's banner on
goes to the new one.

A pseudo terminal has no DTR and RTS (the kernel answers ENOTTY), so the cable goes by what it can see: when the host
sends the first bytes of the serial loader's SYNC command, it pulls IO0 low and pulses EN. Whoever wants the board to
leave download mode resets it by its power.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import shutil
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import serial

_SYNC = b"\xc0\x00\x08\x24\x00"
"""SLIP frame start, request, SYNC, 36 bytes long: how every tool begins to talk to the loader."""

_BANNER = b"ESP-ROM:"
_PATIENCE = 20.0


class UsbTree:
    """USB serial ports as Linux shows them, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sys/class/tty").mkdir(parents=True)
        (root / "dev").mkdir()

    def plug(self, name: str, terminal: str, *, usb: UsbIds, location: str = "1-2", interface: int = 0) -> Path:
        """Show a device with a port called `name`, whose node leads to `terminal`; the path of the node."""
        device = self.root / "sys/devices/usb1" / location
        part = device / f"{location}:1.{interface}"
        (part / "tty" / name).mkdir(parents=True, exist_ok=True)
        (part / "bInterfaceNumber").write_text(f"{interface:02x}\n")
        (device / "idVendor").write_text(f"{usb.vid:04x}\n")
        (device / "idProduct").write_text(f"{usb.pid:04x}\n")
        (device / "product").write_text(f"{usb.product}\n")
        if usb.serial:
            (device / "serial").write_text(f"{usb.serial}\n")
        (part / "tty" / name / "device").symlink_to(part)
        node = self.root / "dev" / name
        node.symlink_to(terminal)
        (self.root / "sys/class/tty" / name).symlink_to(part / "tty" / name)
        return node

    def unplug(self, name: str) -> None:
        """Take the device away."""
        entry = self.root / "sys/class/tty" / name
        device = (entry / "device").resolve().parent
        entry.unlink()
        (self.root / "dev" / name).unlink()
        shutil.rmtree(device)


class UsbIds:
    """What a USB device says of itself."""

    def __init__(self, vid: int, pid: int, serial: str, product: str) -> None:
        self.vid, self.pid, self.serial, self.product = vid, pid, serial, product

    @classmethod
    def native(cls, mac: str) -> UsbIds:
        """The chip's own USB-Serial/JTAG."""
        return cls(0x303A, 0x1001, mac.upper(), "USB JTAG/serial debug unit")

    @classmethod
    def bridge(cls, serial: str = "0001") -> UsbIds:
        """A CP2102N as it is delivered."""
        return cls(0x10C4, 0xEA60, serial, "CP2102 USB to UART Bridge Controller")


class Terminal:
    """A pseudo terminal whose other end is ours; it is raw from the start, so that nothing is echoed.

    The host's end is not kept open here: whoever looks which process has the port open would find this one.
    """

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(slave)
        os.close(slave)

    def write(self, data: bytes, stop: threading.Event) -> None:
        """All of it, waiting for the reader; what is left when `stop` is set nobody gets."""
        while data and not stop.is_set():
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                select.select([], [self.master], [], 0.05)

    def read(self) -> bytes:
        """What the host wrote; empty where it wrote nothing for a while, or has not opened the terminal."""
        ready, _, _ = select.select([self.master], [], [], 0.02)
        try:
            return os.read(self.master, 1 << 16) if ready else b""
        except OSError as error:
            # EIO: nobody has it open. EAGAIN: what made it readable has been flushed by the host meanwhile.
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return b""

    def drained(self) -> bool:
        """Has the host read everything? One that has not opened the terminal never will."""
        if not self._opened():
            return True
        slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        try:
            return bool(struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0] == 0)
        finally:
            os.close(slave)

    def _opened(self) -> bool:
        for process in os.listdir("/proc"):
            with contextlib.suppress(OSError):  # no process, or ended, or closed, by now
                for file in os.listdir(f"/proc/{process}/fd"):
                    if os.readlink(f"/proc/{process}/fd/{file}") == self.path:
                        return True
        return False

    def close(self) -> None:
        """Hang up: whoever has it open finds it gone."""
        os.close(self.master)


class UsbBoard:
    """A board behind a terminal in a tree.

    Args:
        tree: where it is plugged in
        board: pyserial URL of the virtual board
        usb: what it says of itself
        location: where in the tree
        vanishes: does its port leave at each reset, as the chip's own USB does? A bridge stays
        prefix: of its names
    """

    def __init__(
        self,
        tree: UsbTree,
        board: str,
        *,
        usb: UsbIds,
        location: str = "1-2",
        vanishes: bool = True,
        prefix: str = "ttyACM",
    ) -> None:
        self._tree = tree
        self._url = board
        self.usb = usb
        self.location = location
        self._vanishes = vanishes
        self._prefix = prefix
        self._number = 0
        self._wire: serial.Serial | None = None
        self._terminal: Terminal | None = None
        self._swap = threading.RLock()
        self._delivering = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._held_back = b""
        self._download_banner_due = False
        self._loading = False
        self.returns = 0
        self.before_return: Callable[[], None] = lambda: None
        """Is called while the port is away; what it does to `usb` or `location` shows when it is back."""
        self.stays_away = False

    @property
    def name(self) -> str:
        """What its port is called now."""
        return f"{self._prefix}{self._number}"

    @property
    def node(self) -> str:
        """The path of that."""
        return str(self._tree.root / "dev" / self.name)

    def __enter__(self) -> Self:
        self._wire = serial.serial_for_url(self._url, timeout=0.02)
        self.plug()
        for work in (self._to_host, self._to_board):
            self._threads.append(threading.Thread(target=work, name=f"cable {work.__name__}"))
            self._threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.unplug()
        assert self._wire is not None
        self._wire.close()

    def plug(self) -> None:
        """Show a new terminal, under the present name."""
        with self._swap:
            self._terminal = Terminal()
            self._tree.plug(self.name, self._terminal.path, usb=self.usb, location=self.location)

    def unplug(self) -> None:
        """Take the port away, with all that the host has not read."""
        with self._swap:
            if self._terminal is not None:
                self._tree.unplug(self.name)
                self._terminal.close()
                self._terminal = None

    def come_back(self) -> None:
        """Show it again after it was unplugged, under the next name."""
        with self._swap:
            self._number += 1
            self.plug()

    def press_reset(self) -> None:
        """The EN button."""
        wire = self._held_in_reset()
        wire.rts = False

    # -- the cable

    def _to_host(self) -> None:
        assert self._wire is not None
        while not self._stop.is_set():
            with self._delivering:
                if data := self._wire.read(self._wire.in_waiting or 1):
                    self._deliver(self._held_back + data)
            time.sleep(0)  # let whoever waits for the lock have it

    def _deliver(self, data: bytes) -> None:
        """Hand bytes on; at a ROM's banner the port leaves first. What may be the head of a banner waits for more."""
        self._held_back = b""
        while (at := data.find(_BANNER)) >= 0:
            self._write(data[:at])
            if self._download_banner_due:
                self._download_banner_due = False
            else:
                self._loading = False
                if self._vanishes:
                    self._reappear()
            self._write(_BANNER)
            data = data[at + len(_BANNER) :]
        for length in range(min(len(_BANNER) - 1, len(data)), 0, -1):
            if data.endswith(_BANNER[:length]):
                data, self._held_back = data[:-length], data[-length:]
                break
        self._write(data)

    def _write(self, data: bytes) -> None:
        terminal = self._terminal
        if terminal is not None:
            terminal.write(data, self._stop)

    def _reappear(self) -> None:
        self._await_drained()
        self.unplug()
        self.before_return()
        if self.stays_away:
            return
        self._number += 1
        self.plug()
        self.returns += 1

    def _await_drained(self) -> None:
        """A host that reads at all has read what the chip said long before the chip is through its restart."""
        ends = time.monotonic() + _PATIENCE
        quiet = 0
        while quiet < 3 and time.monotonic() < ends and not self._stop.is_set():
            quiet = quiet + 1 if self._terminal is None or self._terminal.drained() else 0
            time.sleep(0.002)

    def _to_board(self) -> None:
        assert self._wire is not None
        while not self._stop.is_set():
            with self._swap:
                data = b"" if self._terminal is None else self._terminal.read()
            if not data:
                time.sleep(0.002)
                continue
            if not self._loading and _SYNC in data:
                self._enter_download()
            self._wire.write(data)

    def _enter_download(self) -> None:
        """EN low, then IO0 low as EN rises."""
        wire = self._held_in_reset()
        self._loading = self._download_banner_due = True
        wire.dtr = True
        wire.rts = False
        wire.dtr = False

    def _held_in_reset(self) -> serial.Serial:
        """Hold EN low, and forget what the chip said before."""
        wire = self._wire
        assert wire is not None
        with self._delivering:
            wire.dtr = False
            wire.rts = True
            wire.reset_input_buffer()
            self._held_back = b""
        return wire
