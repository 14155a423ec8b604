"""Writing a bundle: the same run, policy, verdict and key give the same bytes, whenever and wherever it is written."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.report.bundle.layout import FORMAT, MANIFEST, PUBLIC_KEY, SIGNATURE
from bench.report.bundle.signing import PrivateKey, public_pem, sign
from bench.report.gate.verdict import Verdict

__all__ = ["write_bundle"]

_NOT_EVIDENCE = ("pytest-embedded",)
"""Folders of a run that others write, and that hold nothing that the evidence has not."""
_PIECE = 1 << 20


def write_bundle(
    path: Path, run: Path, policy: Path, verdict: Verdict, *, key: PrivateKey | None, images: bool = True
) -> None:
    """Write a bundle, or replace it whole.

    Args:
        path: of the bundle
        run: the folder of the run
        policy: the file that was judged by
        verdict: what came of it
        key: signs the manifest
        images: with the bytes of images; without them their digests stay in the evidence

    Raises:
        BenchError: something cannot be read or written, or the run holds what is no file
    """
    part = path.with_name(f".{path.name}.new")
    try:
        made = {
            "policy.yaml": policy.read_bytes(),
            "verdict.json": _json(verdict.as_data()),
            "verdict.txt": ("\n".join(verdict.lines()) + "\n").encode(),
        }
        with zipfile.ZipFile(part, "w") as bundle:
            files: dict[str, dict[str, object]] = {}
            for name, data in made.items():
                files[name] = _add(bundle, name, data)
            for name, file in _of_run(run, images=images):
                files[name] = _add_file(bundle, name, file)
            manifest = _json({"format": FORMAT, "files": dict(sorted(files.items()))})
            _add(bundle, MANIFEST, manifest)
            if key is not None:
                _add(bundle, SIGNATURE, sign(key, manifest))
                _add(bundle, PUBLIC_KEY, public_pem(key))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BenchError(f"cannot write the bundle {path}: {error}") from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _of_run(run: Path, *, images: bool) -> Iterator[tuple[str, Path]]:
    """The files of the run with their names in the bundle, in the order of names."""
    for file in sorted(run.rglob("*")):
        parts = file.relative_to(run).parts
        if parts[0] in _NOT_EVIDENCE or (parts[0] == "images" and not images):
            continue
        if any(part.startswith(".") for part in parts) or file.suffix == ".zip":
            continue  # a file that is being written, or an older bundle
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise BenchError(f"{file} is no plain file, and so no evidence; remove it")
        if file.is_file():
            yield "/".join(("run", *parts)), file


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry that tells nothing of the time and the machine."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, so that the mode below means something
    entry.external_attr = 0o100644 << 16
    return entry


def _add(bundle: zipfile.ZipFile, name: str, data: bytes) -> dict[str, object]:
    bundle.writestr(_entry(name), data)
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _add_file(bundle: zipfile.ZipFile, name: str, file: Path) -> dict[str, object]:
    """A file that may be large; what is digested is what is written."""
    entry = _entry(name)
    entry.file_size = file.stat().st_size
    digest = hashlib.sha256()
    with file.open("rb") as source, bundle.open(entry, "w") as target:
        while piece := source.read(_PIECE):
            digest.update(piece)
            target.write(piece)
    return {"size": entry.file_size, "sha256": digest.hexdigest()}
