"""One real console against the virtual board's: read, told again, compared."""

from __future__ import annotations

import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.fidelity.compare import Comparison, asked_for, compare, requests_of
from tests.fidelity.retelling import Keys, retell
from tests.reference import reference

__all__ = ["compared", "new_keys"]


def new_keys() -> Keys:
    device, other = (generate_private_key(public_exponent=65537, key_size=3072) for _ in range(2))
    return Keys(trustme.CA(), device, other)


def compared(log: str, keys: Keys) -> Comparison:
    """Tell a story again and compare the consoles; what the server was asked for must be the same."""
    real = reference(f"serial/{log}.log").read_bytes()
    told = retell(log, keys, real)
    server = reference("serial") / f"{log}.server.txt"
    if server.exists():
        assert asked_for(told.requests) == asked_for(requests_of(server.read_text())), log
    return compare(log, real, told.console)
