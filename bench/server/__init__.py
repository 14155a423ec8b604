"""The OTA server: a certificate authority kept across runs, releases served over TLS, faults on purpose."""

from __future__ import annotations

from bench.server.authority import Authority, default_folder
from bench.server.desk import Patience
from bench.server.faults import (
    Cut,
    Drip,
    Fault,
    NotFound,
    Redirect,
    Reset,
    Stall,
    Status,
    WrongCertificate,
    parse_fault,
)
from bench.server.server import OtaServer, Release

__all__ = [
    "Authority",
    "Cut",
    "Drip",
    "Fault",
    "NotFound",
    "OtaServer",
    "Patience",
    "Redirect",
    "Release",
    "Reset",
    "Stall",
    "Status",
    "WrongCertificate",
    "default_folder",
    "parse_fault",
]
