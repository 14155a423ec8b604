"""`bench image derive | sign | rekey | encrypt | decrypt`: one image made from another. IN and OUT are files.

Exit code 0 when OUT is written, 2 with one line that says what is wrong; OUT is then not touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.arguments import assignment, number, text
from bench.cli.outputs import refuse_inputs
from bench.errors import BenchError, FormatError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bench.images import Image

__all__ = ["add_makers"]


def add_makers(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommands to `bench image`."""
    derive = _action(actions, "derive", "change fields, size or single bits, and seal again", _derive)
    derive.add_argument("--version", type=text, metavar="V", help="application version")
    derive.add_argument("--secure-version", type=number, metavar="N")
    derive.add_argument("--chip", metavar="NAME", help="chip that the header names, e.g. esp32h2")
    field = {"action": "append", "default": [], "type": assignment, "metavar": "FIELD=VALUE"}
    derive.add_argument("--header", **field, help="a field of esp_image_header_t, e.g. min_chip_rev_full=301")  # type: ignore[arg-type]
    derive.add_argument("--app-desc", **field, help="a field of esp_app_desc_t, e.g. time=12:00:00")  # type: ignore[arg-type]
    derive.add_argument("--crashing", action="store_true", help="dies at its first instruction")
    derive.add_argument("--size", type=number, metavar="BYTES", help="padded to this size, and valid")
    derive.add_argument("--flip", action="append", default=[], metavar="PLACE", help="one bit wrong there, not sealed")
    derive.add_argument("--truncate", type=number, metavar="BYTES", help="the first bytes only")

    sign = _action(actions, "sign", "sign for Secure Boot, in place of any signature that is there", _sign)
    sign.add_argument("--key", action="append", required=True, type=Path, metavar="PEM", help="one to three times")
    sign.add_argument("--v1", action="store_true", help="the ESP32's older format (one P-256 key)")

    rekey = _action(actions, "rekey", "replace what a prebuilt image embeds, where it fits", _rekey)
    rekey.add_argument(
        "--ca", type=Path, metavar="PEM", help="CA that it is to trust, for the certificate or bundle in it"
    )
    rekey.add_argument("--url", metavar="URL", help="where it is to look for updates")
    rekey.add_argument("--key", type=Path, metavar="PEM", help="private key of pre-encrypted images")
    rekey.add_argument("--number", type=number, metavar="N", help="which of several, from 0")

    encrypt = _action(actions, "encrypt", "pre-encrypt for esp_encrypted_img", _encrypt)
    encrypt.add_argument("--key", required=True, type=Path, metavar="PEM", help="public key: RSA-3072 or P-256 (ECIES)")

    decrypt = _action(actions, "decrypt", "open a pre-encrypted image", _decrypt)
    keys = decrypt.add_mutually_exclusive_group(required=True)
    keys.add_argument("--key", type=Path, metavar="PEM", help="private key: RSA-3072 or P-256 (ECIES)")
    keys.add_argument("--hmac-key", type=Path, metavar="FILE", help="the 32 bytes of the eFuse key block (ECIES)")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    told: str,
    make: Callable[[bytes, argparse.Namespace], bytes],
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=told)
    parser.add_argument("file", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")

    def run(args: argparse.Namespace) -> int:
        keys = [getattr(args, name, None) for name in ("key", "ca", "hmac_key")]
        refuse_inputs(args.out, *(path for one in keys if one for path in (one if isinstance(one, list) else [one])))
        data = make(_read(args.file), args)
        try:
            args.out.write_bytes(data)
        except OSError as error:
            raise BenchError(f"{args.out}: {error.strerror}") from None
        print(f"{args.out}: {len(data)} bytes")
        return 0

    parser.set_defaults(run=run)
    return parser


def _derive(data: bytes, args: argparse.Namespace) -> bytes:
    from bench.images.damage import with_flipped_bit
    from bench.images.derive import padded_to, with_app_desc, with_header
    from bench.images.payload import truncated

    image = _image(data, args)
    if args.version is not None:
        image = image.with_version(args.version)
    if args.secure_version is not None:
        image = image.with_secure_version(args.secure_version)
    if args.chip is not None:
        from bench.images import chip_by_name

        image = image.with_chip_id(chip_by_name(args.chip).chip_id)
    if args.header:
        image = with_header(image, **_values(image.header, args.header))  # type: ignore[arg-type]
    if args.app_desc:
        image = with_app_desc(image, **_values(image.app_desc, args.app_desc))
    if args.crashing:
        image = image.crashing_at_boot()
    if args.size is not None:
        image = padded_to(image, args.size)
    result = image.to_bytes()
    for place in args.flip:
        result = with_flipped_bit(result, place)
    return result if args.truncate is None else truncated(result, args.truncate)


def _values(described: object, assignments: list[tuple[str, str]]) -> dict[str, str | int | bytes]:
    """The values in the types that the fields have; unknown fields are left to be refused by name."""
    result: dict[str, str | int | bytes] = {}
    for name, value in assignments:
        present = getattr(described, name, "")
        try:
            if isinstance(present, bytes):
                result[name] = bytes.fromhex(value)
            else:
                result[name] = int(value, 0) if isinstance(present, int) else value
        except ValueError:
            wanted = "hexadecimal digits" if isinstance(present, bytes) else "a number"
            raise FormatError(name, 0, repr(value), wanted) from None
    return result


def _sign(data: bytes, args: argparse.Namespace) -> bytes:
    from bench.images.signature import sign, sign_v1

    image, keys = _image(data, args), [_read(path) for path in args.key]
    if not args.v1:
        return sign(image, *keys).to_bytes()
    if len(keys) != 1:
        raise BenchError(f"--v1 takes one key, not {len(keys)}")
    return sign_v1(image, keys[0]).to_bytes()


def _rekey(data: bytes, args: argparse.Namespace) -> bytes:
    from bench.images.rekey import with_private_key, with_trust, with_url

    if args.ca is None and args.url is None and args.key is None:
        raise BenchError("nothing to replace: give --ca, --url or --key")
    image = _image(data, args)
    if args.ca is not None:
        image = with_trust(image, _read(args.ca), number=args.number)
    if args.url is not None:
        image = with_url(image, args.url, number=args.number)
    if args.key is not None:
        image = with_private_key(image, _read(args.key), number=args.number)
    return image.to_bytes()


def _encrypt(data: bytes, args: argparse.Namespace) -> bytes:
    from random import SystemRandom

    from bench.images.encrypted import encrypt

    return encrypt(data, _read(args.key), rng=SystemRandom())


def _decrypt(data: bytes, args: argparse.Namespace) -> bytes:
    from bench.images.ecies import device_key
    from bench.images.encrypted import decrypt

    key = device_key(_read(args.hmac_key)) if args.hmac_key is not None else _read(args.key)
    return decrypt(data, key, subject=str(args.file))


def _image(data: bytes, args: argparse.Namespace) -> Image:
    from bench.images import Image

    return Image.parse(data, subject=str(args.file))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
