"""What stands in a button, and the mark by which it is known to be ours: Mattermost brings a pressed one unsigned."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.channels.platform.signing import hmac_hex


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a button bears, which clients never see: what is said by it, its data, and the thread it stands in."""

    text: str
    data: Any = None
    thread: str = ""
    mark: str = ""


def mark_of(context: Context, channel: str, secret: str) -> str:
    """The mark of a button in a channel."""
    covered: list[Any] = [channel, context.text, context.data, context.thread]
    return hmac_hex(secret, b"mattermost button\n", msgspec.json.encode(covered, order="sorted"))
