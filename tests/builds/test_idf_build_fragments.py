"""The fragments that real builds are made with: the same symbols as virtual builds have, and all of them defined."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.builds.apps import APPS
from bench.builds.building.fragments import FRAGMENTS, Aim
from bench.builds.building.recipes import NETWORKS, RECIPES, STOCK, catalogue, fragments_of, recipe_for
from bench.builds.configuration import configuration_of
from bench.builds.releases import RELEASES, line_of
from bench.builds.sdkconfig import Sdkconfig, Value, from_text
from bench.builds.variants import VARIANTS, variant
from bench.errors import BuildError
from tests.builds.making import private_key_pem, spec

KCONFIG = tomllib.loads((Path(__file__).parent / "kconfig.toml").read_text("utf-8"))
CHIPS = ("esp32", "esp32c3", "esp32s3")

DERIVED = {
    "BOOTLOADER_APP_SEC_VER_SIZE_EFUSE_FIELD",  # default by chip
    "EFUSE_VIRTUAL",  # selected by BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE
    "EFUSE_VIRTUAL_KEEP_IN_FLASH",  # the same
    "ESPTOOLPY_FLASHSIZE",  # by the choice
    "EXAMPLE_FIRMWARE_UPGRADE_BIND_IF_ETH",  # default of a choice, by what the build connects to
    "LOG_DEFAULT_LEVEL",  # by the choice
    "LOG_MAXIMUM_LEVEL",  # the same
    "PARTITION_TABLE_FILENAME",  # by the choice
    "PARTITION_TABLE_CUSTOM_FILENAME",  # its default, where the table is not a custom one
    "PARTITION_TABLE_MD5",
    "SECURE_SIGNED_APPS",  # default y with SECURE_SIGNED_APPS_NO_SECURE_BOOT
    "SECURE_SIGNED_ON_UPDATE",  # the same
}
"""What Kconfig makes of the symbols that fragments set."""


def curve_key_pem() -> bytes:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*form)


def aims() -> Iterator[tuple[str, Aim, str]]:
    """Every build there can be: release, aim, name of the recipe."""
    for release in RELEASES:
        for app in STOCK:
            for chip in CHIPS:
                aim = Aim(app, chip, line_of(release))
                for name in RECIPES if line_of(release) >= APPS[app].since else ():
                    try:
                        recipe_for(name, aim)
                    except BuildError:
                        continue
                    yield release, aim, name


def symbols(name: str, aim: Aim, network: str = "ethernet") -> Sdkconfig:
    """What Kconfig reads: the later fragment counts more."""
    merged: dict[str, Value] = {}
    for fragment in fragments_of(recipe_for(name, aim), aim, network):
        merged.update(from_text(fragment.text(aim)))
    return merged


def claimed(app: str, chip: str, release: str, **options: Any) -> Sdkconfig:
    return configuration_of(spec(chip=chip, app=app, idf_ver=release, **options))


def of_variant(name: str, aim: Aim, release: str) -> dict[str, object]:
    key = private_key_pem() if name.endswith("rsa") else curve_key_pem() if name.endswith("ecdsa") else None
    return variant(name, aim.app, release, key)


ALL = tuple(aims())
TESTED = [(release, aim, name) for release, aim, name in ALL if name in VARIANTS and aim.chip == "esp32"]


@pytest.mark.parametrize(
    ("release", "aim", "name"), TESTED, ids=[f"{aim.app}-{name}-{release}" for release, aim, name in TESTED]
)
def test_a_variant_is_configured_like_its_virtual_build(release: str, aim: Aim, name: str) -> None:
    ours = symbols(name, aim)
    virtual = claimed(aim.app, aim.chip, release, **of_variant(name, aim, release))
    both = ours.keys() & virtual.keys()
    assert {one: ours[one] for one in both} == {one: virtual[one] for one in both}
    plain = claimed(aim.app, aim.chip, release, layout="factory_two_ota", rollback=None)
    differs = {one for one, value in virtual.items() if plain.get(one, False) != value and value is not False}
    assert differs - DERIVED <= ours.keys(), "a virtual build of the variant has what a real one is not asked for"
    assert len(both) >= 8


OWN: dict[str, dict[str, Any]] = {
    "bench": {},
    "bench_factory": {"layout": "factory_two_ota", "rollback": True},
    "bench_anti_rollback": {"layout": "anti_rollback", "table_offset": 0xD000},
    "bench_anti_rollback_1": {"layout": "anti_rollback", "table_offset": 0xD000, "secure_version": 1},
    "bench_partial_download": {"partial_http_download": True},
    "bench_ota_resumption": {"ota_resumption": True, "version_check": False},
    "bench_ota_resumption_partial_download": {"ota_resumption": True, "partial_http_download": True},
    "bench_debug": {"log_level": "debug", "config": ("MBEDTLS_HAVE_TIME_DATE",)},
    "bench_authentication": {
        "config": ("ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH", "ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH"),
    },
    "bench_tls1_3": {"config": ("MBEDTLS_SSL_PROTO_TLS1_3",)},
    "bench_by_bundle": {"cert_bundle": True},
    "bench_by_certificate": {"cert_bundle": False},
    "bench_bind_interface": {"bind_interface": True},
    "bench_signed_rsa": {"layout": "factory_two_ota", "table_offset": 0xC000, "signing": "rsa"},
    "bench_signed_ecdsa": {"layout": "factory_two_ota", "table_offset": 0xC000, "signing": "ecdsa_v1"},
}
"""What the scenarios ask of a virtual build, by the recipe of the real one that they run on."""


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.own])
def test_the_bench_s_own_builds_are_like_those_that_scenarios_ask_for(name: str) -> None:
    from bench.builds.signing import Signing

    seen = 0
    for release, aim, other in ALL:
        if other != name or aim.chip != "esp32":
            continue
        options = dict(OWN[name])
        if "signing" in options:
            key = private_key_pem() if options["signing"] == "rsa" else curve_key_pem()
            options["signing"] = Signing(options["signing"], key)
        if options.get("layout") == "factory_two_ota" and APPS[aim.app].confirms:
            options["rollback"] = True
        virtual, ours = claimed(aim.app, aim.chip, release, **options), symbols(name, aim)
        both = ours.keys() & virtual.keys()
        assert {one: ours[one] for one in both} == {one: virtual[one] for one in both}
        plain = claimed(aim.app, aim.chip, release, layout="factory_two_ota")
        differs = {one for one, value in virtual.items() if plain.get(one, False) != value and value is not False}
        assert differs - DERIVED <= ours.keys()
        seen += 1
    assert seen


NEVER_GIVEN = {"bootloader", "efuse_virtual", "encryption", "flash_encryption", "secure_version_check"}
"""What only builds that the bench writes itself can be: a given one is skipped, or refused."""


def asked_by_scenarios() -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and arguments of each `firmware(...)` mark that says what it wants in so many words."""
    for path in sorted((Path(__file__).parents[2] / "scenarios").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "firmware":
                try:
                    wanted = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
                except ValueError:
                    continue
                yield f"{path.name}:{node.lineno}", wanted


def serves(name: str, wanted: dict[str, Any]) -> bool:
    """Is a build of that recipe what the scenario wants?"""
    has = {"layout": "two_ota", "version_check": True, "secure_version": 0, **OWN[name]}
    app = wanted.get("app", "advanced_https_ota")
    if app not in RECIPES[name].apps:
        return False
    if app == "simple_ota":
        has.setdefault("cert_bundle", True)
    left = {key: value for key, value in wanted.items() if key not in ("app", "idf_ver", "config", "rollback")}
    symbols = set(wanted.get("config", ())) <= set(has.get("config", ()))
    return symbols and all(has.get(key) == value for key, value in left.items())


def test_the_catalogue_serves_every_scenario_that_a_given_build_can() -> None:
    served: set[str] = set()
    for place, wanted in asked_by_scenarios():
        wanted.pop("since", None)  # from which release on a given build will do
        wanted.pop("until", None)  # and before which
        wanted.pop("exactly", None)  # whether one of a later release will do, too
        size = wanted.pop("http_request_size", None)  # a scenario that wants another one than the recipe's is skipped
        if NEVER_GIVEN & wanted.keys() or wanted.get("app") == "serial_ota":
            continue
        names = [name for name in OWN if serves(name, wanted)]
        assert names, f"{place}: no recipe makes a build with {wanted} (request size {size})"
        served.update(names)
    assert len(served) > 8


def test_every_symbol_is_defined_in_the_releases_it_is_set_for() -> None:
    """By the record of what ESP-IDF's Kconfig files define, which test_idf_kconfig.py holds against the sources."""
    checked = 0
    for release, aim, name in ALL:
        for network in NETWORKS:
            for symbol in symbols(name, aim, network):
                defined = KCONFIG["defined"].get(symbol) or KCONFIG["components"].get(symbol) or []
                assert release in defined, f"{symbol} ({name}, {network}) is not defined in {release}"
                checked += 1
    assert checked > 1000


def test_every_symbol_of_an_example_is_in_its_own_kconfig() -> None:
    of_examples = {one for example in KCONFIG["examples"].values() for names in example.values() for one in names}
    for release, aim, name in ALL:
        if aim.app not in KCONFIG["examples"][release]:
            assert (aim.app, line_of(release) >= (5, 5)) == ("pre_encrypted_ota", True)
            continue
        wanted = symbols(name, aim).keys() & of_examples
        assert wanted <= set(KCONFIG["examples"][release][aim.app]), f"{name} for {aim.app} in {release}"


def test_every_fragment_is_used_and_every_name_of_a_virtual_variant_is_a_recipe() -> None:
    used = {
        fragment.name
        for _, aim, name in ALL
        for network in NETWORKS
        for fragment in fragments_of(recipe_for(name, aim), aim, network)
    }
    assert used == FRAGMENTS.keys()
    assert VARIANTS.keys() <= RECIPES.keys()
    assert OWN.keys() == {name for name, recipe in RECIPES.items() if recipe.own}


def test_no_build_burns_an_efuse() -> None:
    for _, aim, name in ALL:
        config = symbols(name, aim)
        assert not {"SECURE_BOOT", "SECURE_FLASH_ENC_ENABLED"} & config.keys()
        if config.get("BOOTLOADER_APP_ANTI_ROLLBACK"):
            assert config["BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE"] is True


def test_the_catalogue_has_what_the_release_and_the_chip_have() -> None:
    old = {(app, recipe.name) for app, recipe in catalogue("esp32s3", (4, 4))}
    new = {(app, recipe.name) for app, recipe in catalogue("esp32", (6, 0))}
    assert ("advanced_https_ota", "bench") in old & new
    assert ("advanced_https_ota", "bench_ota_resumption") in new - old
    assert ("pre_encrypted_ota", "bench") in new - old
    assert ("simple_ota", "bench_signed_ecdsa") in new
    assert not any(name == "bench_signed_ecdsa" for _, name in old)


@pytest.mark.parametrize(
    ("name", "aim", "says"),
    [
        ("bluetooth", Aim("simple_ota", "esp32", (5, 5)), "bench build --list"),
        ("anti_rollback", Aim("native_ota", "esp32", (5, 5)), "is for advanced_https_ota, not for native_ota"),
        ("on_update_no_sb_ecdsa", Aim("simple_ota", "esp32s3", (5, 5)), "is for esp32, not for esp32s3"),
        ("ota_resumption", Aim("advanced_https_ota", "esp32", (5, 3)), "needs ESP-IDF v5.5 or later"),
        ("anti_rollback", Aim("kettle", "esp32", (5, 3)), "--sdkconfig FILE"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_mend(name: str, aim: Aim, says: str) -> None:
    with pytest.raises(BuildError, match=says):
        recipe_for(name, aim)
