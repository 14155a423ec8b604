"""Making one build with ESP-IDF: planned as a whole, taken from the cache where it is, and built where it is not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.builds.build import Build
from bench.builds.building.cache import Cache
from bench.builds.building.esp_idf import EspIdf, project_name, source_state
from bench.builds.building.fragments import Aim, Fragment
from bench.builds.building.idf_py import run
from bench.builds.building.recipes import NETWORKS, fragments_of, recipe_for
from bench.builds.building.sources import bench_files, digest, stage
from bench.builds.copies import copy_build
from bench.builds.pem import check_certificates
from bench.builds.sdkconfig import HIDDEN, Value, from_text, is_secret
from bench.builds.signing import Signing
from bench.errors import BuildError

__all__ = ["ABOUT", "Made", "Order", "make"]

ABOUT = "ota-bench.json"
"""The file in a build directory that says what the bench built it from."""

_FORMAT = 1
"""Counted up when the same inputs would give another build."""

_TABLES = {"two_ota": "partitions.csv", "anti_rollback": "anti_rollback_partition.csv"}
"""Layouts that ESP-IDF has no table of, with the file names that their fragments give."""


@dataclass(frozen=True)
class Order:
    """What is to be built.

    Args:
        idf: with which ESP-IDF
        app: one of its examples by project name, or the path of a project
        chip: target, as ESP-IDF spells it
        ca_pem: the CA that the application is to trust, PEM
        variant: name of a recipe
        network: wifi, ethernet or openeth
        signing_key: private key of a signed variant, PEM
        sdkconfig: files of further symbols, which count more than all others

    Raises:
        BuildError: something is unknown, missing or contradicts itself; one line with the mend
    """

    idf: EspIdf
    app: str
    chip: str
    ca_pem: bytes = field(repr=False)
    variant: str = "bench"
    network: str = "wifi"
    signing_key: bytes | None = field(default=None, repr=False)
    sdkconfig: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.idf.check_chip(self.chip)
        check_certificates(self.ca_pem)
        if self.network not in NETWORKS:
            raise BuildError(f"network {self.network!r}: expected one of {', '.join(NETWORKS)}")
        recipe = recipe_for(self.variant, self.aim)
        if recipe.signed and self.signing_key is None:
            raise BuildError(f"variant {self.variant} is signed: give a key (--signing-key FILE)")
        if recipe.signed and self.signing_key is not None:
            Signing(recipe.signed, self.signing_key).check(self.chip)
        if not recipe.signed and self.signing_key is not None:
            raise BuildError(f"variant {self.variant} is not signed: leave the key out, or take bench_signed_rsa")
        _ = self.further

    @cached_property
    def source(self) -> Path:
        """The application's directory."""
        return self.idf.app(self.app)

    @cached_property
    def aim(self) -> Aim:
        return Aim(project_name(self.source), self.chip, self.idf.line)

    @cached_property
    def fragments(self) -> tuple[Fragment, ...]:
        return fragments_of(recipe_for(self.variant, self.aim), self.aim, self.network)

    @cached_property
    def further(self) -> Mapping[str, str]:
        """The texts of the further files, by the names that they get."""
        texts = {}
        for number, path in enumerate(self.sdkconfig):
            try:
                texts[f"{number}-{path.name}"] = path.read_text("utf-8")
            except (OSError, ValueError) as error:
                raise BuildError(f"--sdkconfig {path}: {error}; give a text of CONFIG_…=… lines") from None
        return texts

    @property
    def name(self) -> str:
        """For people: application, chip, release and variant."""
        return f"{self.aim.app}-{self.chip}-{self.idf.version}-{self.variant}"

    def texts(self) -> dict[str, str]:
        """Every file of symbols by its name, in the order in which Kconfig reads them."""
        own = {f"{one.name}.defaults": one.text(self.aim) for one in self.fragments}
        return own | dict(self.further)

    def asked(self) -> dict[str, Value]:
        """The symbols that the build was asked for, without CONFIG_."""
        asked: dict[str, Value] = {}
        for text in self.texts().values():
            asked.update(from_text(text))
        return asked

    def files(self) -> dict[str, bytes]:
        """What the bench puts into the copy of the project."""
        tables = {name: table for name, table in _TABLES.items() if name in {one.name for one in self.fragments}}
        return bench_files(self.source, tables, self.ca_pem, self.signing_key)

    def inputs(self) -> dict[str, object]:
        """All that the build depends on, digests in place of contents."""
        within = self.source.is_relative_to(self.idf.path)
        return {
            "format": _FORMAT,
            "application": self.aim.app,
            "chip": self.chip,
            "variant": self.variant,
            "esp_idf": self.idf.version,
            "esp_idf_source": source_state(self.idf.path),
            "application_source": digest(self.source),
            "application_repository": "" if within else source_state(self.source),
            "sdkconfig": self.texts(),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in self.files().items()},
        }


@dataclass(frozen=True)
class Made:
    """A build that is there: whether the cache had it, and the seconds that it took otherwise."""

    build: Build
    cached: bool
    seconds: float


def make(order: Order, cache: Cache, on_line: Callable[[str], None], say: Callable[[str], None]) -> Made:
    """Take the build from the cache, or build it into the cache.

    Args:
        on_line: is given each line that the build prints
        say: is given what the person who waits should know

    Raises:
        BuildError: it cannot be built, or is not what was asked for; with the compiler's words and the log's place
    """
    inputs = order.inputs()
    key = f"{order.name}-{hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]}"
    found = cache.get(key)
    if found is None:
        with cache.alone(key, lambda: say(f"{order.name}: another process builds it; waiting for it")):
            found = cache.get(key)
            if found is None:
                return _build(order, cache, key, inputs, on_line)
    return Made(Build.load(found), cached=True, seconds=0.0)


def _build(order: Order, cache: Cache, key: str, inputs: Mapping[str, object], on_line: Callable[[str], None]) -> Made:
    environment = order.idf.environment(order.chip)
    started = time.monotonic()
    with cache.staging() as work:
        project = stage(order.source, _folder(work / "project"), order.files())
        defaults = [*_own_defaults(project), *_written(_folder(work / "fragments"), order.texts())]
        log = work / "build.log"
        ended = run(environment, project, order.chip, work / "build", defaults, log, on_line)
        if ended is not None:
            kept = cache.keep_log(key, log)
            raise BuildError(f"{order.name} was not built: {ended}\nthe whole log: {kept}")
        build = Build.load(work / "build")
        _check(order, build)
        made = work / "made"
        copy_build(build, made)
        log.rename(made / "build.log")
        seconds = time.monotonic() - started
        about = {**inputs, "seconds": round(seconds, 1)}
        (made / ABOUT).write_text(json.dumps(about, indent=4) + "\n", "utf-8")
        return Made(Build.load(cache.put(key, made)), cached=False, seconds=seconds)


def _check(order: Order, build: Build) -> None:
    """Kconfig drops a symbol without a word where what it depends on is missing: then the build is not what it says."""
    if build.target != order.chip:
        raise BuildError(f"{order.name}: the build is for {build.target}; does the project set IDF_TARGET itself?")
    for symbol, value in order.asked().items():
        got = build.sdkconfig.get(symbol, False)
        if got != value:
            raise BuildError(
                f"{order.name}: asked for CONFIG_{symbol}={_shown(symbol, value)}, and the build has "
                f"{_shown(symbol, got)}: something that it depends on is missing on the {order.chip} or in ESP-IDF "
                f"{order.idf.version}; take another variant or --network, or set it with --sdkconfig FILE"
            )


def _shown(symbol: str, value: Value) -> str:
    """A value as a message may have it: a number may be a password without its quotes, a URL may hold one."""
    if isinstance(value, bool):
        return "y" if value else "n"
    text = str(value)
    return HIDDEN if is_secret(symbol, text) or "://" in text else text


def _own_defaults(project: Path) -> Iterator[Path]:
    """The project's own defaults; ESP-IDF adds the target's, sdkconfig.defaults.<target>, to each file by itself."""
    own = project / "sdkconfig.defaults"
    if own.is_file():
        yield own


def _written(folder: Path, texts: Mapping[str, str]) -> Iterator[Path]:
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, "utf-8")
        yield path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
