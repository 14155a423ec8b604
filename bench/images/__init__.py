"""ESP-IDF images and pre-encrypted images as values: bytes in, bytes out, no I/O.

Image                what an application or bootloader image is made of; parse, build, derive, seal, check
ImageHeader …        its fixed structures, usable by themselves
derive               any field, any size, a merged flash file
rekey, bundle        certificate, certificate bundle, URL and key of a prebuilt image replaced
signature            Secure Boot V2 and V1 signatures
encrypted, ecies     the format of the esp_encrypted_img component, in both its schemes
damage               one bit wrong, in a place called by its name
behaviour            how virtual firmware is told to fail
defects              which of its promises virtual firmware breaks
random_payload …     bytes that are wrong on purpose
"""

from __future__ import annotations

from bench.images.behaviour import Behaviour, behaviour_field, read_behaviour
from bench.images.chips import CHIPS, Arch, Chip, chip_by_id, chip_by_name
from bench.images.defects import BootDefect, Defect, defect_field, read_defect
from bench.images.descriptions import AppDesc, BootloaderDesc
from bench.images.header import ImageHeader, SegmentHeader, revision_text
from bench.images.image import Image, Problem
from bench.images.payload import random_payload, truncated, with_flipped_byte
from bench.images.segment import Segment

__all__ = [
    "CHIPS",
    "AppDesc",
    "Arch",
    "Behaviour",
    "BootDefect",
    "BootloaderDesc",
    "Chip",
    "Defect",
    "Image",
    "ImageHeader",
    "Problem",
    "Segment",
    "SegmentHeader",
    "behaviour_field",
    "chip_by_id",
    "chip_by_name",
    "defect_field",
    "random_payload",
    "read_behaviour",
    "read_defect",
    "revision_text",
    "truncated",
    "with_flipped_byte",
]
