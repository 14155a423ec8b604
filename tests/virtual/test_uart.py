"""UART0 as firmware uses it: lines however they are ended, waits that a reset ends, output that never blocks."""

from __future__ import annotations

import threading

import pytest

from bench.virtual.machine import Halted, Machine, PowerLost
from tests.virtual.benchtop import PATIENCE


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_a_line_ends_with_cr_lf_or_both(chunk: int) -> None:
    uart = Machine.assemble("esp32").uart
    sent = b"one\rtwo\nthree\r\nfour\n\nsix\r\r\n"
    for at in range(0, len(sent), chunk):
        uart.feed(sent[at : at + chunk])
    lines = [uart.read_line() for _ in range(7)]
    assert lines == [b"one", b"two", b"three", b"four", b"", b"six", b""]


def test_a_line_feed_that_comes_late_still_belongs_to_its_carriage_return() -> None:
    uart = Machine.assemble("esp32").uart
    uart.feed(b"one\r")
    assert uart.read_line() == b"one"
    uart.feed(b"\ntwo\n")
    assert uart.read_line() == b"two"


def test_read_line_waits_for_the_host() -> None:
    machine = Machine.assemble("esp32")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(machine.uart.read_line()))
    reader.start()
    machine.uart.feed(b"half of ")
    machine.uart.feed(b"a line\n")
    reader.join(PATIENCE)
    assert got == [b"half of a line"]


@pytest.mark.parametrize(("power", "cause"), [(True, PowerLost), (False, Halted)])
def test_a_wait_ends_with_the_life(power: bool, cause: type[BaseException]) -> None:
    machine = Machine.assemble("esp32")
    ended: list[BaseException] = []

    def read() -> None:
        try:
            machine.uart.read_line()
        except BaseException as error:
            ended.append(error)
            if not isinstance(error, Halted):
                raise

    reader = threading.Thread(target=read)
    reader.start()
    if power:
        machine.supply.set_power(False)
    else:
        machine.supply.set_enable(False)
    reader.join(PATIENCE)
    assert [type(error) for error in ended] == [cause]
    with pytest.raises(cause):
        machine.uart.write(b"too late")


def test_input_is_bounded() -> None:
    uart = Machine.assemble("esp32").uart
    uart.feed(bytes(3 << 20))
    uart.feed(bytes(3 << 20))
    assert uart.overruns == 2 << 20
    assert len(uart.read(8 << 20)) == 4 << 20


def test_output_goes_nowhere_where_nobody_listens() -> None:
    heard: list[bytes] = []
    uart = Machine.assemble("esp32").uart
    uart.write(b"lost")
    uart.listen(heard.append)
    uart.write(b"heard")
    assert heard == [b"heard"]
