"""Handing a conversation over to a person: the wait that stands for it, and how the assistant gets it back.

While the wait is open the person has the conversation: what they and the customer write passes the planner by. It is
told when that is over, by the outcome: `answered` where the person gave it back or closed it, `declined` where the
customer wants to go on without them or somebody was asked already, `expired` where nobody attended to it. In the latter
cases, and when it was given back, the customer has been told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.ports.plan import TEXT_BYTES_MAX, WaitRequest

KEY: Final = "handover"
"""The field of a wait's operator facts that makes it a hand-over: what the customer said."""

ROLE: Final = "operator"


class Reply(NamedTuple):
    """What the person wrote last as they ended it, empty for nothing; the customer has it. `is_closed`: everything is
    said; else the assistant goes on."""

    text: str
    is_closed: bool


def handover(said: str, *, told: str = "", role: str = ROLE, expires_s: float | None = None) -> WaitRequest:
    """Waits for a person of this role, who sees what was said. `told` is what the customer reads meanwhile; without it
    they are told nothing. `expires_s` is how long the conversation may go unattended."""
    return WaitRequest("handover", told, (role,), expires_s, operator={KEY: said})


def reply_of(body: bytes) -> Reply:
    """How a person ended it, by an answer's body as JSON."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Reply("", is_closed=True)
    return reply_in(cast("dict[str, Any]", found) if isinstance(found, dict) else {})


def reply_in(body: Mapping[str, Any]) -> Reply:
    """How a person ended it, by an answer's body: `text` and `then`."""
    text = body.get("text")
    is_text = isinstance(text, str) and bool(text.strip()) and len(text.encode("utf-8", "replace")) <= TEXT_BYTES_MAX
    return Reply(cast(str, text).strip() if is_text else "", is_closed=body.get("then") != "returned")
