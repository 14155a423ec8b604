"""`bench build-virtual`: write an ESP-IDF build directory where there is no ESP-IDF, for virtual boards.

Without `--ca` the build trusts the bench's own certificate authority, the one that `bench serve` uses.
Exit code 0 when the build is written, 2 with one line that says what is wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.arguments import count, number, text
from bench.errors import BuildError

if TYPE_CHECKING:
    from bench.builds.signing import Signing
    from bench.images import BootDefect, Defect

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench build-virtual`."""
    parser = commands.add_parser(
        "build-virtual",
        help="write a build for a virtual board",
        description="Write a complete ESP-IDF style build directory (bootloader, partition table, application, "
        "flasher_args.json, sdkconfig) for a virtual board. Its code is filler: it does nothing on a real one.",
    )
    parser.add_argument("--chip", required=True, metavar="CHIP", help="esp32, esp32c3 or esp32s3")
    parser.add_argument(
        "--app",
        required=True,
        metavar="NAME",
        help="simple_ota, native_ota, advanced_https_ota, pre_encrypted_ota or serial_ota",
    )
    parser.add_argument(
        "--version", required=True, type=text, metavar="V", help="application version, at most 31 bytes"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the build directory to write")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="CA certificate to trust (default: the bench's own)")
    parser.add_argument(
        "--url",
        default="FROM_STDIN",
        metavar="URL",
        help="where the update is; FROM_STDIN (the default): read from the console",
    )
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="two_ota (default), factory_two_ota, two_ota_large, anti_rollback (default with a secure version)",
    )
    parser.add_argument(
        "--idf",
        metavar="RELEASE",
        help="ESP-IDF release to speak as: v4.4.8, v5.1.4, v5.3.1 (default), v5.5 or v6.0",
    )
    parser.add_argument(
        "--secure-version",
        type=number,
        metavar="N",
        help="secure version of an anti-rollback build (0 where none is given)",
    )
    parser.add_argument("--private-key", type=Path, metavar="PEM", help="RSA-3072 key of pre_encrypted_ota")
    parser.add_argument(
        "--encryption", default="rsa", metavar="SCHEME", help="of pre_encrypted_ota: rsa (default) or ecies"
    )
    parser.add_argument(
        "--signing",
        metavar="SCHEME",
        help="verify updates by signature, and sign: rsa, ecdsa (P-256) or ecdsa_v1 (P-256, ESP32 only)",
    )
    parser.add_argument("--signing-key", type=Path, metavar="PEM", help="private key of --signing")
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="configure it as ESP-IDF's own tests do: default, anti_rollback, partial_download, ota_resumption, "
        "ota_resumption_partial_download, verify_revision, spiram, tls1_3, tls1_3_only_dynamic, "
        "on_update_no_sb_rsa or on_update_no_sb_ecdsa; "
        "options given beside it count more",
    )
    _add_switches(parser)
    parser.set_defaults(run=_run)


def _add_switches(parser: argparse.ArgumentParser) -> None:
    from bench.images.behaviour import Behaviour

    def switch(option: str, told: str) -> None:
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=told)

    switch("--rollback", "application rollback (default: by layout)")
    switch("--anti-rollback", "anti-rollback (default: by layout)")
    switch("--version-check", "refuse the running version (default: yes)")
    switch("--secure-version-check", "refuse a lower secure version before the download (default: yes)")
    switch("--partial-download", "download by HTTP ranges")
    parser.add_argument("--request-size", type=count, metavar="BYTES", help="of one range (default: 16384)")
    switch("--resumption", "go on with a download that was broken off (advanced_https_ota since v5.5)")
    switch("--cert-bundle", "verify by the certificate bundle, which then holds the CA (default: simple_ota only)")
    switch("--bind-interface", "bind to one network interface (simple_ota)")
    parser.add_argument("--log-level", metavar="LEVEL", help="error, warn, info (default) or debug")
    switch("--log-colors", "colours in the log (default: by release)")
    ways = ", ".join(one for one in Behaviour if one is not Behaviour.SOUND)
    parser.add_argument("--behaviour", default="", metavar="NAME", help=f"way to fail (default: none): {ways}")
    parser.add_argument(
        "--defect",
        metavar="NAME",
        help="promise to break, as docs/qualification.md names it: any_magic; a name that is none lists them",
    )


def _run(args: argparse.Namespace) -> int:
    from bench.builds import VirtualBuild, write_build
    from bench.builds.releases import DEFAULT_RELEASE

    release = args.idf or DEFAULT_RELEASE
    options = _options(args, release)
    spec = VirtualBuild(
        chip=args.chip,
        app=args.app,
        version=args.version,
        ca_pem=_read(args.ca, "--ca") if args.ca is not None else _own_ca(),
        url=args.url,
        idf_ver=release,
        private_key_pem=_read(args.private_key, "--private-key") if args.private_key is not None else None,
        encryption=args.encryption,
        behaviour=args.behaviour,
        defect=_defect(args.defect) if args.defect is not None else None,
        **options,
    )
    write_build(spec, args.out)
    print(f"{args.out}: {spec.app} {spec.version} for {spec.chip}, ESP-IDF {spec.idf_ver}, layout {spec.layout}")
    return 0


def _defect(name: str) -> Defect | BootDefect:
    """The defect of that name, in small letters or not, with spaces or not; a bootloader's begins with `bootloader`."""
    from bench.images import BootDefect, Defect

    wanted = name.upper().replace(" ", "_").replace("-", "_")
    known: dict[str, Defect | BootDefect] = {one.name: one for one in Defect}
    known |= {f"BOOTLOADER_{one.name}": one for one in BootDefect}
    if wanted not in known:
        raise BuildError(f"defect {name!r}: expected one of {', '.join(known).lower()}")
    return known[wanted]


def _options(args: argparse.Namespace, release: str) -> dict[str, Any]:
    """What was said on the command line, on top of the variant where one was named."""
    from bench.builds.variants import variant

    named: dict[str, Any] = {}
    if args.variant is not None:
        key = _read(args.signing_key, "--signing-key") if args.signing_key is not None else None
        named = variant(args.variant, args.app, release, key)
    said = {
        "layout": args.layout or (None if args.secure_version is None else "anti_rollback"),
        "secure_version": args.secure_version,
        "rollback": args.rollback,
        "anti_rollback": args.anti_rollback,
        "version_check": args.version_check,
        "secure_version_check": args.secure_version_check,
        "partial_http_download": args.partial_download,
        "http_request_size": args.request_size,
        "ota_resumption": args.resumption,
        "cert_bundle": args.cert_bundle,
        "bind_interface": args.bind_interface,
        "log_level": args.log_level,
        "log_colors": args.log_colors,
        "signing": None if "signing" in named else _signing(args),
    }
    return named | {name: value for name, value in said.items() if value is not None}


def _signing(args: argparse.Namespace) -> Signing | None:
    from bench.builds.signing import Signing

    if (args.signing is None) != (args.signing_key is None):
        raise BuildError("--signing and --signing-key: one is of no use without the other")
    return Signing(args.signing, _read(args.signing_key, "--signing-key")) if args.signing else None


def _own_ca() -> bytes:
    from bench.server import Authority

    return Authority.load_or_create().ca_pem


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{option} {path}: {error.strerror}; give a file in PEM") from None
