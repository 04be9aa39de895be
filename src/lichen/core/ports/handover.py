"""Handing a conversation over to a person: the wait that stands for it, and what the person answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.ports.plan import TEXT_BYTES_MAX, WaitRequest

KEY: Final = "handover"
"""The field of a wait's operator facts that makes it a hand-over: what the customer said."""

ROLE: Final = "operator"


class Reply(NamedTuple):
    """What the person writes to the customer, empty for nothing, and whether they have more to say."""

    text: str
    goes_on: bool


def handover(said: str, *, told: str = "", role: str = ROLE, expires_s: float | None = None) -> WaitRequest:
    """Waits for a person of this role, who sees what was said. `told` is what the customer reads meanwhile; without it
    they are told nothing. The wait is answered with a reply."""
    return WaitRequest("handover", told, (role,), expires_s, operator={KEY: said})


def reply_of(body: bytes) -> Reply:
    """The reply in an answer's body as JSON."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Reply("", goes_on=False)
    return reply_in(cast("dict[str, Any]", found) if isinstance(found, dict) else {})


def reply_in(body: Mapping[str, Any]) -> Reply:
    """The reply in an answer's body: `text` and `goes_on`, which may lie in its `result`."""
    inner = body.get("result")
    fields = {**body, **cast("dict[str, Any]", inner)} if isinstance(inner, dict) else body
    text = fields.get("text")
    is_text = isinstance(text, str) and bool(text.strip()) and len(text.encode("utf-8", "replace")) <= TEXT_BYTES_MAX
    return Reply(cast(str, text).strip() if is_text else "", goes_on=fields.get("goes_on") is True)
