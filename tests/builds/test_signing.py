"""Builds that sign: their application is good to espsecure, says what it verifies, and shows no key."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.builds import Build, VirtualBuild
from bench.builds.signing import SCHEMES, Signing
from bench.errors import BuildError
from bench.images import Image
from bench.images.signature import signature_blocks, signature_offset, v1_public_key, verify_v1
from tests.builds.making import ca_pem, spec
from tests.builds.test_build_virtual_cli import run


@cache
def key_pem(scheme: str) -> bytes:
    key = rsa.generate_private_key(65537, 3072) if scheme == "rsa" else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def build(scheme: str, chip: str = "esp32") -> VirtualBuild:
    return spec(chip, signing=Signing(scheme, key_pem(scheme)))


@pytest.mark.parametrize("scheme", ["rsa", "ecdsa"])
def test_the_application_carries_its_signature(scheme: str) -> None:
    data = build(scheme).files()["advanced_https_ota.bin"]
    at = signature_offset(Image.parse(data))
    assert at is not None
    block = signature_blocks(data[at:])[0]
    assert block is not None
    assert block.verifies(hashlib.sha256(data[:at]).digest())


def test_version_1_embeds_the_key() -> None:
    image = Image.parse(build("ecdsa_v1").files()["advanced_https_ota.bin"])
    public = v1_public_key(key_pem("ecdsa_v1"))
    assert public in image.segments[0].data
    assert verify_v1(hashlib.sha256(image.to_bytes()[: image.length]).digest(), image.trailing, public)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_words_and_symbols_of_the_scheme_are_compiled_in(scheme: str) -> None:
    files = build(scheme).files()
    app, config = files["advanced_https_ota.bin"], files["sdkconfig"].decode()
    assert b"Verifying image signature..." in app
    assert (b"Verifying with RSA-PSS..." in app) == (scheme == "rsa")
    assert (b"Verifying with ECDSA..." in app) == (scheme == "ecdsa")
    assert "CONFIG_SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT=y" in config
    assert [symbol for symbol, _ in SCHEMES.values() if f"CONFIG_{symbol}=y" in config] == [SCHEMES[scheme][0]]


def test_the_same_key_gives_the_same_build_and_another_key_another() -> None:
    first, again = build("rsa"), build("rsa")
    assert first.files() == again.files()
    assert first.fingerprint != build("ecdsa").fingerprint
    assert "PRIVATE" not in repr(first)


def test_an_unsigned_build_says_nothing_of_signatures() -> None:
    app = spec("esp32").files()
    assert b"signature" not in app["advanced_https_ota.bin"]


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(BuildError, match="expected one of rsa"):
        Signing("sha1", key_pem("rsa"))
    with pytest.raises(BuildError, match="RSA of 3072 bits"):
        Signing("rsa", key_pem("ecdsa"))
    with pytest.raises(BuildError, match="ECDSA P-256"):
        Signing("ecdsa", key_pem("rsa"))
    with pytest.raises(BuildError, match="no readable key"):
        Signing("rsa", b"nothing")
    with pytest.raises(BuildError, match="no version 1"):
        build("ecdsa_v1", "esp32c3")


def test_the_command_writes_a_signed_build(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ca_pem())
    (tmp_path / "key.pem").write_bytes(key_pem("ecdsa"))
    words = ["--chip", "esp32c3", "--app", "simple_ota", "--version", "1", "--ca", tmp_path / "ca.pem"]
    words += ["--out", tmp_path / "build", "--signing", "ecdsa"]
    assert run(*words, "--signing-key", tmp_path / "key.pem") == 0
    build = Build.load(tmp_path / "build")
    assert signature_offset(build.image) is not None
    assert build.enabled("SECURE_SIGNED_APPS_ECDSA_V2_SCHEME")
    with pytest.raises(BuildError, match="no use without the other"):
        run(*words)


def test_an_ecies_build_needs_no_key_and_no_esp32(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ca_pem())
    words = ["--app", "pre_encrypted_ota", "--version", "1", "--ca", tmp_path / "ca.pem", "--encryption", "ecies"]
    assert run("--chip", "esp32s3", "--out", tmp_path / "build", *words) == 0
    build = Build.load(tmp_path / "build")
    assert build.enabled("PRE_ENCRYPTED_OTA_USE_ECIES")
    assert b"GCM key derived successfully" in build.image.segments[0].data
    assert b"Reading RSA private key" not in build.image.segments[0].data
    with pytest.raises(BuildError, match="no HMAC peripheral"):
        run("--chip", "esp32", "--out", tmp_path / "other", *words)
    with pytest.raises(BuildError, match="expected one of rsa"):
        spec("esp32s3", app="pre_encrypted_ota", encryption="rot13")
