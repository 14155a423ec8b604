"""What firmware the bench builds: recipes by name, each a list of fragments; and which of them a full run needs.

The names of `bench.builds.variants` mean here what they mean there: the configurations of ESP-IDF's own tests. Those
that begin with `bench` are the bench's own: they check name and version, and roll back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.builds.apps import APPS
from bench.builds.building.fragments import FRAGMENTS, Aim, Fragment
from bench.builds.releases import Line
from bench.builds.variants import VARIANTS
from bench.errors import BuildError

__all__ = ["NETWORKS", "RECIPES", "Recipe", "catalogue", "fragments_of", "recipe_for"]

NETWORKS = ("wifi", "ethernet", "openeth")
"""How a build reaches the network; each is a fragment."""

STOCK = ("advanced_https_ota", "native_ota", "pre_encrypted_ota", "simple_ota")
"""The applications that the fragments are written for."""

_LAYOUTS = frozenset({"two_ota", "factory_two_ota", "two_ota_large", "anti_rollback"})
_LARGE: Line = (5, 5)
"""Since then ESP-IDF builds two of its examples with PARTITION_TABLE_TWO_OTA_LARGE: they no longer fit 1 MiB."""


@dataclass(frozen=True)
class Recipe:
    """One configuration.

    Args:
        name: as `--variant` takes it
        about: what is particular, in one line; empty where `bench.builds.variants` says it
        adds: its fragments beyond those that every build of its kind has
        apps: project names it is for
        since: first release line of ESP-IDF that has what it needs
        chips: targets it is for; empty for all
        signed: it needs a signing key, of this scheme of `bench.builds.signing`
    """

    name: str
    about: str
    adds: tuple[str, ...] = ()
    apps: tuple[str, ...] = STOCK
    since: Line = (4, 4)
    chips: tuple[str, ...] = ()
    signed: str = ""

    @property
    def text(self) -> str:
        """What is particular about it."""
        return self.about or VARIANTS[self.name]

    @property
    def own(self) -> bool:
        """Is it the bench's own, and not one of ESP-IDF's tests?"""
        return self.name not in VARIANTS


_ADVANCED = ("advanced_https_ota",)
_RANGES = ("advanced_https_ota", "pre_encrypted_ota")
_SIGNED = ("table_at_c000", "signed")

_TESTED = {
    "default": Recipe("default", ""),
    "anti_rollback": Recipe("anti_rollback", "", ("anti_rollback", "secure_version_1"), _ADVANCED),
    "partial_download": Recipe("partial_download", "", ("partial_download", "debug_log"), _RANGES),
    "ota_resumption": Recipe("ota_resumption", "", ("ota_resumption",), _ADVANCED, (5, 5)),
    "ota_resumption_partial_download": Recipe(
        "ota_resumption_partial_download", "", ("ota_resumption", "partial_download", "debug_log"), _ADVANCED, (5, 5)
    ),
    "verify_revision": Recipe("verify_revision", "", (), _ADVANCED, (5, 5)),
    "spiram": Recipe("spiram", "", ("spiram",)),
    "tls1_3": Recipe("tls1_3", "", ("tls1_3",), since=(5, 0)),
    "tls1_3_only_dynamic": Recipe("tls1_3_only_dynamic", "", ("tls1_3", "dynamic_buffer"), since=(5, 5)),
    "on_update_no_sb_rsa": Recipe("on_update_no_sb_rsa", "", (*_SIGNED, "rsa"), signed="rsa"),
    "on_update_no_sb_ecdsa": Recipe(
        "on_update_no_sb_ecdsa", "", (*_SIGNED, "ecdsa"), chips=("esp32",), signed="ecdsa_v1"
    ),
}

_OWN = (
    Recipe("bench", "what most scenarios run on: checks the version, rolls back where the application confirms"),
    Recipe("bench_factory", "with a factory application", ("factory_two_ota",), _ADVANCED),
    Recipe("bench_anti_rollback", "secure versions, emulated", ("anti_rollback", "secure_version_0"), _ADVANCED),
    Recipe(
        "bench_anti_rollback_1",
        "the same, and begins with secure version 1",
        ("anti_rollback", "secure_version_1"),
        _ADVANCED,
    ),
    Recipe("bench_partial_download", "by ranges", ("partial_download",), _RANGES),
    Recipe(
        "bench_ota_resumption",
        "resumes, and does not check the version",
        ("ota_resumption", "no_version_check"),
        _ADVANCED,
        (5, 5),
    ),
    Recipe(
        "bench_ota_resumption_partial_download",
        "resumes, by ranges",
        ("ota_resumption", "partial_download"),
        _ADVANCED,
        (5, 5),
    ),
    Recipe(
        "bench_debug", "debug log, and the dates of certificates are looked at", ("debug_log", "time_date"), _ADVANCED
    ),
    Recipe("bench_authentication", "answers a server that asks for a password", ("authentication",), _ADVANCED),
    Recipe("bench_tls1_3", "TLS 1.3", ("tls1_3",), ("advanced_https_ota", "simple_ota"), (5, 0)),
    Recipe("bench_by_bundle", "verifies by the certificate bundle", ("by_bundle",), _ADVANCED, (6, 0)),
    Recipe(
        "bench_by_certificate", "verifies by the embedded certificate", ("by_certificate",), ("simple_ota",), (5, 0)
    ),
    Recipe("bench_bind_interface", "bound to one network interface", ("bind_interface",), ("simple_ota",)),
    Recipe(
        "bench_signed_rsa",
        "verifies RSA signatures of updates",
        (*_SIGNED, "rsa", "factory_two_ota"),
        ("advanced_https_ota", "simple_ota"),
        signed="rsa",
    ),
    Recipe(
        "bench_signed_ecdsa",
        "verifies ECDSA signatures of updates, version 1",
        (*_SIGNED, "ecdsa", "factory_two_ota"),
        ("advanced_https_ota", "simple_ota"),
        chips=("esp32",),
        signed="ecdsa_v1",
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(_TESTED | {one.name: one for one in _OWN})
"""Every recipe, by name: those of ESP-IDF's tests, then the bench's own."""


def recipe_for(name: str, aim: Aim) -> Recipe:
    """The recipe of that name, where it can be made for the aim.

    Raises:
        BuildError: no such recipe, or not for this application, chip or release; one line with the mend
    """
    if name not in RECIPES:
        raise BuildError(f"variant {name!r}: expected one of {', '.join(RECIPES)} (bench build --list)")
    recipe = RECIPES[name]
    if aim.app not in STOCK:
        if name != "bench":
            raise BuildError(
                f"variant {name} is written for {', '.join(recipe.apps)}, and {aim.app} is an application of your own: "
                "leave --variant out, and give what it needs with --sdkconfig FILE"
            )
        return recipe
    if aim.app not in recipe.apps:
        raise BuildError(f"variant {name} is for {', '.join(recipe.apps)}, not for {aim.app}: see bench build --list")
    if recipe.chips and aim.chip not in recipe.chips:
        raise BuildError(f"variant {name} is for {', '.join(recipe.chips)}, not for {aim.chip}: take another variant")
    if aim.line < recipe.since:
        raise BuildError(
            f"variant {name} needs ESP-IDF v{recipe.since[0]}.{recipe.since[1]} or later, "
            f"and this is v{aim.line[0]}.{aim.line[1]}: give a later one to --idf"
        )
    return recipe


def fragments_of(recipe: Recipe, aim: Aim, network: str) -> tuple[Fragment, ...]:
    """The fragments of a build, in the order in which Kconfig is to read them; a later one counts more."""
    names = [*_of_every_build(recipe, aim), *recipe.adds] if aim.app in STOCK else ["version"]
    if aim.app in STOCK:
        names.append(network)
    found = [FRAGMENTS[name] for name in dict.fromkeys(names)]
    return tuple(fragment for fragment in found if fragment.symbols(aim))


def _of_every_build(recipe: Recipe, aim: Aim) -> Iterator[str]:
    yield from ("url", "version", "size", "trust")
    if aim.app == "pre_encrypted_ota":
        yield "pre_encrypted"
    if not {"by_bundle", "by_certificate"} & set(recipe.adds):
        yield "by_bundle" if APPS[aim.app].cert_bundle else "by_certificate"
    if not recipe.own:
        yield "as_tested"
        if recipe.name == "default" and aim.app == "simple_ota":
            yield "bind_interface"
    if not _LAYOUTS & set(recipe.adds):
        yield "two_ota" if recipe.own else _stock_layout(aim)
    if recipe.own and APPS[aim.app].confirms:
        yield "rollback"


def _stock_layout(aim: Aim) -> str:
    large = aim.line >= _LARGE and aim.app in ("advanced_https_ota", "simple_ota")
    return "two_ota_large" if large else "factory_two_ota"


def catalogue(chip: str, line: Line) -> Iterator[tuple[str, Recipe]]:
    """Application and recipe of every build that a run of all scenarios needs on this chip and release."""
    for app in STOCK:
        for recipe in _OWN:
            fits = app in recipe.apps and line >= max(recipe.since, APPS[app].since)
            if fits and (not recipe.chips or chip in recipe.chips):
                yield app, recipe
