"""What one socket shows of a message while a model makes it: Bot Framework's live streams, typing with the text so far.

It shows the text and keeps nothing: the message itself comes from the log, and takes the place of what was shown.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.channels.webchat import WebChatChannel
from lichen.engine.pace.deltas import Partial


class Live:
    """At most one stream at a time. Its id stays the same from one attempt to the next: one message comes of them."""

    def __init__(self, channel: WebChatChannel, conversation: str, watermark: int) -> None:
        self._channel, self._conversation = channel, conversation
        self._number = watermark  # no stream of an earlier socket has an id of this one's
        self._sequence = 0
        self._shown: Partial | None = None

    def is_news(self, partial: Partial | None) -> bool:
        """Whether this was not shown yet."""
        return partial is not None and partial != self._shown

    def frame(self, partial: Partial, watermark: int) -> bytes:
        """What shows the text so far, or a line about what goes on; else only that somebody is typing."""
        self._shown = partial
        activity = self._channel.typing(partial.text or partial.note)
        activity["id"] = f"{self._id}|{self._sequence + 1}" if self._sequence else self._id
        activity["conversation"] = {"id": self._conversation}
        if partial.text or partial.note:
            self._sequence += 1
            kind = "streaming" if partial.text else "informative"
            stream = {"streamType": kind, "streamSequence": self._sequence}
            activity["channelData"] = stream if self._sequence == 1 else {**stream, "streamId": self._id}
        return msgspec.json.encode({"activities": [activity], "watermark": str(watermark)})

    def finish(self, activities: tuple[dict[str, Any], ...]) -> None:
        """Marks the message that takes the place of the stream, if it is among these, and is ready for the next."""
        message = next((a for a in activities if a["from"]["role"] == "bot"), None)
        if message is None or not self._sequence:
            return
        message["channelData"] |= {"streamType": "final", "streamId": self._id}
        self._number, self._sequence, self._shown = self._number + 1, 0, None

    @property
    def _id(self) -> str:
        return f"{self._conversation}|live{self._number}"
