"""What messages are called on the bus: one subject for each channel of a tenant, which no other tenant's name can be.

Source: greentic-messaging, subjects of ingress and egress.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid

ROOT: Final = "greentic.messaging"
UNNAMED: Final = "unknown"
TEAM: Final = "default"  # of channels that are no team's
_APART: Final = re.compile(r"[ \t\r\n*>/]")


def ingress(env: str, tenant: str, team: str, channel: str) -> str:
    """Where messages of customers go. Raises Invalid (`bus_subject_invalid`)."""
    return ".".join((ROOT, "ingress", *map(token, (env, tenant, team, channel))))


def egress(env: str, tenant: str, team: str, channel: str) -> str:
    """Where messages to customers go. Raises Invalid (`bus_subject_invalid`)."""
    return ".".join((ROOT, "egress", *map(token, (env, tenant, team, channel))))


def dead(tenant: str, stage: str) -> str:
    """Where what cannot be taken lies. Raises Invalid (`bus_subject_invalid`)."""
    return f"dlq.{token(tenant)}.{token(stage)}"


def replay(tenant: str, stage: str) -> str:
    """Where a dead letter is put to be taken again. Raises Invalid (`bus_subject_invalid`)."""
    return f"replay.{token(tenant)}.{token(stage)}"


def token(word: str) -> str:
    """One level of a subject. Raises Invalid (`bus_subject_invalid`) for a dot, which would make it two."""
    found = _APART.sub("-", word.strip()) or UNNAMED
    if "." in found or not found.isprintable():
        raise Invalid(
            f"{word[:64]!r} cannot be part of a subject.",
            code="bus_subject_invalid",
            next_step="Name it with letters, digits, hyphens and underscores.",
        )
    return found


class Way(NamedTuple):
    """One channel of one tenant on the bus."""

    env: str
    tenant: str
    team: str
    channel: str

    @property
    def ingress(self) -> str:
        """Where its customers' messages go."""
        return ingress(*self)

    @property
    def egress(self) -> str:
        """Where messages to its customers go."""
        return egress(*self)


def way(subject: str) -> Way:
    """The channel that a subject names. Raises Invalid (`bus_subject_invalid`) for any other subject."""
    *root, env, tenant, team, channel = subject.split(".") if subject.count(".") == 6 else [""] * 5
    found = Way(env, tenant, team, channel)
    if ".".join(root) not in (f"{ROOT}.ingress", f"{ROOT}.egress") or subject not in (found.ingress, found.egress):
        raise Invalid("This subject names no channel.", code="bus_subject_invalid")
    return found
