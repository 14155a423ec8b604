"""`bench build`: build firmware with ESP-IDF, in the bench's configurations, once for each content.

    bench build --idf ~/esp/esp-idf --app advanced_https_ota --chip esp32s3
    bench build --chip esp32s3 --all
    bench build --list

Without `--ca` the build trusts the bench's own certificate authority, the one that `bench serve` uses. Progress goes
to standard error; standard output has one line for each build, which begins with its directory.

Exit code 0 when every build is there, 1 when one of `--all` is not, 2 with one line that says what is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.builds.building import Cache, Made, Order

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench build`."""
    parser = commands.add_parser(
        "build",
        help="build firmware with ESP-IDF",
        description="Build an OTA example of ESP-IDF, or a project of your own, so that the bench can test it. "
        "What was built once is kept, and taken from there while its sources, its configuration and ESP-IDF are the "
        "same.",
    )
    parser.add_argument("--idf", type=Path, metavar="PATH", help="ESP-IDF (default: $IDF_PATH)")
    parser.add_argument(
        "--app",
        default="advanced_https_ota",
        metavar="NAME|PATH",
        help="advanced_https_ota (default), native_ota, pre_encrypted_ota, simple_ota, or the directory of a project",
    )
    parser.add_argument("--chip", metavar="CHIP", help="target, as ESP-IDF spells it: esp32, esp32c3, esp32s3 …")
    parser.add_argument(
        "--variant",
        action="append",
        metavar="NAME",
        help="configuration (default: bench); more than once: one build each; see --list",
    )
    parser.add_argument(
        "--network", default="wifi", metavar="NAME", help="wifi (default), ethernet, or openeth for QEMU"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="put a copy of the build there")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="CA certificate to trust (default: the bench's own)")
    parser.add_argument(
        "--signing-key",
        action="append",
        default=[],
        type=Path,
        metavar="PEM",
        help="private key of the signed variants; with --all one for each scheme",
    )
    parser.add_argument(
        "--sdkconfig",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="further symbols, which count more than the bench's; may be given more than once",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where builds are kept (default: the user's cache)")
    parser.add_argument("--verbose", action="store_true", help="show what idf.py prints, and not only how far it is")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every build that a run of all scenarios needs on the chip; --app PATH: where one of its applications is",
    )
    parser.add_argument("--list", action="store_true", help="show the variants, and which of them --all builds")
    parser.add_argument("--print-config", action="store_true", help="show the sdkconfig fragments, and build nothing")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.list:
        print("\n".join(_listed()))
        return 0
    if args.chip is None:
        raise BuildError("--chip: missing; say for which chip, e.g. --chip esp32s3")
    if args.all and (args.variant or args.out):
        raise BuildError("--all builds every variant, each into the cache: leave --variant and --out out")
    if args.out and len(args.variant or ()) > 1:
        raise BuildError("--out takes one build: give one --variant, or leave --out out")
    if args.all:
        return _build_all(args)
    for variant in args.variant or ["bench"]:
        order = _order(args, args.app, variant, _key(args, variant))
        if args.print_config:
            print("\n".join(order.texts().values()), end="")
        else:
            _build(args, order)
    return 0


def _order(args: argparse.Namespace, app: str, variant: str, key: bytes | None) -> Order:
    from bench.builds.building import Order, find

    return Order(
        idf=find(args.idf),
        app=app,
        chip=args.chip,
        ca_pem=_read(args.ca, "--ca") if args.ca is not None else _own_ca(),
        variant=variant,
        network=args.network,
        signing_key=key,
        sdkconfig=tuple(args.sdkconfig),
    )


def _build(args: argparse.Namespace, order: Order) -> None:
    from bench.builds.building import make

    if order.idf.unknown:
        _say(f"ESP-IDF {order.idf.version} is later than the bench knows: the fragments were not checked against it")
    with _Progress(order.name, verbose=args.verbose) as progress:
        made = make(order, _cache(args), progress.line, _say)
    where = made.build.path if args.out is None else _put(made, args.out)
    how = "taken from the cache" if made.cached else f"built in {made.seconds:.0f} s"
    print(f"{where}: {order.aim.app} for {order.chip}, ESP-IDF {order.idf.version}, variant {order.variant}: {how}")


def _build_all(args: argparse.Namespace) -> int:
    """Each build by itself: one that fails takes none of the others with it."""
    from bench.builds.building import catalogue, find
    from bench.builds.building.esp_idf import project_name

    idf = find(args.idf)
    elsewhere = {project_name(idf.app(args.app)): args.app}
    missing = 0
    for app, recipe in catalogue(args.chip, idf.line):
        if recipe.signed and not args.signing_key:
            _say(f"{app} {recipe.name}: left out, as it needs --signing-key FILE ({recipe.signed})")
            continue
        try:
            order = _order(args, elsewhere.get(app, app), recipe.name, _key(args, recipe.name))
            if args.print_config:
                print(f"## {order.name}", *order.texts().values(), sep="\n", end="")
            else:
                _build(args, order)
        except BuildError as error:
            missing += 1
            _say(f"bench: {app} {recipe.name}: {error}")
    return 1 if missing else 0


def _key(args: argparse.Namespace, variant: str) -> bytes | None:
    """The key for a signed variant: of those that were given the one of its scheme, or the last, to be refused."""
    from bench.builds.building import RECIPES
    from bench.builds.signing import Signing

    keys = [_read(path, "--signing-key") for path in args.signing_key]
    recipe = RECIPES.get(variant)
    if recipe is None or not recipe.signed:
        return None if args.all or not keys else keys[-1]
    for key in keys:
        with suppress(BuildError):
            return Signing(recipe.signed, key).key_pem
    return keys[-1] if keys else None


def _put(made: Made, out: Path) -> Path:
    """Copy a build to where it is wanted, in place of another that the bench put there."""
    import shutil

    from bench.builds.building.making import ABOUT

    if out.exists() and any(out.iterdir() if out.is_dir() else [out]) and not (out / ABOUT).is_file():
        raise BuildError(f"{out}: holds something that bench build did not put there; give another --out")
    try:
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(made.build.path, out)
    except OSError as error:
        raise BuildError(
            f"{error.filename or out}: {error.strerror}; choose another --out, or make room there"
        ) from None
    return out


class _Progress:
    """How far a build is, on standard error: a line that changes on a terminal, and a line now and then elsewhere."""

    _STEP = re.compile(r"\[(\d+)/(\d+)\]")
    _EVERY = 25
    """Per cent between two lines where there is no terminal."""

    def __init__(self, name: str, *, verbose: bool) -> None:
        self._name = name
        self._verbose = verbose
        self._said = -1

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._said >= 0 and sys.stderr.isatty() and not self._verbose:
            print(file=sys.stderr)

    def line(self, text: str) -> None:
        """Take one line that the build printed."""
        if self._verbose:
            _say(text)
            return
        step = self._STEP.match(text)
        if step is None:
            if self._said < 0:
                self._show(0, "configuring")
            return
        done, of = int(step[1]), max(1, int(step[2]))
        self._show(100 * done // of, f"{done} of {of}")

    def _show(self, percent: int, what: str) -> None:
        if sys.stderr.isatty():
            self._said = percent
            print(f"\r\x1b[K{self._name}: {what} ({percent} %)", end="", file=sys.stderr, flush=True)
        elif percent // self._EVERY > self._said // self._EVERY:
            # The bootloader is built within, and counts by itself: the lines only ever go up.
            self._said = percent
            _say(f"{self._name}: {what} ({percent} %)")


def _listed() -> Iterator[str]:
    from bench.builds.building import RECIPES

    yield "variants (--variant NAME), and the applications they are for; * those that --all builds"
    for recipe in RECIPES.values():
        where = ", ".join(recipe.apps)
        if recipe.since > (4, 4):
            where += f"; since v{recipe.since[0]}.{recipe.since[1]}"
        if recipe.chips:
            where += f"; {', '.join(recipe.chips)} only"
        yield f"{'*' if recipe.own else ' '} {recipe.name:<38}{recipe.text}"
        yield f"  {'':<38}{where}"


def _cache(args: argparse.Namespace) -> Cache:
    from bench.builds.building import Cache, default_root

    return Cache(args.cache if args.cache is not None else default_root())


def _own_ca() -> bytes:
    from bench.server import Authority

    return Authority.load_or_create().ca_pem


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{option} {path}: {error.strerror}; give a file in PEM") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
