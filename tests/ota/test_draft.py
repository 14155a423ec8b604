"""A draft is a value: every derivation is a new one, and none is undone by a later one."""

from __future__ import annotations

import pytest

from bench.builds import VirtualBuild
from bench.errors import BenchError
from bench.images import Image
from bench.images.encrypted import decrypt
from bench.ota import Draft, Keys
from bench.server import Authority, Cut, NotFound


@pytest.fixture(scope="module")
def image() -> Image:
    spec = VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=Authority.throwaway().ca_pem)
    return Image.parse(spec.files()["advanced_https_ota.bin"])


def test_deriving_leaves_the_first_draft_as_it_was(image: Image) -> None:
    first = Draft(image)
    second = first.version("2").secure_version(3).chip_id(9)
    described = Image.parse(second.data).app_desc
    assert described is not None
    assert (described.version, described.secure_version, second.image.header.chip_id) == ("2", 3, 9)
    assert Image.parse(second.data).check() == ()
    assert first.data == image.to_bytes()


def test_a_crashing_image_is_valid_and_differs_at_its_entry_only(image: Image) -> None:
    crashing = Draft(image).crashing_at_boot().image
    assert crashing.check() == ()
    changed = [at for at, (a, b) in enumerate(zip(image.to_bytes(), crashing.to_bytes(), strict=True)) if a != b]
    segment = next(s for s in image.segments if s.load_addr <= image.header.entry_addr < s.load_addr + len(s.data))
    entry = segment.data_offset + image.header.entry_addr - segment.load_addr
    assert changed[0] == entry
    body = [at for at in changed if at < image.checksum_offset]
    assert len(body) <= 2


def test_damage_is_not_undone_by_a_later_derivation(image: Image) -> None:
    with pytest.raises(BenchError, match="derive the image first"):
        Draft(image).truncated(100).version("2")


def test_truncated_random_and_flipped_payloads(image: Image) -> None:
    draft = Draft(image)
    assert draft.truncated(180).data == image.to_bytes()[:180]
    assert draft.random(32).data == draft.random(32).data != draft.random(32, seed=2).data
    assert draft.random(32).data[0] == 0
    flipped = draft.with_flipped_byte(50).data
    assert [at for at, (a, b) in enumerate(zip(flipped, image.to_bytes(), strict=True)) if a != b] == [50]


def test_faults_add_up_in_order(image: Image) -> None:
    draft = Draft(image).served(Cut(after=5)).served(NotFound())
    assert draft.faults == (Cut(after=5), NotFound())


def test_an_encrypted_draft_opens_with_its_key_only(image: Image) -> None:
    keys = Keys()
    draft = Draft(image).version("2")
    sealed = draft.encrypted(keys.device_public)
    assert decrypt(sealed.data, keys.device_private) == draft.data
    for closed in (draft.encrypted(keys.foreign_public), sealed.with_flipped_tag()):
        with pytest.raises(BenchError):
            decrypt(closed.data, keys.device_private)


def test_no_private_key_in_a_repr() -> None:
    assert "PRIVATE" not in repr(Keys())
