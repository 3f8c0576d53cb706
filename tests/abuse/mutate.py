"""Mutated octets, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

ODD = (
    b"\0",
    b"\xff",
    b"\xff" * 4,
    b"\0" * 8,
    b"\n",
    b"\r\n",
    b"../",
    b"%00",
    b"%2e%2e",
    b"\x7f\xff",
    b"\x80\0",
    b"{{7*7}}",
    b"$(id)",
    b"';",
    b"\\ud800",
    b"[" * 50,
)


def mutations(seeds: Sequence[bytes], many: int, seed: int, longest: int = 4096) -> Iterator[bytes]:
    """`many` octet strings: a seed with one to four changes, now and then nothing but noise."""
    rng = random.Random(seed)
    choice, randrange, randbytes = rng.choice, rng.randrange, rng.randbytes
    for number in range(many):
        if number % 50 == 0:
            yield randbytes(randrange(0, 600))
            continue
        data = bytearray(choice(seeds))
        for _ in range(randrange(1, 5)):
            size = len(data)
            at = randrange(size + 1)
            what = randrange(8)
            if what <= 2 and size:
                data[at % size] ^= 1 << randrange(8)
            elif what == 3 and size:
                data[at % size] = randrange(256)
            elif what == 4:
                del data[at : at + randrange(1, 9)]
            elif what == 5:
                data[at:at] = choice(ODD)
            elif what == 6:
                del data[at:]
            else:
                other = choice(seeds)
                start = randrange(len(other) + 1)
                data[at : at + randrange(16)] = other[start : start + randrange(24)]
        yield bytes(data[:longest])
