"""Checking a bundle that somebody sent: is every file what the manifest says, is none missing or extra, who signed it?

The file is taken for hostile. Nothing is unpacked to disk; names, sizes and kinds are checked in the zip's directory
before a byte is inflated, and no more is inflated than the manifest says there is.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.report.bundle.layout import FORMAT, MANIFEST, MOST_BYTES, MOST_FILES, PUBLIC_KEY, SIGNATURE, name_problem
from bench.report.bundle.signing import PublicKey, fingerprint, is_signed, parse_public_key

__all__ = ["BundleRefused", "Checked", "verify_bundle"]

_MOST_MANIFEST = 64 << 20
_LONGEST_VERDICT = 4096
_MOST_SIGNATURE = 16 << 10
_PIECE = 1 << 20
_SHOWN = 20
"""Problems that are told; the rest is counted."""


class BundleRefused(BenchError):
    """The bundle is not what it claims to be; `problems` has a line for each reason."""

    def __init__(self, *problems: str) -> None:
        rest = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        self.problems = (*problems[:_SHOWN], *rest)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Checked:
    """A bundle that is whole.

    Attributes:
        files, size: how many, and bytes of all of them unpacked
        signer: SHA-256 of the public key that signed it; empty where none did
        trusted: was it signed by the key that was asked for?
        verdict: the first line of the verdict in it
    """

    files: int
    size: int
    signer: str
    trusted: bool
    verdict: str

    def lines(self) -> list[str]:
        """What to say."""
        if not self.signer:
            signed = "not signed: it may have been made by anybody"
        elif self.trusted:
            signed = f"signed by the key that was given, SHA-256 {self.signer}"
        else:
            signed = f"signed by a key of SHA-256 {self.signer}; whose that is, only --public-key can tell"
        return [f"whole: {self.files} files, {self.size} bytes, each as the manifest says", signed, self.verdict]

    def as_data(self) -> dict[str, object]:
        """The same as JSON has it."""
        return {
            "files": self.files,
            "size": self.size,
            "signed_by": self.signer or None,
            "trusted": self.trusted,
            "verdict": self.verdict,
        }


def verify_bundle(path: Path, key: PublicKey | None = None) -> Checked:
    """Check a bundle.

    Args:
        path: of the bundle
        key: must have signed it

    Raises:
        BundleRefused: it is no bundle, it is not whole, or it is not signed by that key
        BenchError: it cannot be read
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            return _verify(bundle, path.stat().st_size, key)
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, RuntimeError, UnicodeError) as error:
        raise BundleRefused(f"it is no zip file, or a damaged one: {error}") from None


def _verify(bundle: zipfile.ZipFile, size: int, key: PublicKey | None) -> Checked:
    entries = bundle.infolist()
    problems = list(_hostile(entries, size))
    if bundle.comment:
        problems.append("the zip file has a comment, which a bundle has not")
    if problems:
        raise BundleRefused(*problems)
    there = {entry.filename: entry for entry in entries}
    if MANIFEST not in there:
        raise BundleRefused(f"it has no {MANIFEST}: it is no bundle of evidence")
    manifest = _small(bundle, there[MANIFEST], _MOST_MANIFEST)
    signer, trusted = _signature(bundle, there, manifest, key)
    files = _files(manifest)
    problems = list(_differing(bundle, there, files))
    if problems:
        raise BundleRefused(*problems)
    verdict = _beginning(bundle, there["verdict.txt"]).split("\n")[0] if "verdict.txt" in files else ""
    total = sum(size for size, _ in files.values())
    return Checked(len(files), total, signer, trusted, "".join(filter(str.isprintable, verdict)))


def _hostile(entries: list[zipfile.ZipInfo], size: int) -> Iterator[str]:
    """What a bundle never has, as far as the zip's directory tells."""
    if len(entries) > MOST_FILES:
        yield f"it has {len(entries)} files, and a bundle at most {MOST_FILES}"
        return
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        yield f"unpacked it would be larger than {MOST_BYTES >> 30} GiB"
    if sum(entry.compress_size for entry in entries) > size:
        yield "its files are larger than itself: they lie over one another"
    for name, number in Counter(entry.filename for entry in entries).items():
        if number > 1:
            yield f"{name!r} is in it {number} times"
    for entry in entries:
        mode = entry.external_attr >> 16
        if problem := name_problem(entry.orig_filename):
            yield f"{entry.orig_filename!r} {problem}"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            yield f"{entry.filename!r} is no plain file, but a link or a device"
        elif entry.flag_bits & 0x1:
            yield f"{entry.filename!r} is encrypted"
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield f"{entry.filename!r} is packed by another method than deflate"


def _beginning(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """As much of a text as somebody reads; the whole may be of any size."""
    with bundle.open(entry) as file:
        return file.read(_LONGEST_VERDICT).decode("utf-8", "replace")


def _small(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    with bundle.open(entry) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BundleRefused(f"{entry.filename} is larger than {most} bytes")
    return data


def _signature(
    bundle: zipfile.ZipFile, there: Mapping[str, zipfile.ZipInfo], manifest: bytes, key: PublicKey | None
) -> tuple[str, bool]:
    """Who signed the manifest (a fingerprint, or nothing), and is it who was asked for?"""
    if SIGNATURE not in there:
        if key is not None:
            raise BundleRefused("it is not signed, and --public-key says by whom it must be")
        if PUBLIC_KEY in there:
            raise BundleRefused(f"it has {PUBLIC_KEY} and no {SIGNATURE}: the signature was taken out")
        return "", False
    signature = _small(bundle, there[SIGNATURE], _MOST_SIGNATURE)
    if key is not None:
        if not is_signed(key, signature, manifest):
            raise BundleRefused("the manifest is not signed by that key: it was changed, or somebody else signed it")
        return fingerprint(key), True
    if PUBLIC_KEY not in there:
        raise BundleRefused(f"it is signed and has no {PUBLIC_KEY}; give the key by --public-key")
    try:
        own = parse_public_key(_small(bundle, there[PUBLIC_KEY], _MOST_SIGNATURE))
    except ValueError as error:
        raise BundleRefused(f"{PUBLIC_KEY}: {error}") from None
    if not is_signed(own, signature, manifest):
        raise BundleRefused("the manifest is not what was signed: it was changed")
    return fingerprint(own), False


def _files(manifest: bytes) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file, by the manifest."""
    try:
        told = json.loads(manifest)
        if told["format"] != FORMAT:
            raise BundleRefused(f"{MANIFEST}: its format is {str(told['format'])[:60]!r}, and known is {FORMAT!r}")
        files = {name: (file["size"], file["sha256"]) for name, file in told["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleRefused(f"{MANIFEST} cannot be read: {error!r}") from None
    for name, (size, digest) in files.items():
        sound = type(size) is int and 0 <= size <= MOST_BYTES and isinstance(digest, str)
        if not sound or re.fullmatch(r"[0-9a-f]{64}", digest) is None or name in (MANIFEST, SIGNATURE, PUBLIC_KEY):
            raise BundleRefused(f"{MANIFEST}: what it says of {name[:200]!r} makes no sense")
    return files


def _differing(
    bundle: zipfile.ZipFile, there: Mapping[str, zipfile.ZipInfo], files: Mapping[str, tuple[int, str]]
) -> Iterator[str]:
    for name in sorted(files.keys() - there.keys()):
        yield f"{name!r} is missing"
    for name in sorted(there.keys() - files.keys() - {MANIFEST, SIGNATURE, PUBLIC_KEY}):
        yield f"{name!r} is extra: the manifest does not know it"
    for name in sorted(files.keys() & there.keys()):
        size, digest = files[name]
        if there[name].file_size != size:
            yield f"{name!r} has {there[name].file_size} bytes, and the manifest says {size}"
        else:
            yield from _content(bundle, there[name], size, digest)


def _content(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, size: int, digest: str) -> Iterator[str]:
    found, left = hashlib.sha256(), size + 1
    try:
        with bundle.open(entry) as file:
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                found.update(piece)
                left -= len(piece)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        yield f"{entry.filename!r} is damaged: {error}"
        return
    if left != 1 or found.hexdigest() != digest:
        yield f"{entry.filename!r} is not what the manifest says: another SHA-256"
