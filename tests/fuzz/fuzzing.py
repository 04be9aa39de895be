"""Bytes that are nearly right, given to a parser: whatever it does but take or refuse them is found."""

from __future__ import annotations

import math
import random
import time
from typing import NamedTuple

from tests.fuzz.targets import REFUSALS, Target

HANG_S = 5.0
FOUND_MAX = 10
BYTES_MAX = 64 * 1024


class Found(NamedTuple):
    """What some bytes did to a parser, and the bytes."""

    what: str
    data: bytes


def fuzzed(target: Target, chance: random.Random, *, tries: float = math.inf, seconds: float = math.inf) -> list[Found]:
    """What is found in so many tries, or in so many seconds; no more than ten."""
    began, found, pool, done = time.monotonic(), list[Found](), list(target.seeds), 0
    while done < tries and time.monotonic() - began < seconds and len(found) < FOUND_MAX:
        data, done = changed(chance.choice(pool), target, chance), done + 1
        start = time.monotonic()
        try:
            target.parse(data)
            if len(pool) < 200:
                pool.append(data)
        except REFUSALS:
            pass
        except Exception as error:  # noqa: BLE001 - whatever else it raises is what is looked for
            found.append(Found(f"{type(error).__name__}: {error}", data))
        if time.monotonic() - start > HANG_S:
            found.append(Found(f"took {time.monotonic() - start:.1f} s", data))
    return found


def changed(data: bytes, target: Target, chance: random.Random) -> bytes:
    """Some bytes with a few things done to them."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at, length = chance.randint(0, len(made)), chance.choice((1, 2, 4, 16, 64))
        match chance.randrange(6):
            case 0 if made:
                made[at % len(made)] = chance.choice(target.alphabet)
            case 1:
                made[at:at] = chance.choice(target.words)
            case 2:
                del made[at : at + length]
            case 3:
                made[at:at] = made[at : at + length] * chance.choice((1, 2, 50))
            case 4:
                other = chance.choice(target.seeds)
                begin = chance.randint(0, len(other))
                made[at : at + length] = other[begin : begin + length]
            case _:
                made[at:at] = bytes(chance.choices(target.alphabet, k=length))
    return bytes(made[:BYTES_MAX])
