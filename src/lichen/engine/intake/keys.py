"""Idempotency keys: what is asked for again under one is what the first asking made."""

from __future__ import annotations

from lichen.core.words.errors import Invalid
from lichen.engine.intake.request import Request

KEY_CHARACTERS_MAX = 256


def id_of(request: Request, kind: str, key: str | None, *, salt: str) -> str:
    """An id for something new of this kind; with a `key` always the same one, for equal `salt`.

    Raises Invalid (`key_invalid`).
    """
    if key is None:
        return request.services.new_id(kind)
    _check(key)
    return f"{kind}-{request.journal.log.digest(f'{kind}|{salt}|{key}'.encode()).hex()[:24]}"


def of_team(team: str) -> str:
    """What of a salt keeps apart what is asked for in another team; nothing without one."""
    return f"@{team}" if team else ""


def token_of(request: Request, key: str | None) -> str | None:
    """A key as it may stand in a record: an HMAC, since people put names into keys. Raises Invalid (`key_invalid`)."""
    if key is None:
        return None
    _check(key)
    return request.journal.log.digest(key.encode()).hex()


def _check(key: str) -> None:
    if not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise Invalid("An idempotency key has 1-256 characters.", code="key_invalid")
