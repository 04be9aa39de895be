"""How much harm code could do, as one number with its reasons, and which tier that asks for.

Source: Symbiont, sandbox documentation ("risk assessment").
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from lichen.core.cage.grant import Grant, Tier

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

SENSITIVITY: Final = 0.4
DISTRUST: Final = 0.3
ACCESS: Final = 0.1  # of each kind
JAILED_FROM: Final = 0.5


class Risk(msgspec.Struct, frozen=True):
    """The score, 0 to 1, the tier that it asks for, and what it is made of."""

    score: float
    tier: Tier
    reasons: tuple[str, ...]


def assessed(
    *, sensitivity: float, trust: float, network: bool = False, files: bool = False, interfaces: bool = False
) -> Risk:
    """The risk of code: `sensitivity` of the data it gets and `trust` in it, 0 to 1, and what it has access to.

    0.4 of the sensitivity, 0.3 of the lack of trust, 0.1 for each of network, files and interfaces of others; at most
    1. From 0.5 on it belongs into a jail. Raises ValueError for shares beyond 0 to 1.
    """
    for name, share in (("sensitivity", sensitivity), ("trust", trust)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is a share, 0 to 1")
    parts = (
        (SENSITIVITY * sensitivity, f"data of sensitivity {sensitivity:g}"),
        (DISTRUST * (1 - trust), f"code trusted to {trust:g}"),
        (ACCESS * network, "reaches the network"),
        (ACCESS * files, "reaches files"),
        (ACCESS * interfaces, "reaches interfaces of others"),
    )
    score = round(min(sum(part for part, _ in parts), 1.0), 6)
    reasons = tuple(f"{part:.2f}: {why}" for part, why in parts if part > 0)
    return Risk(score, "jail" if score >= JAILED_FROM else "process", reasons)


def risk_of(grant: Grant, *, sensitivity: float, trust: float, interfaces: bool = False) -> Risk:
    """The risk of code with what it is granted."""
    return assessed(
        sensitivity=sensitivity,
        trust=trust,
        network=bool(grant.network),
        files=bool(grant.reads or grant.writes),
        interfaces=interfaces,
    )
