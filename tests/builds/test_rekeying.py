"""Builds made for another bench: changed in a private copy where it can be, and refused with the mend where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.builds import Build, write_build
from bench.builds.rekeying import BenchKeys, rekeyed, signed_by_anybody
from bench.builds.sdkconfig import as_json
from bench.builds.signing import Signing
from bench.errors import BuildError
from bench.images.bundle import find_bundle, with_bundle
from bench.images.rekey import embedded
from bench.images.signature import signature_blocks, signature_offset
from tests.builds.making import ca_pem, private_key_pem, spec


def other_key_pem(form: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 3072)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture(scope="module")
def bench_ca() -> bytes:
    return trustme.CA().cert_pem.bytes()


@pytest.fixture(scope="module")
def signing_key() -> bytes:
    return other_key_pem()


@pytest.fixture
def keys(bench_ca: bytes, signing_key: bytes) -> BenchKeys:
    def no_curve(scheme: str) -> bytes:
        assert scheme == "rsa"
        return signing_key

    return BenchKeys(bench_ca, lambda: signing_key, no_curve)


def given(folder: Path, **options: Any) -> Build:
    write_build(spec(**options), folder / "given")
    return Build.load(folder / "given")


def with_symbols(build: Build, **symbols: bool) -> Build:
    """The same with other symbols in its sdkconfig."""
    (build.path / "config" / "sdkconfig.json").write_text(as_json({**build.sdkconfig, **symbols}), "utf-8")
    return Build.load(build.path)


def contents(build: Build) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(build.path.rglob("*")) if one.is_file()}


def test_another_s_ca_is_replaced_in_a_copy(keys: BenchKeys, bench_ca: bytes, tmp_path: Path) -> None:
    build = given(tmp_path, ca_pem=ca_pem() + b"\n" * 200)
    before = contents(build)
    done = rekeyed(build, keys, tmp_path / "copy")
    assert done.replaced == ("the CA certificate",)
    assert done.build.path == tmp_path / "copy"
    assert embedded(done.build.image, "certificate")[0].text.rstrip(b"\n") == bench_ca.rstrip(b"\n")
    assert done.build.image.check() == ()
    assert contents(build) == before, "the directory that was given was changed"
    assert done.build.bootloader == build.bootloader
    assert done.build.sdkconfig == build.sdkconfig
    assert [one.offset for one in done.build.flash_files] == [one.offset for one in build.flash_files]


def test_an_application_outside_its_build_is_changed_in_the_copy_alone(
    keys: BenchKeys, bench_ca: bytes, tmp_path: Path
) -> None:
    folder = given(tmp_path / "work", ca_pem=ca_pem() + b"\n" * 200).path
    (folder / "advanced_https_ota.bin").rename(folder.parent / "app.bin")
    for name in ("flasher_args.json", "flash_args"):
        text = (folder / name).read_text("utf-8")
        assert "advanced_https_ota.bin" in text
        (folder / name).write_text(text.replace("advanced_https_ota.bin", "../app.bin"), "utf-8")
    build, app = Build.load(folder), (folder.parent / "app.bin").read_bytes()
    before = contents(build)
    done = rekeyed(build, keys, folder.parent / "copy")
    assert embedded(done.build.image, "certificate")[0].text.rstrip(b"\n") == bench_ca.rstrip(b"\n")
    assert done.build.app_path.parent == folder.parent / "copy" / "outside"
    assert (contents(build), (folder.parent / "app.bin").read_bytes()) == (before, app)


@pytest.mark.parametrize("form", ["as it is", "with windows' line ends", "among others"])
def test_a_build_of_this_bench_is_taken_as_it_is(form: str, keys: BenchKeys, bench_ca: bytes, tmp_path: Path) -> None:
    text = {
        "as it is": bench_ca,
        "with windows' line ends": bench_ca.replace(b"\n", b"\r\n"),
        "among others": ca_pem() + bench_ca,
    }[form]
    build = given(tmp_path, ca_pem=text)
    done = rekeyed(build, keys, tmp_path / "copy")
    assert done.replaced == ()
    assert done.build is build
    assert not (tmp_path / "copy").exists()


def test_a_bundle_is_replaced_where_it_is_what_counts(keys: BenchKeys, bench_ca: bytes, tmp_path: Path) -> None:
    build = given(tmp_path, app="simple_ota")
    done = rekeyed(build, keys, tmp_path / "copy")
    assert done.replaced == ("the certificate bundle",)
    subject = x509.load_pem_x509_certificate(bench_ca).subject.public_bytes()
    found = find_bundle(done.build.image)
    assert found is not None
    assert subject in done.build.image.segments[found.segment].data
    assert with_bundle(done.build.image, bench_ca).to_bytes() == done.build.image.to_bytes()
    assert rekeyed(done.build, keys, tmp_path / "again").replaced == ()


def test_a_ca_that_does_not_fit_is_explained(tmp_path: Path) -> None:
    long_ca = trustme.CA(organization_name="The very long name of a bench" * 2).cert_pem.bytes()
    build = given(tmp_path)
    with pytest.raises(BuildError, match=r"trusts another CA.*does not fit.*bench build") as refused:
        rekeyed(build, BenchKeys(long_ca, bytes, lambda _: b""), tmp_path / "copy")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "copy").exists()


def test_of_several_certificates_the_bench_does_not_guess(keys: BenchKeys, tmp_path: Path) -> None:
    build = given(tmp_path)
    doubled = build.image.with_patch(0, 0x2000, ca_pem() + b"\0")
    build.app_path.write_bytes(doubled.to_bytes())
    build = Build.load(build.path)
    assert len(embedded(build.image, "certificate")) == 2
    with pytest.raises(BuildError, match="2 embedded certificates"):
        rekeyed(build, keys, tmp_path / "copy")


def test_firmware_without_a_network_is_taken_as_it_is(keys: BenchKeys, tmp_path: Path) -> None:
    assert rekeyed(given(tmp_path, app="serial_ota"), keys, tmp_path / "copy").replaced == ()


def test_the_key_of_a_pre_encrypted_build_is_replaced(
    keys: BenchKeys, bench_ca: bytes, signing_key: bytes, tmp_path: Path
) -> None:
    build = given(tmp_path, app="pre_encrypted_ota", ca_pem=bench_ca)
    done = rekeyed(build, keys, tmp_path / "copy")
    assert done.replaced == ("the private key",)
    (found,) = embedded(done.build.image, "private key")
    assert _numbers(found.text) == _numbers(signing_key)
    assert rekeyed(done.build, keys, tmp_path / "again").replaced == ()


def _numbers(pem: bytes) -> object:
    key = serialization.load_pem_private_key(pem, None)
    assert not isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers()  # type: ignore[union-attr]  # an RSA key


def test_a_private_key_in_another_application_is_left_alone(keys: BenchKeys, bench_ca: bytes, tmp_path: Path) -> None:
    build = given(tmp_path, ca_pem=bench_ca)
    build.app_path.write_bytes(build.image.with_patch(0, 0x2000, private_key_pem() + b"\0").to_bytes())
    build = Build.load(build.path)
    assert len(embedded(build.image, "private key")) == 1
    assert rekeyed(build, keys, tmp_path / "copy").replaced == ()


def signed(folder: Path, **options: Any) -> Build:
    return given(folder, app="simple_ota", chip="esp32", signing=Signing("rsa", private_key_pem()), **options)


def test_a_signed_build_is_signed_by_the_bench(keys: BenchKeys, signing_key: bytes, tmp_path: Path) -> None:
    build = signed(tmp_path)
    assert signed_by_anybody(build) == "rsa"
    done = rekeyed(build, keys, tmp_path / "copy")
    assert done.replaced == ("the certificate bundle", "the signature (rsa)")
    data = done.build.app_path.read_bytes()
    at = signature_offset(done.build.image)
    assert at is not None
    block = signature_blocks(data[at:])[0]
    assert block is not None
    import hashlib

    assert block.verifies(hashlib.sha256(data[:at]).digest())
    public = serialization.load_pem_private_key(signing_key, None).public_key()
    assert block.key[:384] == public.public_numbers().n.to_bytes(384, "little")  # type: ignore[union-attr]  # RSA


@pytest.mark.parametrize("symbol", ["SECURE_SIGNED_ON_BOOT_NO_SECURE_BOOT", "SECURE_BOOT"])
def test_a_build_whose_bootloader_verifies_is_not_changed(symbol: str, keys: BenchKeys, tmp_path: Path) -> None:
    build = with_symbols(signed(tmp_path), **{symbol: True})
    assert signed_by_anybody(build) is None
    with pytest.raises(
        BuildError, match=r"the certificate bundle.*signed with a key that the bench has not.*bench build"
    ):
        rekeyed(build, keys, tmp_path / "copy")


def test_version_1_embeds_its_key_and_is_only_taken_as_it_is(keys: BenchKeys, bench_ca: bytes, tmp_path: Path) -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(*form)
    options: dict[str, Any] = {"chip": "esp32", "signing": Signing("ecdsa_v1", curve)}
    ours, other = tmp_path / "ours", tmp_path / "other"
    assert rekeyed(given(ours, ca_pem=bench_ca, **options), keys, ours / "copy").replaced == ()
    with pytest.raises(BuildError, match="signed with a key"):
        rekeyed(given(other, **options), keys, other / "copy")
