"""What is where in a bundle, and what its manifest says.

manifest.json    format, and size and SHA-256 of every other file but the two below
manifest.sig     signature over the bytes of manifest.json, where a key was given
manifest.pem     the public key of that signature
policy.yaml      the release policy
verdict.json     the verdict, as `bench gate --json` prints it
verdict.txt      the same as text
run/…            the folder of the run: evidence, reports, images, sdkconfig, boards, versions of the tools
"""

from __future__ import annotations

__all__ = ["FORMAT", "MANIFEST", "MOST_BYTES", "MOST_FILES", "PUBLIC_KEY", "SIGNATURE", "name_problem"]

MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "manifest.pem"

FORMAT = "ota-bench evidence bundle 1"

MOST_FILES, MOST_BYTES = 200_000, 8 << 30
"""Of a bundle, unpacked; a larger one is taken for an attack."""


def name_problem(name: str) -> str:
    """What is wrong with the name of a file in a bundle; empty where it is fine."""
    if not name or len(name) > 1000 or not name.isprintable():
        return "is no name of a file"
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0]:
        return "is an absolute path, or one of another system"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "leads out of the bundle, or is a folder"
    return ""
