"""Input made wrong, and the same in every run with the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Mutator"]

_INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")
_LONGEST = 1 << 16
"""Bytes beyond which an input is cut: what matters of length is tried by tests of its own."""


@dataclass(frozen=True)
class Mutator:
    """Makes inputs from a corpus of good ones and from tokens that the format knows."""

    corpus: Sequence[bytes]
    tokens: Sequence[bytes] = ()
    mend: Callable[[bytes], bytes] | None = None
    """Puts size or checksum right again, in every other input: else nothing would get past them."""

    def input(self, seed: int, number: int) -> bytes:
        """The input with this number."""
        chance = random.Random(f"{seed}:{number}")
        data = bytearray(chance.choice(self.corpus))
        for _ in range(chance.choice((1, 1, 2, 3, 5, 9))):
            data = self._once(data, chance)
        made = bytes(data[:_LONGEST])
        return self.mend(made) if self.mend is not None and number % 2 else made

    def _once(self, data: bytearray, chance: random.Random) -> bytearray:
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 4, 8, 32, 128, 1024)))
        match chance.randrange(10):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + data[end:]
            case 2:
                return data[:end] + data[at:end] * chance.choice((1, 2, 30)) + data[end:]
            case 3:
                other = chance.choice(self.corpus)
                return data[:at] + other[chance.randrange(len(other) + 1) :]
            case 4:
                return data[:at] + chance.randbytes(chance.choice((1, 4, 40, 400))) + data[at:]
            case 5 if self.tokens:
                return data[:at] + chance.choice(self.tokens) + data[at:]
            case 6 if self.tokens:
                return data[:at] + chance.choice(self.tokens) + data[end:]
            case 7 | 5 | 6:
                width, order = chance.choice((1, 2, 4, 8)), _ORDERS[chance.randrange(2)]
                number = (chance.choice(_INTERESTING) % (1 << 8 * width)).to_bytes(width, order)
                return data[:at] + number + data[at + len(number) :]
            case _:
                if at < len(data):
                    data[at] ^= 1 << chance.randrange(8)
                return data
