"""`bench image inspect FILE [--json]`: what an image is, and whether its seals hold.

Exit code 0 for whatever can be read, a broken checksum or hash included (it is reported, like everything else);
2 for a file that is no image, with one line that says why.

The JSON object has `kind` (`"application"`, `"bootloader"`, `"image"` for one that describes itself as neither, or
`"encrypted"`), `file` and `size`, and then, unknown being null: for an encrypted image `scheme`, `content_size`,
`iv`, `tag`; for the others the fields of the table, with lengths and offsets in bytes as numbers, and addresses and
the checksum as `"0x…"`; `signatures` are the Secure Boot V2 blocks behind the image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.image_make import add_makers
from bench.errors import BenchError

if TYPE_CHECKING:
    import argparse

    from bench.images import Image

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench image`."""
    group = commands.add_parser(
        "image", help="look at application, bootloader and pre-encrypted images, and make others of them"
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    inspect = actions.add_parser("inspect", help="show what an image is, and whether checksum and SHA-256 hold")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    inspect.set_defaults(run=_inspect)
    add_makers(actions)


def _inspect(args: argparse.Namespace) -> int:
    path: Path = args.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
    facts = _facts(str(path), data)
    print(json.dumps(facts, indent=2) if args.json else _table(facts))
    return 0


def _facts(name: str, data: bytes) -> dict[str, object]:
    from bench.images import Image
    from bench.images.encrypted import EncryptedHeader, is_encrypted

    if is_encrypted(data):
        header = EncryptedHeader.parse(data, subject=name)
        return {
            "kind": "encrypted",
            "file": name,
            "size": len(data),
            "scheme": header.scheme,
            "content_size": header.size,
            "content_complete": len(data) - EncryptedHeader.SIZE == header.size,
            "iv": header.iv.hex(),
            "tag": header.tag.hex(),
        }
    image = Image.parse(data, subject=name)
    kind = "application" if image.app_desc else "bootloader" if image.bootloader_desc else "image"
    return {"kind": kind, "file": name, "size": len(data), **_identity(image), **_header(image), **_seals(image)}


def _identity(image: Image) -> dict[str, object]:
    from bench.images import read_behaviour

    app, boot = image.app_desc, image.bootloader_desc
    return {
        "project_name": app.project_name if app else None,
        "version": app.version if app else None,
        "bootloader_version": boot.version if boot else None,
        "secure_version": app.secure_version if app else boot.secure_version if boot else None,
        "idf_ver": app.idf_ver if app else boot.idf_ver if boot else None,
        "compile_time": app.compile_time if app else boot.date_time if boot else None,
        "elf_sha256": app.app_elf_sha256.hex() if app else None,
        "min_efuse_block_revision": app.min_efuse_blk_rev_full if app else None,
        "max_efuse_block_revision": app.max_efuse_blk_rev_full if app else None,
        "mmu_page_size": 1 << app.mmu_page_size if app and 0 < app.mmu_page_size < 32 else None,
        "behaviour": read_behaviour(image),
    }


def _header(image: Image) -> dict[str, object]:
    header, chip = image.header, image.header.chip
    return {
        "chip": chip.title if chip else None,
        "chip_id": header.chip_id,
        "min_revision": header.min_chip_rev_full,
        "max_revision": header.max_chip_rev_full,
        "flash_size": header.flash_size_text,
        "flash_mode": header.spi_mode_text,
        "flash_freq": header.flash_freq_text,
        "entry": f"0x{header.entry_addr:08x}",
        "segments": [
            {
                "offset": segment.offset,
                "length": len(segment.data),
                "load_addr": f"0x{segment.load_addr:08x}",
                "use": "padding" if segment.load_addr == 0 else "map" if _mapped(image, segment.load_addr) else "load",
            }
            for segment in image.segments
        ],
    }


def _mapped(image: Image, address: int) -> bool:
    chip = image.header.chip
    return chip is not None and chip.is_mapped(address)


def _seals(image: Image) -> dict[str, object]:
    problems = {problem.name: problem for problem in image.check()}
    return {
        "checksum": f"0x{image.checksum:02x}",
        "checksum_valid": "checksum" not in problems,
        "sha256": image.digest.hex() if image.digest is not None else None,
        "sha256_valid": None if image.digest is None else "sha256" not in problems,
        "problems": [str(problem) for problem in problems.values()],
        "image_length": image.length,
        "trailing_bytes": len(image.trailing),
        "signatures": _signatures(image),
    }


def _signatures(image: Image) -> list[dict[str, object]]:
    """The valid Secure Boot V2 blocks behind the image; whether each signs this very image."""
    import hashlib

    from bench.images.signature import SignatureBlock, signature_blocks, signature_offset

    at = signature_offset(image)
    if at is None:
        return []
    data = image.to_bytes()
    digest = hashlib.sha256(data[:at]).digest()
    return [
        {
            "scheme": "RSA-3072" if block.version == SignatureBlock.RSA else "ECDSA-P256",
            "key_digest": block.key_digest.hex(),
            "valid": block.verifies(digest),
        }
        for block in signature_blocks(data[at:])
        if block is not None
    ]


_TITLES = {
    "project_name": "Project",
    "version": "Version",
    "bootloader_version": "Bootloader version",
    "secure_version": "Secure version",
    "idf_ver": "ESP-IDF",
    "compile_time": "Compiled",
    "elf_sha256": "ELF SHA-256",
    "behaviour": "Behaviour",
    "mmu_page_size": "MMU page size",
    "chip": "Chip",
    "min_revision": "Chip revisions",
    "min_efuse_block_revision": "eFuse block revisions",
    "flash_size": "Flash",
    "entry": "Entry point",
    "checksum": "Checksum",
    "sha256": "SHA-256",
    "trailing_bytes": "Trailing bytes",
    "scheme": "Scheme",
    "content_size": "Content",
    "iv": "GCM IV",
    "tag": "GCM tag",
}


def _table(facts: dict[str, object]) -> str:
    kind = "pre-encrypted image (esp_encrypted_img)" if facts["kind"] == "encrypted" else _kind_text(facts["kind"])
    lines = [f"{_printable(facts['file'])}: {kind}, {facts['size']} bytes"]
    for key, title in _TITLES.items():
        if key not in facts:
            continue
        text = _row(key, facts)
        if text is not None:
            lines.append(f"  {title:<22}{_printable(text)}")
    segments = facts.get("segments")
    if isinstance(segments, list):
        lines.append(f"  {'Segments':<22}{len(segments)}")
        lines += [
            f"    {number:>2}  offset 0x{one['offset']:06x}  length 0x{one['length']:06x}  "
            f"load address {one['load_addr']}  {one['use']}"
            for number, one in enumerate(segments)
        ]
    signatures = facts.get("signatures")
    if isinstance(signatures, list):
        lines += [
            f"  {'Signature':<22}{one['scheme']}, key {one['key_digest']} ({_validity(one['valid'])})"
            for one in signatures
        ]
    problems = facts.get("problems")
    if isinstance(problems, list):
        lines += [f"  ! {problem}" for problem in problems]
    return "\n".join(lines)


def _kind_text(kind: object) -> str:
    return "image without a description of itself" if kind == "image" else f"{kind} image"


def _row(key: str, facts: dict[str, object]) -> str | None:
    """The text of one row, or None where this kind of file has no such row."""
    value = facts.get(key)
    if value is None and key not in ("chip", "sha256"):
        return None
    match key:
        case "chip":
            return f"{value or 'unknown'} (id {facts['chip_id']})"
        case "min_revision":
            return f"{_revision(value)} to {_revision(facts['max_revision'])}"
        case "min_efuse_block_revision":
            return f"{_revision(value)} to {_revision(facts['max_efuse_block_revision'])}"
        case "flash_size":
            return f"{value}, {facts['flash_mode']}, {facts['flash_freq']}"
        case "checksum":
            return f"{value} ({_validity(facts['checksum_valid'])})"
        case "sha256":
            return f"{value} ({_validity(facts['sha256_valid'])})" if value else "not appended"
        case "content_size":
            return f"{value} bytes ({'complete' if facts['content_complete'] else 'NOT what the file holds'})"
        case "behaviour":
            return f"{value or 'sound'}"
        case _:
            return f"{value}"


def _revision(full: object) -> str:
    from bench.images import revision_text

    return revision_text(full) if isinstance(full, int) else "?"


def _validity(valid: object) -> str:
    return "valid" if valid else "INVALID"


def _printable(text: object) -> str:
    # Whatever an image says of itself must not steer the terminal it is shown on.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
