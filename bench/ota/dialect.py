"""How an application says what it does: the lines a scenario waits for, and what it cannot be asked.

Facts: examples/system/ota/*/main/*.c of ESP-IDF v4.4 to v6.0; docs/serial-update.md for serial_ota. Firmware of a
user's own is described by a file, see `bench.ota.dialect_file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

from bench.builds.catalogue import vocabulary
from bench.console.speech import STOCK, Speech
from bench.errors import BenchError, Inexpressible
from bench.ota.dialect_fields import EVENTS
from bench.ota.told import Told
from bench.timeline import Matcher, Step, any_of, forbid, maybe, said
from bench.timeline.events import EventStep
from bench.timeline.matchers import AnyOf, Said
from bench.timeline.sequences import Forbid, Maybe

__all__ = ["DIALECTS", "Dialect", "Place", "dialect_of", "stock_lines"]

_ALL = frozenset(f"ESP_HTTPS_OTA_{name}" for name in EVENTS)
_SWITCH = "ESP_HTTPS_OTA_UPDATE_BOOT_PARTITION"
_CONVERSION = re.compile(r"%[-+ #0]*[0-9]*(?:hh|h|ll|l|z)?[A-Za-z]")
_TELLING = 8
"""Characters that a stock line must have before its first conversion, to be known again by them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a firmware has its URL from: ``stdin``, ``compiled_in`` or ``nvs``, and where exactly."""

    source: str = "stdin"
    embedded: str = ""
    partition: str = "nvs"
    namespace: str = ""
    key: str = ""

    @property
    def at_boot(self) -> bool:
        """Does it try its URL at every start, without being asked?"""
        return self.source != "stdin"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One application's way of talking.

    Attributes:
        tag: of its own log lines
        prompt: after this line it takes its URL from the console, or tries the one it has
        given_up: an attempt ends without an update
        success: it believes that it was updated
        confirmed: it has confirmed itself; None where it does not say so
        events: names of the events it tells of
        payloads: of those whose payload it tells too
        name: the file it was read from, empty for a stock application
        project_name, like, can: for a user's own: whose it is, which stock application's promises it is held to, and
            what it can do beside a plain update
        place: where it has its URL from
        speech: what its lines mean to the console
        instead: its own lines by those of the stock application that it is like
    """

    tag: str
    prompt: Matcher
    given_up: Matcher
    success: Matcher
    confirmed: Matcher | None
    events: frozenset[str] = frozenset()
    payloads: frozenset[str] = frozenset()
    name: str = ""
    project_name: str = ""
    like: str = ""
    can: frozenset[str] = frozenset()
    place: Place = field(default_factory=Place)
    speech: Speech = STOCK
    instead: Mapping[str, Matcher] = field(default_factory=dict)

    @property
    def confirmed_text(self) -> str:
        """The beginning of the line with which it confirms itself; empty where it has none."""
        match self.confirmed:
            case Said(text=str(text)):
                return text
            case Told(patterns=(first, *_)):
                return str(first).split("{", 1)[0]
        return ""

    def tells(self, event: EventStep) -> bool:
        """Does it tell of that event, with what is asked of its payload?"""
        return event.event in self.events and (event.payload is None or event.event in self.payloads)

    def put(self, step: Step) -> Step:
        """A step of a scenario in the words of this application.

        Raises:
            Inexpressible: it has none for it
        """
        if isinstance(step, Maybe):
            return maybe(self.put_matcher(step.step)) if self._has(step.step) else step
        if isinstance(step, Forbid):
            return forbid(*self.put_absent(*step.matchers))
        return self.put_matcher(step)

    def put_absent(self, *matchers: Matcher) -> tuple[Matcher, ...]:
        """The same for what must not come: an application that tells of no switch must not believe in one either."""
        put = []
        for matcher in matchers:
            if isinstance(matcher, EventStep) and matcher.event == _SWITCH and not self.tells(matcher):
                put.append(self.success)
            else:
                put.append(self.put_matcher(matcher))
        return tuple(put)

    def put_matcher(self, matcher: Matcher) -> Matcher:
        """The same for a matcher."""
        if isinstance(matcher, AnyOf):
            return any_of(*(self.put_matcher(choice) for choice in matcher.choices))
        if isinstance(matcher, EventStep) and not self.tells(matcher):
            told = "tells no payload of" if matcher.event in self.events else "does not tell of"
            raise Inexpressible(f"needs to hear of {matcher}: {self._who} {told} {matcher.event}")
        if isinstance(matcher, Said) and (self.name or self.instead):
            return self._put_said(matcher)
        return matcher

    def reason(self, text: str) -> Matcher:
        """The line with this text in it, or what a user's own application says instead."""
        return self.put_matcher(said(text=text))

    def _has(self, matcher: Matcher) -> bool:
        return not isinstance(matcher, EventStep) or self.tells(matcher)

    def _put_said(self, matcher: Said) -> Matcher:
        """What ESP-IDF's components say stays; what the stock example itself says has another wording here."""
        text = matcher.text
        if text:
            for line, own in self.instead.items():
                if line.startswith(text) or text.startswith(line):
                    return own
        if not self.name:
            return matcher
        stock = DIALECTS[self.like].tag
        if matcher.tag == stock or (text and matcher.tag is None and _is_of(text, self.like)):
            line = repr(text) if text else str(matcher)
            raise Inexpressible(
                f"needs the line {line} of {self.like}: {self.name} does not say under `instead:` "
                "what the firmware says there"
            )
        return matcher

    @property
    def _who(self) -> str:
        return self.name or "this release of the application"


@cache  # the catalogue is part of the package and never changes
def stock_lines(app: str) -> tuple[str, ...]:
    """The lines of a stock application itself, up to their first conversion, in every release."""
    begun = (_CONVERSION.split(one.text, maxsplit=1)[0].rstrip() for one in vocabulary("app", app).strings)
    return tuple(dict.fromkeys(line for line in begun if line))


def _is_of(text: str, app: str) -> bool:
    return any(text in line or (len(line) >= _TELLING and text.startswith(line)) for line in stock_lines(app))


_NATIVE = "native_ota_example"
_SIMPLE = "simple_ota_example"
_SERIAL = "serial_ota"
_CONFIRMED = "App is valid, rollback cancelled successfully"


def _stock(tag: str, prompt: str, *, events: frozenset[str] = frozenset()) -> Dialect:
    return Dialect(
        tag=tag,
        prompt=said(tag=tag, text=prompt),
        given_up=any_of(
            said(tag=tag, text="ESP_HTTPS_OTA upgrade failed"), said(tag=tag, text="ESP HTTPS OTA Begin failed")
        ),
        success=said(text="ESP_HTTPS_OTA upgrade successful. Rebooting ..."),
        confirmed=said(tag=tag, text=_CONFIRMED),
        events=events,
        payloads=events,
    )


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "advanced_https_ota": _stock("advanced_https_ota_example", "Starting Advanced OTA example", events=_ALL),
        "pre_encrypted_ota": _stock("pre_encrypted_ota_example", "Starting Pre Encrypted OTA example"),
        "native_ota": Dialect(
            tag=_NATIVE,
            prompt=said(tag=_NATIVE, text="Running partition type"),
            given_up=any_of(
                said(tag=_NATIVE, text="Exiting task due to fatal error..."),
                said(tag=_NATIVE, text="When a new firmware is available on the server, press the reset button"),
            ),
            success=said(text="Prepare to restart system!"),
            confirmed=said(tag=_NATIVE, text="Diagnostics completed successfully! Continuing execution ..."),
        ),
        "simple_ota": Dialect(
            tag=_SIMPLE,
            prompt=said(tag=_SIMPLE, text="Starting OTA example"),
            given_up=said(tag=_SIMPLE, text="Firmware upgrade failed"),
            success=said(text="OTA Succeed, Rebooting..."),
            confirmed=None,
        ),
        "serial_ota": Dialect(
            tag=_SERIAL,
            prompt=said(tag=_SERIAL, text="Waiting for an update over the console"),
            given_up=said(tag=_SERIAL, text="Update refused"),
            success=said(text="Update complete, restarting"),
            confirmed=said(tag=_SERIAL, text=_CONFIRMED),
        ),
    }
)


_IN_V4: Mapping[str, Matcher] = MappingProxyType(
    {
        # _http_connect of components/esp_https_ota/src/esp_https_ota.c has one line for all of these
        line: said(tag="esp_https_ota", text="Failed to establish HTTP connection")
        for line in (
            "Reached max_authorization_retries (401)",
            "Connection timed out before data was ready!",
        )
    }
)
"""What v4.4 says where later releases say more."""


def dialect_of(app: str, idf_ver: str = "") -> Dialect:
    """The dialect of a stock application as a release of ESP-IDF has it.

    Raises:
        BenchError: the bench does not know that application
    """
    if app not in DIALECTS:
        raise BenchError(
            f"the bench does not know how {app!r} tells what it does; known are {', '.join(DIALECTS)}. Describe it in "
            "a file (docs/dialects.md) and give that with --dialect FILE"
        )
    dialect = DIALECTS[app]
    if idf_ver.startswith("v4."):  # esp_https_ota posts no events yet, and simple_ota just restarts
        success = said(text="2nd stage bootloader") if app == "simple_ota" else dialect.success
        dialect = replace(dialect, events=frozenset(), payloads=frozenset(), success=success, instead=_IN_V4)
    return dialect
