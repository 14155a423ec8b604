"""Builds that somebody made for another bench: what they trust and decrypt with, replaced by what this bench has.

The given directory is only read; the changed build is a private copy. What an image embeds is replaced where it fits
(`bench.images.rekey`). A signed image is signed again, where the bench's signature is as good as the first: without
secure boot nobody looks at it before the application runs, and the application trusts the key that it was signed with
itself (`esp_secure_boot_get_signature_blocks_for_running_app` of components/bootloader_support).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.builds.build import Build
from bench.builds.copies import copy_build
from bench.errors import BuildError, FormatError
from bench.images import Image
from bench.images.bundle import find_bundle, with_bundle
from bench.images.rekey import embedded, with_certificate, with_private_key
from bench.images.signature import sign

__all__ = ["BenchKeys", "Rekeyed", "rekeyed", "signed_by_anybody"]

_BUNDLE = "EXAMPLE_USE_CERT_BUNDLE"
_SCHEMES = {"SECURE_SIGNED_APPS_RSA_SCHEME": "rsa", "SECURE_SIGNED_APPS_ECDSA_V2_SCHEME": "ecdsa"}
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class BenchKeys:
    """What the bench has: its CA, and its keys, which are made when they are asked for.

    Args:
        ca_pem: the CA that its servers' certificates lead to
        decrypting: the private key that pre-encrypted images are made for
        signing: the private key for a scheme, rsa or ecdsa
    """

    ca_pem: bytes = field(repr=False)
    decrypting: Callable[[], bytes] = field(repr=False)
    signing: Callable[[str], bytes] = field(repr=False)


@dataclass(frozen=True)
class Rekeyed:
    """A build for this bench, and what was replaced for that; nothing, where it was made for it."""

    build: Build
    replaced: tuple[str, ...]


def rekeyed(build: Build, keys: BenchKeys, out: Path) -> Rekeyed:
    """The build as this bench can use it: itself, or a copy in `out`, a directory that is not there yet.

    Raises:
        BuildError: it was made for another bench and cannot be changed; with the mend
    """
    image, replaced = build.image, []
    for step in (_trusting, _decrypting):
        image, what = step(build, image, keys)
        replaced += what
    scheme = signed_by_anybody(build)
    if scheme is not None:
        image = sign(image, keys.signing(scheme))
        replaced.append(f"the signature ({scheme})")
    elif replaced and build.enabled("SECURE_SIGNED_APPS"):
        raise BuildError(
            f"{build.path}: was made for another bench ({' and '.join(replaced)}), and is signed with a key that the "
            "bench has not, so it cannot be changed: build it again with this bench's CA (bench build)"
        )
    if not replaced:
        return Rekeyed(build, ())
    copy_build(build, out).write_bytes(image.to_bytes())
    return Rekeyed(Build.load(out), tuple(replaced))


def signed_by_anybody(build: Build) -> str | None:
    """The scheme of a build that the bench can sign in place of its maker: rsa or ecdsa; None where it cannot."""
    config = build.sdkconfig
    checked_at_boot = config.get("SECURE_BOOT") or config.get("SECURE_SIGNED_ON_BOOT_NO_SECURE_BOOT")
    if not config.get("SECURE_SIGNED_APPS_NO_SECURE_BOOT") or checked_at_boot:
        return None
    return next((scheme for symbol, scheme in _SCHEMES.items() if config.get(symbol)), None)


def _trusting(build: Build, image: Image, keys: BenchKeys) -> tuple[Image, list[str]]:
    """The image, trusting the bench's CA in each of the ways in which it may verify a server."""
    replaced, refused = [], []
    ways = list(_ways(build, image))
    for way, change in ways:
        try:
            image, changed = change(image, keys.ca_pem)
        except FormatError as error:
            refused.append(f"{way}: {error}")
        else:
            replaced += [way] * changed
    if len(refused) == len(ways) > 0:
        raise BuildError(
            f"{build.path}: trusts another CA than this bench's, and that cannot be replaced ({'; '.join(refused)}): "
            "build it with this bench's CA (bench build), or see `bench image rekey --help`"
        )
    return image, replaced


def _ways(build: Build, image: Image) -> Iterator[tuple[str, Callable[[Image, bytes], tuple[Image, bool]]]]:
    """How the application may verify a server: by what it embeds, but for what its sdkconfig says it does not use."""
    bundle, certificate = find_bundle(image) is not None, bool(embedded(image, "certificate"))
    uses_bundle = build.sdkconfig.get(_BUNDLE)
    if certificate and not (uses_bundle is True and bundle):
        yield "the CA certificate", _with_certificate
    if bundle and not (uses_bundle is False and certificate):
        yield "the certificate bundle", _with_bundle


def _with_certificate(image: Image, ca_pem: bytes) -> tuple[Image, bool]:
    ours = _certificates(ca_pem)
    if any(ours & _certificates(found.text) for found in embedded(image, "certificate")):
        return image, False
    return with_certificate(image, ca_pem), True


def _with_bundle(image: Image, ca_pem: bytes) -> tuple[Image, bool]:
    changed = with_bundle(image, ca_pem)
    return changed, changed.to_bytes() != image.to_bytes()


def _certificates(text: bytes) -> set[bytes]:
    """Every certificate in a text, in DER; those that cannot be read are not ours."""
    found = set()
    for block in _BLOCK.findall(text):
        try:
            found.add(x509.load_pem_x509_certificate(block).public_bytes(Encoding.DER))
        except ValueError:
            continue
    return found


def _decrypting(build: Build, image: Image, keys: BenchKeys) -> tuple[Image, list[str]]:
    """The image, decrypting with the bench's key where it decrypts with one that it embeds.

    A private key in any other application is a client's, and is left alone.
    """
    decrypts = build.project_name == "pre_encrypted_ota" or build.enabled("ESP_HTTPS_OTA_DECRYPT_CB")
    there = embedded(image, "private key") if decrypts else ()
    if not there or build.enabled("PRE_ENCRYPTED_OTA_USE_ECIES"):
        return image, []
    key = keys.decrypting()
    try:
        changed = with_private_key(image, key)
    except FormatError as error:
        raise BuildError(
            f"{build.path}: decrypts with a key that the bench has not, and that cannot be replaced ({error}): "
            "build it again (bench build --app pre_encrypted_ota), which leaves room for another"
        ) from None
    return (image, []) if changed.to_bytes() == image.to_bytes() else (changed, ["the private key"])
