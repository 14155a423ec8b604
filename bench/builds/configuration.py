"""The sdkconfig of a virtual build: the symbols in which builds differ, and those that tools ask for."""

from __future__ import annotations

from bench.builds.releases import line_of
from bench.builds.sdkconfig import Sdkconfig, Value
from bench.builds.spec import SWITCHES, BuildSpec
from bench.images import Arch

__all__ = ["configuration_of"]

_STOCK_TABLES = {"factory_two_ota": "PARTITION_TABLE_TWO_OTA", "two_ota_large": "PARTITION_TABLE_TWO_OTA_LARGE"}
_LEVELS = ("NONE", "ERROR", "WARN", "INFO", "DEBUG", "VERBOSE")
_ARCH = {Arch.XTENSA: "xtensa", Arch.RISCV: "riscv"}


def configuration_of(spec: BuildSpec) -> Sdkconfig:
    """The symbols without CONFIG_, as Kconfig would write them for this build."""
    config: dict[str, Value] = {}
    for part in (_target, _flash, _security, _logging, _example):
        config.update(part(spec))
    config.update({symbol: symbol in spec.config for symbol in SWITCHES})
    return config


def _target(spec: BuildSpec) -> dict[str, Value]:
    target = spec.target
    arch, name = _ARCH[target.chip.arch], spec.chip.upper()
    return {
        "IDF_CMAKE": True,
        "IDF_TARGET": spec.chip,
        "IDF_TARGET_ARCH": arch,
        f"IDF_TARGET_ARCH_{arch.upper()}": True,
        f"IDF_TARGET_{name}": True,
        "IDF_FIRMWARE_CHIP_ID": target.chip.chip_id,
        "IDF_INIT_VERSION": spec.idf_ver.removeprefix("v"),
        "APP_BUILD_TYPE_APP_2NDBOOT": True,
        "APP_BUILD_GENERATE_BINARIES": True,
        "APP_BUILD_BOOTLOADER": True,
        "APP_COMPILE_TIME_DATE": True,
        f"{name}_REV_MIN_FULL": target.min_chip_rev_full,
        f"{name}_REV_MAX_FULL": target.max_chip_rev_full,
        "ESP_REV_MIN_FULL": target.min_chip_rev_full,
        "ESP_REV_MAX_FULL": target.max_chip_rev_full,
        "FREERTOS_UNICORE": target.unicore,
    }


def _flash(spec: BuildSpec) -> dict[str, Value]:
    layout, target = spec.partition_layout, spec.target
    stock = layout.name in _STOCK_TABLES
    return {
        "ESPTOOLPY_FLASHMODE": "dio",
        "ESPTOOLPY_FLASHMODE_DIO": True,
        "ESPTOOLPY_FLASHFREQ": target.flash_freq,
        "ESPTOOLPY_FLASHSIZE": layout.flash_size,
        f"ESPTOOLPY_FLASHSIZE_{layout.flash_size}": True,
        "ESPTOOLPY_BEFORE": "default_reset",
        "ESPTOOLPY_AFTER": "hard_reset",
        **{symbol: layout.name == name for name, symbol in _STOCK_TABLES.items()},
        "PARTITION_TABLE_CUSTOM": not stock,
        "PARTITION_TABLE_CUSTOM_FILENAME": layout.csv_name if not stock else "partitions.csv",
        "PARTITION_TABLE_FILENAME": layout.csv_name,
        "PARTITION_TABLE_OFFSET": layout.table_offset,
        "PARTITION_TABLE_MD5": True,
        "BOOTLOADER_OFFSET_IN_FLASH": target.bootloader_offset,
    }


def _security(spec: BuildSpec) -> dict[str, Value]:
    config: dict[str, Value] = {
        "BOOTLOADER_APP_ROLLBACK_ENABLE": spec.has_rollback,
        "BOOTLOADER_APP_ANTI_ROLLBACK": spec.has_anti_rollback,
        "EFUSE_VIRTUAL": spec.has_efuse_virtual,
        "SECURE_BOOT": False,
        "SECURE_FLASH_ENC_ENABLED": False,
    }
    if spec.has_anti_rollback:
        config["BOOTLOADER_APP_SECURE_VERSION"] = spec.secure_version
        config["BOOTLOADER_APP_SEC_VER_SIZE_EFUSE_FIELD"] = spec.target.secure_version_bits
        config["BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE"] = spec.has_efuse_virtual
    if spec.has_efuse_virtual:
        config["EFUSE_VIRTUAL_KEEP_IN_FLASH"] = True
    if spec.signing is not None:
        config |= spec.signing.symbols
    if spec.virtual_app.needs_private_key:
        config["PRE_ENCRYPTED_OTA_USE_RSA"] = not spec.has_ecies
        config["PRE_ENCRYPTED_OTA_USE_ECIES"] = spec.has_ecies
    return config


def _logging(spec: BuildSpec) -> dict[str, Value]:
    level = _LEVELS.index(spec.log_level.upper())
    return {
        "LOG_DEFAULT_LEVEL": level,
        f"LOG_DEFAULT_LEVEL_{spec.log_level.upper()}": True,
        "LOG_MAXIMUM_LEVEL": level,
        "LOG_COLORS": spec.has_log_colors,
        "LOG_TIMESTAMP_SOURCE_RTOS": True,
        "BOOTLOADER_LOG_LEVEL": _LEVELS.index("INFO"),
        "BOOTLOADER_LOG_LEVEL_INFO": True,
        "ESP_CONSOLE_UART_DEFAULT": True,
        "ESP_CONSOLE_UART_NUM": 0,
        "ESP_CONSOLE_UART_BAUDRATE": 115200,
    }


def _example(spec: BuildSpec) -> dict[str, Value]:
    if not spec.virtual_app.networked:
        return {}
    url = "EXAMPLE_FIRMWARE_UPG_URL" if spec.app == "native_ota" else "EXAMPLE_FIRMWARE_UPGRADE_URL"
    config: dict[str, Value] = {
        url: spec.url,
        "EXAMPLE_CONNECT_ETHERNET": True,
        "EXAMPLE_CONNECT_WIFI": False,
        "EXAMPLE_CONNECT_IPV6": False,
        "MBEDTLS_CERTIFICATE_BUNDLE": True,
    }
    if spec.url_from_stdin:
        config["EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN"] = True
    if spec.app == "simple_ota":
        return config | {
            "EXAMPLE_USE_CERT_BUNDLE": spec.has_cert_bundle,
            "EXAMPLE_FIRMWARE_UPGRADE_BIND_IF": spec.bind_interface,
            "EXAMPLE_FIRMWARE_UPGRADE_BIND_IF_ETH": spec.bind_interface,
        }
    config |= {"EXAMPLE_SKIP_VERSION_CHECK": not spec.version_check, "EXAMPLE_OTA_RECV_TIMEOUT": spec.recv_timeout_ms}
    if spec.app == "native_ota":
        return config | {"EXAMPLE_GPIO_DIAGNOSTIC": 4}
    config |= {
        "EXAMPLE_USE_CERT_BUNDLE": spec.has_cert_bundle,
        "EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD": spec.partial_http_download,
    }
    if spec.app == "advanced_https_ota" and line_of(spec.idf_ver) >= (5, 5):
        config["EXAMPLE_ENABLE_OTA_RESUMPTION"] = spec.ota_resumption
    if spec.partial_http_download:
        config["EXAMPLE_HTTP_REQUEST_SIZE"] = spec.http_request_size
    return config
