"""The faults of the server by theme, and how the command line spells them: ``cut:after=20000``."""

from __future__ import annotations

import dataclasses
import typing

from bench.errors import ServerError
from bench.server.faults.access import Credentials, Token
from bench.server.faults.base import Certificate, Door, Fault, Phase, Tls, check_together, door_of
from bench.server.faults.certificate import (
    CrossSigned,
    Expired,
    Intermediate,
    MissingIntermediate,
    Namesake,
    NotYetValid,
    RsaCertificate,
    SelfSigned,
    WrongAddress,
    WrongCertificate,
    WrongName,
)
from bench.server.faults.content import Gzip, HtmlPage, ManyHeaders
from bench.server.faults.framing import Abrupt, Chunked, Closing, NoLength, WrongLength
from bench.server.faults.handshake import PlainHttp, SilentHandshake, TlsOnly
from bench.server.faults.parts import OffByOne, RangesIgnored, Replaced, WrongContentRange
from bench.server.faults.redirects import Detour, NoLocation, Redirect, RedirectLoop
from bench.server.faults.status import HeadRefused, NotFound, Status, Unauthorized
from bench.server.faults.transfer import Alert, Close, Cut, Drip, Late, Reset, Stall
from bench.server.redact import HIDDEN, is_secret, redacted_url

__all__ = [
    "KNOWN",
    "Abrupt",
    "Alert",
    "Certificate",
    "Chunked",
    "Close",
    "Closing",
    "Credentials",
    "CrossSigned",
    "Cut",
    "Detour",
    "Door",
    "Drip",
    "Expired",
    "Fault",
    "Gzip",
    "HeadRefused",
    "HtmlPage",
    "Intermediate",
    "Late",
    "ManyHeaders",
    "MissingIntermediate",
    "Namesake",
    "NoLength",
    "NoLocation",
    "NotFound",
    "NotYetValid",
    "OffByOne",
    "Phase",
    "PlainHttp",
    "RangesIgnored",
    "Redirect",
    "RedirectLoop",
    "Replaced",
    "Reset",
    "RsaCertificate",
    "SelfSigned",
    "SilentHandshake",
    "Stall",
    "Status",
    "Tls",
    "TlsOnly",
    "Token",
    "Unauthorized",
    "WrongAddress",
    "WrongCertificate",
    "WrongContentRange",
    "WrongLength",
    "WrongName",
    "check_together",
    "door_of",
    "fault_help",
    "known_faults",
    "parse_fault",
    "tell_fault",
]

KNOWN: tuple[type[Fault], ...] = (
    Abrupt,
    Alert,
    Chunked,
    Close,
    Closing,
    Credentials,
    CrossSigned,
    Cut,
    Detour,
    Drip,
    Expired,
    Gzip,
    HeadRefused,
    HtmlPage,
    Intermediate,
    Late,
    ManyHeaders,
    MissingIntermediate,
    Namesake,
    NoLength,
    NoLocation,
    NotFound,
    NotYetValid,
    OffByOne,
    PlainHttp,
    RangesIgnored,
    Redirect,
    RedirectLoop,
    Replaced,
    Reset,
    RsaCertificate,
    SelfSigned,
    SilentHandshake,
    Stall,
    Status,
    TlsOnly,
    Token,
    Unauthorized,
    WrongAddress,
    WrongCertificate,
    WrongContentRange,
    WrongLength,
    WrongName,
)
"""Every fault that can be named on the command line."""

_WORDS = {"int": int, "float": float, "str": str}


def parse_fault(spec: str) -> Fault:
    """The fault that ``NAME`` or ``NAME:FIELD=VALUE,FIELD=VALUE`` names; ServerError lists the known ones."""
    name, _, arguments = spec.partition(":")
    kind = next((known for known in KNOWN if known.name == name), None)
    if kind is None:
        raise ServerError(f"--fault {spec}: there is no fault {name!r}; known are {known_faults()}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values: dict[str, typing.Any] = {}
    for argument in arguments.split(",") if arguments else ():
        field_name, equals, text = argument.partition("=")
        field = fields.get(field_name)
        if not equals or field is None or field_name in values:
            raise ServerError(f"--fault {spec}: {argument!r} is not understood; it is {_usage(kind)}")
        try:
            values[field_name] = _WORDS[str(field.type)](text)
        except ValueError as error:
            raise ServerError(f"--fault {spec}: {field_name} is {field.type}, not {text!r}") from error
    missing = [
        field.name for field in fields.values() if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise ServerError(f"--fault {spec}: {', '.join(missing)} is missing; it is {_usage(kind)}")
    try:
        return kind(**values)
    except ValueError as error:
        raise ServerError(f"--fault {spec}: {error}") from error


def tell_fault(fault: Fault) -> dict[str, object]:
    """A fault in plain values, for the timeline: its name and its fields, without secrets."""
    told: dict[str, object] = {"fault": fault.name}
    for name, value in dataclasses.asdict(fault).items():
        told[name] = HIDDEN if is_secret(name) else redacted_url(value) if name == "location" else value
    return told


def known_faults() -> str:
    """All faults as the command line spells them."""
    return ", ".join(_usage(kind) for kind in KNOWN)


def fault_help() -> tuple[tuple[str, str], ...]:
    """Every fault as it is named on the command line, with one line about it."""
    return tuple((_usage(kind), (kind.__doc__ or "").strip().split("\n")[0]) for kind in KNOWN)


def _usage(kind: type[Fault]) -> str:
    fields = ",".join(
        f"{field.name}=..." if field.default is dataclasses.MISSING else f"[{field.name}={field.default}]"
        for field in dataclasses.fields(kind)
    )
    return f"{kind.name}:{fields}" if fields else kind.name
