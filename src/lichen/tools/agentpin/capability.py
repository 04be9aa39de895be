"""What an agent may do, as `action:resource`, and whether one such word covers another.

Source: AgentPin specification 0.1, capability validation and taxonomy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from lichen.core.words.errors import Invalid

CORE = frozenset(("read", "write", "delete", "execute", "delegate", "admin"))


def covers(granted: str, wanted: str) -> bool:
    """Whether what was granted is enough: the same, any resource where `*` was granted, or one below it after a dot.
    A `*` is covered by a `*` only, and `admin` by nothing but its own name."""
    action, colon, resource = granted.partition(":")
    other, has_colon, below = wanted.partition(":")
    if not colon or not has_colon or action != other:
        return False
    if granted == wanted:
        return wanted != "admin:*"
    if action == "admin" or below == "*":
        return False
    return resource == "*" or below.startswith(f"{resource}.")


def exceeding(granted: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first wanted capability that nothing granted covers."""
    given = tuple(granted)
    return next((each for each in wanted if not any(covers(one, each) for one in given)), None)


def hashed(capabilities: Iterable[str]) -> str:
    """What an attestation names a set of capabilities by."""
    told = json.dumps(sorted(capabilities), separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def checked(capability: str) -> str:
    """The capability, if anybody may be given it. Raises Invalid (`capability_invalid`)."""
    action, colon, resource = capability.partition(":")
    if not colon or not action or not resource or len(capability) > 256:
        raise _invalid(capability, "A capability is written `action:resource`.")
    if capability == "admin:*":
        raise _invalid(capability, "`admin` is granted for a named resource only.")
    if action not in CORE and "." not in action:
        raise _invalid(capability, "An action of one's own begins with a reversed domain, as `com.example.print`.")
    return capability


def _invalid(capability: str, message: str) -> Invalid:
    step = f"Actions that everybody knows: {', '.join(sorted(CORE))}."
    return Invalid(message, code="capability_invalid", place=capability[:80], next_step=step)
