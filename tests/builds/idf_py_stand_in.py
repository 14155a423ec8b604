"""A stand-in for ESP-IDF's idf.py, as idf-build-apps calls it: it writes a virtual build where the real one compiles.

It takes idf.py's own arguments and no others, runs only in ESP-IDF's Python and environment, reads the defaults in
the order of SDKCONFIG_DEFAULTS and each one's `.<target>` file behind it, and drops, as Kconfig does, symbols that
are not defined for the release, the chip or the example. In the sources `#error` fails the build as a compiler does,
and `HANG` makes it last until it is killed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.builds import VirtualBuild, write_build
from bench.builds.building.esp_idf import project_name
from bench.builds.configuration import configuration_of
from bench.builds.layouts import LAYOUTS
from bench.builds.sdkconfig import Sdkconfig, Value, as_json, as_text, from_text
from bench.builds.signing import Signing

HERE = Path(__file__).parent

CHOICES = (
    r"PARTITION_TABLE_(SINGLE_APP|TWO_OTA|TWO_OTA_LARGE|CUSTOM)",
    r"ESPTOOLPY_FLASHSIZE_\d+MB",
    r"LOG_DEFAULT_LEVEL_[A-Z]+",
    r"MBEDTLS_CERTIFICATE_BUNDLE_DEFAULT_[A-Z]+",
    r"SECURE_SIGNED_APPS_\w+_SCHEME",
)
"""Of these the last that was set to y counts; the others are off."""

NEEDS = {
    "BOOTLOADER_APP_ANTI_ROLLBACK": "BOOTLOADER_APP_ROLLBACK_ENABLE",
    "BOOTLOADER_APP_SECURE_VERSION": "BOOTLOADER_APP_ANTI_ROLLBACK",
    "BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE": "BOOTLOADER_APP_ANTI_ROLLBACK",
    "EXAMPLE_HTTP_REQUEST_SIZE": "EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD",
    "MBEDTLS_CUSTOM_CERTIFICATE_BUNDLE_PATH": "MBEDTLS_CUSTOM_CERTIFICATE_BUNDLE",
    "SECURE_SIGNED_APPS_RSA_SCHEME": "SECURE_SIGNED_APPS_NO_SECURE_BOOT",
    "SECURE_BOOT_SIGNING_KEY": "SECURE_BOOT_BUILD_SIGNED_BINARIES",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="idf.py", allow_abbrev=False)
    parser.add_argument("-B", dest="build_dir", type=Path, required=True)
    parser.add_argument("-C", dest="project_dir", type=Path, required=True)
    parser.add_argument("-D", dest="defines", action="append", default=[])
    parser.add_argument("action", choices=("build", "reconfigure"))
    return parser.parse_args()


def main() -> int:
    args = arguments()
    for name, meaning in (("STAND_IN_PYTHON", "not run by ESP-IDF's Python"), ("STAND_IN_EXPORTED", "no export.sh")):
        if os.environ.get(name) != "1":
            print(f"The following Python requirements are not satisfied: click ({meaning})")
            return 1
    defines = dict(one.split("=", 1) for one in args.defines)
    if defines.keys() != {"IDF_TARGET", "SDKCONFIG_DEFAULTS"} or os.environ.get("IDF_TARGET") != defines["IDF_TARGET"]:
        print(f"unexpected definitions: {sorted(defines)}")
        return 2
    target = defines["IDF_TARGET"]
    app = project_name(args.project_dir)
    print("Executing action: all (aliases: build)")
    asked = kconfig(target, read_defaults(defines["SDKCONFIG_DEFAULTS"], target), args.project_dir)
    (args.build_dir / "config").mkdir(parents=True, exist_ok=True)
    print("[1/4] Generating ../../partition_table/partition-table.bin")
    if (code := compiled(args.project_dir)) != 0:
        return code
    write(app, target, asked, args.project_dir, args.build_dir)
    print("[4/4] Generating binary image from built executable\nProject build complete.")
    return 0


def compiled(project: Path) -> int:
    for source in sorted(project.glob("main/*.c")):
        text = source.read_text("utf-8")
        if "HANG" in text:
            Path(os.environ["STAND_IN_PID"]).write_text(str(os.getpid()), "ascii")
            print("[2/4] Building C object", flush=True)
            signal.pause()
        if error := re.search(r"^#error (.*)$", text, re.MULTILINE):
            line = text[: error.start()].count("\n") + 1
            print(f"[2/4] Building C object {source.name}.obj\nFAILED: esp-idf/main/{source.name}.obj")
            print(f"{source}:{line}:2: error: #error {error[1]}")
            print("ninja: build stopped: subcommand failed.\nninja failed with exit code 1")
            return 2
    return 0


def read_defaults(listed: str, target: str) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for name in filter(None, listed.split(";")):
        for path in (Path(name), Path(f"{name}.{target}")):
            if path == Path(name) and not path.is_file():
                sys.exit(f"CMake Error: SDKCONFIG_DEFAULTS '{path}' does not exist.")
            if path.is_file():
                for symbol, value in from_text(path.read_text("utf-8")).items():
                    drop_others_of_choice(result, symbol, value)
                    result[symbol] = value
    return result


def drop_others_of_choice(config: dict[str, Value], symbol: str, value: Value) -> None:
    for choice in CHOICES:
        if value is True and re.fullmatch(choice, symbol):
            for other in [one for one in config if re.fullmatch(choice, one)]:
                del config[other]


def undefined(project: Path, symbols: Iterable[str]) -> set[str]:
    """Those of the symbols of examples that this project does not define."""
    known = tomllib.loads((HERE / "kconfig.toml").read_text("utf-8"))["examples"]
    of_examples = {symbol for example in known.values() for defined in example.values() for symbol in defined}
    own = set(re.findall(r"config (\w+)", (project / "main" / "Kconfig.projbuild").read_text("utf-8")))
    return {symbol for symbol in symbols if symbol in of_examples - own}


def kconfig(target: str, asked: dict[str, Value], project: Path) -> dict[str, Value]:
    """What is left of the symbols that were asked for."""
    known = tomllib.loads((HERE / "kconfig.toml").read_text("utf-8"))
    release = os.environ["STAND_IN_RELEASE"]
    defined = {symbol for group in ("defined", "components") for symbol, on in known[group].items() if release in on}
    defined -= undefined(project, asked)
    left = {}
    for symbol, value in asked.items():
        if symbol not in defined:
            print(f"warning: unknown kconfig symbol '{symbol}' assigned to '{value}'")
        elif not (symbol == "SPIRAM" and target == "esp32c3") and not ("ECDSA_SCHEME" in symbol and target != "esp32"):
            left[symbol] = value
    return {symbol: value for symbol, value in left.items() if symbol not in NEEDS or left.get(NEEDS[symbol])}


def write(app: str, target: str, config: dict[str, Value], project: Path, build_dir: Path) -> None:
    signing = None
    if config.get("SECURE_BOOT_BUILD_SIGNED_BINARIES"):
        scheme = "rsa" if config.get("SECURE_SIGNED_APPS_RSA_SCHEME") else "ecdsa_v1"
        signing = Signing(scheme, (project / str(config["SECURE_BOOT_SIGNING_KEY"])).read_bytes())
    url = str(config.get("EXAMPLE_FIRMWARE_UPGRADE_URL", config.get("EXAMPLE_FIRMWARE_UPG_URL", "https://192.0.2.1/a")))
    options: dict[str, Any] = {}
    if app != "simple_ota":
        options["recv_timeout_ms"] = config.get("EXAMPLE_OTA_RECV_TIMEOUT", 5000)
    if app == "pre_encrypted_ota":
        options["private_key_pem"] = (project / "rsa_key" / "private.pem").read_bytes()
    spec = VirtualBuild(
        chip=target,
        app=app,
        version=str(config.get("APP_PROJECT_VER", "1.0")),
        ca_pem=(project / "server_certs" / "ca_cert.pem").read_bytes(),
        secure_version=int(config.get("BOOTLOADER_APP_SECURE_VERSION", 0)),
        url=url,
        layout=layout(config, project),
        table_offset=int(config.get("PARTITION_TABLE_OFFSET", 0x8000)),
        idf_ver=os.environ["STAND_IN_RELEASE"],
        rollback=bool(config.get("BOOTLOADER_APP_ROLLBACK_ENABLE")),
        anti_rollback=bool(config.get("BOOTLOADER_APP_ANTI_ROLLBACK")),
        efuse_virtual=bool(config.get("BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE")),
        version_check=not config.get("EXAMPLE_SKIP_VERSION_CHECK"),
        partial_http_download=bool(config.get("EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD")),
        ota_resumption=bool(config.get("EXAMPLE_ENABLE_OTA_RESUMPTION")),
        cert_bundle=bool(config.get("EXAMPLE_USE_CERT_BUNDLE", app == "simple_ota")),
        bind_interface=bool(config.get("EXAMPLE_FIRMWARE_UPGRADE_BIND_IF")),
        log_level="debug" if config.get("LOG_DEFAULT_LEVEL_DEBUG") else "info",
        signing=signing,
        **options,
    )
    write_build(spec, build_dir)
    whole: Sdkconfig = {**configuration_of(spec), **config}
    nowhere = undefined(project, whole)
    whole = {symbol: value for symbol, value in whole.items() if symbol not in nowhere}
    (build_dir / "config" / "sdkconfig.json").write_text(as_json(whole), "utf-8")
    (project / "sdkconfig").write_text(as_text(whole), "utf-8")
    (build_dir / f"{app}.elf").write_bytes(b"\x7fELF")
    (build_dir / "CMakeCache.txt").write_text("of no use to anybody else\n", "ascii")


def layout(config: Sdkconfig, project: Path) -> str:
    if config.get("PARTITION_TABLE_CUSTOM"):
        csv = project / str(config["PARTITION_TABLE_CUSTOM_FILENAME"])
        if not csv.is_file():
            sys.exit(f"CMake Error: Partition table CSV file {csv} does not exist.")
        return next(name for name, one in LAYOUTS.items() if one.csv == csv.read_text("utf-8"))
    return "two_ota_large" if config.get("PARTITION_TABLE_TWO_OTA_LARGE") else "factory_two_ota"


if __name__ == "__main__":
    sys.exit(main())
