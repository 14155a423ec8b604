"""What a console is made of: records, events, boots, panics, and the noise between them.

These are named tuples and not dataclasses because a console of 100 MB holds a million of them, and a tuple
is made in a quarter of the time; they are as immutable.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

__all__ = ["Boot", "Event", "Item", "Noise", "Panic", "Record"]


class Record(NamedTuple):
    """One ESP-IDF log record (components/log: ``I (123) tag: message``).

    Attributes:
        level: ``E``, ``W``, ``I``, ``D`` or ``V``
        ms: milliseconds on the device's clock; None where the build prints another kind of time, or none
        tag: who said it
        message: without colours; bytes that are not UTF-8 stand as ``\\xNN``
        line_no: line of the console, from 1
        cut: its end was overwritten by what follows, or the console ended there
    """

    level: str
    ms: int | None
    tag: str
    message: str
    line_no: int
    cut: bool = False


class Event(NamedTuple):
    """One ``ESP_HTTPS_OTA_*`` event, as components/esp_https_ota/include/esp_https_ota.h names it.

    Attributes:
        name: ``ESP_HTTPS_OTA_START`` ...
        payload: chip id (VERIFY_CHIP_ID), chip revision (VERIFY_CHIP_REVISION), bytes written so far
            (WRITE_FLASH), partition subtype (UPDATE_BOOT_PARTITION); None for the others
        line_no: line of the record that told of it
    """

    name: str
    payload: int | None
    line_no: int


class Boot(NamedTuple):
    """One pass from the ROM banner towards the application; what the console does not say is None.

    Attributes:
        line_no: first line of the pass
        reset_reason: as the ROM prints it: ``POWERON``, ``POWERON_RESET``, ``RTC_SW_CPU_RST`` ...
        partition_offset: flash offset of the application that the bootloader loaded
        slot: ``factory``, ``ota_0`` ..., ``test``, by the partition table printed in this pass
        app_version, secure_version, idf_version, project_name: of the application, as it printed them
        elf_sha256: leading hex digits, as many as the application prints
        bootloader_version: ESP-IDF version of the second-stage bootloader
    """

    line_no: int
    reset_reason: str | None = None
    partition_offset: int | None = None
    slot: str | None = None
    app_version: str | None = None
    secure_version: int | None = None
    idf_version: str | None = None
    project_name: str | None = None
    elf_sha256: str | None = None
    bootloader_version: str | None = None


class Panic(NamedTuple):
    """One panic with its dump (components/esp_system/panic.c), in whatever architecture's form.

    Attributes:
        reason: what ended the application, in the words of the console
        core: number of the core, where one is named
        pc: program counter, where it is printed
        backtrace: program counters of the backtrace, innermost first; empty where there is none
        elf_sha256: leading hex digits of the ELF file's hash
        line_no, last_line_no: first and last line of the dump
    """

    reason: str
    core: int | None
    pc: int | None
    backtrace: tuple[int, ...]
    elf_sha256: str | None
    line_no: int
    last_line_no: int


class Noise(NamedTuple):
    """A line, or a piece of one, that is none of the others: ROM banners, printf output, garbage.

    Attributes:
        text: without colours and NUL; bytes that are not UTF-8 stand as ``\\xNN``
        line_no: line of the console, from 1
    """

    text: str
    line_no: int


Item: TypeAlias = Record | Event | Boot | Panic | Noise
