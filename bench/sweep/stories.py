"""The lives that are swept: what is built, what is released, and which versions may run when all is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.builds import VirtualBuild
from bench.errors import BenchError
from bench.images import Image

__all__ = ["LATER", "NEW", "OLD", "STORIES", "Story", "story_named"]

OLD, NEW, LATER = "sweep-1", "sweep-2", "sweep-3"
"""The versions that run before the life that is swept, that are released in it, and after the cut."""


@dataclass(frozen=True)
class Story:
    """One life of a board.

    Attributes:
        build: fields of the `VirtualBuild` that it is told on
        release: the image that is released, from the one that is flashed
        later: the image that is released after the cut, from the one that is flashed
        ends_with: the versions that may run after a cut; each must do so after some cut
        resumes: where the old version runs, the same release is offered again first, and must be
            installed; from where the download was, if the board had kept that place
    """

    name: str
    about: str
    build: Mapping[str, object]
    release: Callable[[Image], Image]
    later: Callable[[Image], Image] = field(default=lambda image: image.with_version(LATER))
    ends_with: frozenset[str] = frozenset({OLD, NEW})
    resumes: bool = False

    def spec(self, chip: str, ca_pem: bytes) -> VirtualBuild:
        """The virtual build that it is told on."""
        return VirtualBuild(chip=chip, version="flashed", ca_pem=ca_pem, **{"app": "advanced_https_ota", **self.build})  # type: ignore[arg-type]  # the fields of a spec by name


def _newer(image: Image) -> Image:
    return image.with_version(NEW)


STORIES: Mapping[str, Story] = MappingProxyType(
    {
        story.name: story
        for story in (
            Story("update", "update, first boot, confirmation", {"rollback": True}, _newer),
            Story(
                "rollback",
                "update to an image that dies at its first boot, and back",
                {"rollback": True},
                lambda image: _newer(image).crashing_at_boot(),
                ends_with=frozenset({OLD}),
            ),
            Story(
                "anti_rollback",
                "update to a higher secure version, burnt into emulated eFuses when it is confirmed",
                {"rollback": True, "anti_rollback": True, "layout": "anti_rollback"},
                lambda image: _newer(image).with_secure_version(1),
                later=lambda image: image.with_version(LATER).with_secure_version(1),
            ),
            Story(
                "anti_rollback_efuse",
                "the same with the chip's own eFuses",
                {"rollback": True, "anti_rollback": True, "layout": "anti_rollback", "efuse_virtual": False},
                lambda image: _newer(image).with_secure_version(1),
                later=lambda image: image.with_version(LATER).with_secure_version(1),
            ),
            Story(
                "resumption",
                "a download that keeps its place in NVS, and goes on from there after the cut",
                {"rollback": True, "ota_resumption": True, "idf_ver": "v5.5"},
                _newer,
                resumes=True,
            ),
            Story("plain", "update without rollback: the first boot decides nothing", {}, _newer),
        )
    }
)
"""By name, as the command line calls them."""


def story_named(name: str) -> Story:
    """A story. Raises `BenchError` with the known names."""
    if name not in STORIES:
        raise BenchError(f"no story {name!r}; known are {', '.join(STORIES)}")
    return STORIES[name]
