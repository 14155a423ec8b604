"""Writing virtual builds: complete ESP-IDF build directories where there is no ESP-IDF.

Layout of the directory and of its JSON files: components/esptool_py/project_include.cmake (also for ``flash_args``),
components/esptool_py/flasher_args.json.in, tools/cmake/project_description.json.in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.builds.configuration import configuration_of
from bench.builds.firmware import application, bootloader
from bench.builds.sdkconfig import as_json, as_text
from bench.builds.spec import BuildSpec
from bench.errors import BuildError
from bench.flash import OtaData, Partition
from bench.images.encrypted import encrypt

__all__ = ["VirtualBuild", "write_build"]

_BOOTLOADER = "bootloader/bootloader.bin"
_TABLE = "partition_table/partition-table.bin"
_OTADATA = "ota_data_initial.bin"


@dataclass(frozen=True)
class VirtualBuild(BuildSpec):
    """One build that the bench writes itself: see `BuildSpec` for its fields."""

    def files(self) -> dict[str, bytes]:
        """Every file of the build, by its path within the build directory; the same spec gives the same bytes."""
        layout = self.partition_layout
        table = layout.table
        otadata = table.otadata
        first = table.factory or table.ota_slots[0]
        assert otadata is not None, "every layout of the bench has otadata"
        config = configuration_of(self)
        flasher_args = _flasher_args(self, otadata, first)
        app = application(self).to_bytes()
        return {
            _BOOTLOADER: bootloader(self).to_bytes(),
            _TABLE: table.to_bytes(),
            _OTADATA: OtaData.erased().to_bytes(),
            f"{self.project_name}.bin": app,
            **_encrypted(self, app),
            "flasher_args.json": _json(flasher_args),
            "flash_args": _flash_args(flasher_args),
            "project_description.json": _json(_project_description(self)),
            "sdkconfig": as_text(config).encode(),
            "config/sdkconfig.json": as_json(config).encode(),
            layout.csv_name: layout.csv.encode(),
        }


def write_build(spec: VirtualBuild, out: Path) -> None:
    """Write the build into `out`, making it and its parents where they are missing.

    Raises:
        BuildError: something is in the way, or not writable; names it
    """
    for name, data in spec.files().items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            where = error.filename or path
            raise BuildError(f"{where}: {error.strerror}; choose another --out, or make room there") from None


def _encrypted(spec: BuildSpec, app: bytes) -> dict[str, bytes]:
    """What create_esp_enc_img of esp_encrypted_img makes beside the application, for a server to publish."""
    if spec.private_key_pem is None:
        return {}
    rng = Random(spec.fingerprint)
    return {f"{spec.project_name}_secure.bin": encrypt(app, spec.private_key_pem, rng=rng)}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=4) + "\n").encode()


def _flasher_args(spec: BuildSpec, otadata: Partition, first: Partition) -> dict[str, Any]:
    settings = {
        "flash_mode": "dio",
        "flash_size": spec.partition_layout.flash_size,
        "flash_freq": spec.target.flash_freq,
    }
    parts = {
        "bootloader": (spec.target.bootloader_offset, _BOOTLOADER),
        "app": (first.offset, f"{spec.project_name}.bin"),
        "partition-table": (spec.table_offset, _TABLE),
        "otadata": (otadata.offset, _OTADATA),
    }
    return {
        "write_flash_args": [word for name, value in settings.items() for word in (f"--{name}", value)],
        "flash_settings": settings,
        "flash_files": {f"0x{offset:x}": file for offset, file in sorted(parts.values())},
        **{
            name: {"offset": f"0x{offset:x}", "file": file, "encrypted": "false"}
            for name, (offset, file) in parts.items()
        },
        "extra_esptool_args": {
            "after": "hard_reset",
            "before": "default_reset",
            "stub": True,
            "chip": spec.chip,
        },
    }


def _flash_args(flasher_args: dict[str, Any]) -> bytes:
    """The same as arguments of esptool, for ``cd DIR && esptool write-flash @flash_args``."""
    files = [f"{offset} {file}" for offset, file in flasher_args["flash_files"].items()]
    return ("\n".join([" ".join(flasher_args["write_flash_args"]), *files]) + "\n").encode()


def _project_description(spec: BuildSpec) -> dict[str, object]:
    # Paths are relative to the build directory: a build may be moved, and says nothing of the machine that wrote it.
    return {
        "version": "1",
        "project_name": spec.project_name,
        "project_version": spec.version,
        "project_path": ".",
        "build_dir": ".",
        "config_file": "sdkconfig",
        "bootloader_elf": "",
        "app_elf": f"{spec.project_name}.elf",
        "app_bin": f"{spec.project_name}.bin",
        "target": spec.chip,
        "git_revision": spec.idf_ver,
        "rom_elf": "",
        "min_rev": str(spec.target.min_chip_rev_full),
        "max_rev": str(spec.target.max_chip_rev_full),
        "phy_data_partition": "",
        "monitor_baud": "115200",
        "monitor_toolprefix": "",
        "config_environment": {},
        "written_by": "ota-bench: a virtual build, for virtual boards",
    }
