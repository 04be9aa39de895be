"""The mark that a message of ours bears, and which of its parts stand in what Slack says of a channel.

Source: Slack, "Message metadata", "conversations.replies".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.engine.ports import Outbound

EVENT: Final = "lichen_message"


class Mark(msgspec.Struct, frozen=True):
    """Which part of which message it is."""

    message: str
    part: int
    parts: int

    @staticmethod
    def of(message: Outbound, part: int, parts: int) -> Mark:
        """The mark of a part."""
        return Mark(f"{message.session}/{message.id}", part, parts)

    @property
    def metadata(self) -> dict[str, Any]:
        """As Slack keeps it with the message."""
        return {"event_type": EVENT, "event_payload": msgspec.to_builtins(self)}


class Seen(msgspec.Struct, frozen=True):
    """Which parts of a message were found, and of how many."""

    parts: frozenset[int] = frozenset()
    of: int = 0

    @property
    def is_whole(self) -> bool | None:
        """Whether the message is there; None where it is in part."""
        if not self.parts:
            return False
        return True if len(self.parts) == self.of else None


def seen(before: Seen, page: Mapping[str, Any], message: Outbound) -> tuple[Seen, str]:
    """What is found with another page, and where the next one begins; empty where there is none."""
    marks = [mark for each in _list(page.get("messages")) if (mark := _mark(each)) is not None]
    ours = [mark for mark in marks if mark.message == f"{message.session}/{message.id}"]
    parts = before.parts | {mark.part for mark in ours}
    of = max([before.of, *(mark.parts for mark in ours)])
    following: Any = _dict(page.get("response_metadata")).get("next_cursor", "")
    return Seen(parts, of), following if isinstance(following, str) else ""


def _mark(message: Any) -> Mark | None:
    metadata = _dict(_dict(message).get("metadata"))
    if metadata.get("event_type") != EVENT:
        return None
    try:
        return msgspec.convert(metadata.get("event_payload"), Mark)
    except msgspec.ValidationError:
        return None


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
