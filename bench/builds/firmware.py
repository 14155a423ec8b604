"""The two images of a virtual build: the application and the second-stage bootloader.

Both are valid to esptool and to a bootloader (headers, checksum, SHA-256, flash-mapped segments on their place in a
64 KiB page). Their code is filler; what the virtual board runs is their read-only data: the log formats that say
which options were compiled in, certificate, URL, key, and the behaviour field.
"""

from __future__ import annotations

from dataclasses import replace

from bench.builds.crt_bundle import certificate_bundle
from bench.builds.releases import line_of
from bench.builds.rodata import COMPILE_DATE, COMPILE_TIME, Dialect, component_strings, filler, packed
from bench.builds.spec import BuildSpec
from bench.builds.targets import Target
from bench.images import AppDesc, BootDefect, BootloaderDesc, Defect, Image, behaviour_field, defect_field

__all__ = ["application", "bootloader"]

_PAGE = 0x10000
_HEADER = 24
_SEGMENT_HEADER = 8

# Sizes of the parts, in bytes: of the order of a small real application, 220 KiB together.
_DROM_SIZE = 0x14000
_DRAM_SIZE = 0x1400
_IROM_SIZE = 0x17000
_IRAM_REST_SIZE = 0x1000

_BOOTLOADER_CODE = (0x0A00, 0x2E00)
_BOOTLOADER_COMPONENTS = ("main", "utility", "image_format")

_PANIC = (
    "Guru Meditation Error: Core ",
    " panic'ed (",
    "abort() was called at PC 0x",
    " on core ",
    "Rebooting...\r\n",
    "ELF file SHA256: ",
)


def application(spec: BuildSpec) -> Image:
    """The application image: DROM, DRAM, IRAM, IROM and the rest of IRAM, as ESP-IDF's linker orders them."""
    target = spec.target
    seed = spec.fingerprint.hex()
    drom = _app_desc(spec).to_bytes() + _rodata(spec)
    drom += filler(max(0, _DROM_SIZE - len(drom)), f"{seed} drom")
    drom += bytes(-len(drom) % 16)
    dram = filler(_DRAM_SIZE, f"{seed} dram")
    # The IRAM is cut where the next page begins, so that IROM follows without padding: esptool's elf2image does so.
    first_data = _HEADER + _SEGMENT_HEADER
    used = _HEADER + 3 * _SEGMENT_HEADER + len(drom) + len(dram)
    iram_size = (first_data - _SEGMENT_HEADER - used) % _PAGE
    if iram_size < 0x1000:
        iram_size += _PAGE
    iram = target.prologue + filler(iram_size - len(target.prologue), f"{seed} iram")
    irom = filler(_IROM_SIZE, f"{seed} irom")
    image = _sealed(
        spec,
        entry_addr=target.iram,
        segments=[
            (target.drom + first_data, drom),
            (target.dram, dram),
            (target.iram, iram),
            (target.irom + first_data, irom),
            (target.iram + len(iram), filler(_IRAM_REST_SIZE, f"{seed} iram rest")),
        ],
    )
    return image if spec.signing is None else spec.signing.signed(image)


def bootloader(spec: BuildSpec) -> Image:
    """The second-stage bootloader: data with its strings, and two pieces of code, all loaded to RAM."""
    target = spec.target
    seed = f"bootloader {spec.chip} {spec.idf_ver} {spec.layout}"
    data = packed(_bootloader_strings(spec))
    if line_of(spec.idf_ver) >= (5, 2):  # esp_bootloader_desc_t came with v5.2; before, the version is a bare string
        desc = BootloaderDesc(
            version=1,
            idf_ver=spec.idf_ver,
            date_time=f"{COMPILE_DATE} {COMPILE_TIME}",
            secure_version=0,
        )
        data = desc.to_bytes() + data
    else:
        data = packed([spec.idf_ver]) + data
    if isinstance(spec.defect, BootDefect):
        data += defect_field(spec.defect)
    first, second = (bytearray(filler(size, f"{seed} {size}")) for size in _BOOTLOADER_CODE)
    data_addr, first_addr, second_addr = target.bootloader_segments
    for address, code in ((first_addr, first), (second_addr, second)):
        if address <= target.bootloader_entry < address + len(code):
            at = target.bootloader_entry - address
            code[at : at + len(target.prologue)] = target.prologue
    return _sealed(
        spec,
        entry_addr=target.bootloader_entry,
        segments=[(data_addr, data), (first_addr, bytes(first)), (second_addr, bytes(second))],
    )


def _sealed(spec: BuildSpec, *, entry_addr: int, segments: list[tuple[int, bytes]]) -> Image:
    target = spec.target
    image = Image.build(
        chip_id=target.chip.chip_id,
        entry_addr=entry_addr,
        segments=segments,
        flash_size=spec.partition_layout.flash_size,
        min_chip_rev_full=target.min_chip_rev_full,
        max_chip_rev_full=target.max_chip_rev_full,
    )
    header = replace(image.header, spi_speed=target.flash_freq_code, min_chip_rev=target.min_chip_rev)
    return replace(image, header=header).seal()


def _app_desc(spec: BuildSpec) -> AppDesc:
    return AppDesc(
        version=spec.version,
        project_name=spec.project_name,
        secure_version=spec.secure_version,
        time=COMPILE_TIME,
        date=COMPILE_DATE,
        idf_ver=spec.idf_ver,
        app_elf_sha256=spec.fingerprint,
    )


def _rodata(spec: BuildSpec) -> bytes:
    """What the virtual board reads: strings, embedded files (EMBED_TXTFILES ends them with a NUL), behaviour."""
    strings: list[str | bytes] = list(component_strings(spec.dialect, "app", spec.virtual_app.components))
    strings += _PANIC
    if spec.partial_http_download:  # leaves no string of its own in a real application
        strings.append("CONFIG_EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD=y")
        strings.append(f"CONFIG_EXAMPLE_HTTP_REQUEST_SIZE={spec.http_request_size}")
    strings += [f"CONFIG_{symbol}=y" for symbol in spec.config]
    strings.append(f"CONFIG_PARTITION_TABLE_OFFSET=0x{spec.table_offset:x}")
    if spec.app != "simple_ota" and spec.virtual_app.networked:
        strings.append(f"CONFIG_EXAMPLE_OTA_RECV_TIMEOUT={spec.recv_timeout_ms}")
    if spec.virtual_app.networked:
        strings.append(spec.url)
        strings.append(certificate_bundle(spec.ca_pem, line_of(spec.idf_ver)) if spec.has_cert_bundle else spec.ca_pem)
    if spec.style is not None:
        strings += spec.style.strings(spec.app)
    if spec.private_key_pem is not None:
        strings.append(spec.private_key_pem)
    if spec.signing is not None:
        strings += spec.signing.embedded
    defect = defect_field(spec.defect) if isinstance(spec.defect, Defect) else b""
    return packed(strings) + behaviour_field(spec.behaviour) + defect


def _bootloader_strings(spec: BuildSpec) -> list[str]:
    components = _BOOTLOADER_COMPONENTS + (("efuse",) if spec.has_efuse_virtual else ())
    # CONFIG_BOOTLOADER_LOG_LEVEL is a setting of its own, and stays at info.
    dialect = Dialect(spec.idf_ver, spec.chip, spec.dialect.options, "info", spec.has_log_colors)
    return component_strings(dialect, "bootloader", components) + _settings(spec, spec.target)


def _settings(spec: BuildSpec, target: Target) -> list[str]:
    """Options that leave no string in a real bootloader, spelled out, so that the virtual one knows them."""
    settings = [f"CONFIG_PARTITION_TABLE_OFFSET=0x{spec.table_offset:x}"]
    if spec.has_rollback:
        settings.append("CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y")
    if spec.has_anti_rollback:
        settings.append("CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=y")
        settings.append(f"CONFIG_BOOTLOADER_APP_SEC_VER_SIZE_EFUSE_FIELD={target.secure_version_bits}")
    if spec.has_efuse_virtual:
        settings += ["CONFIG_EFUSE_VIRTUAL=y", "CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y"]
    return settings
