"""Where an answer from outside comes back: the conversation, thread, message and correlation that it names."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid

PART_CHARS_MAX: Final = 512


class ReplyScope(NamedTuple):
    """What tells an answer from others, as a channel names it (greentic-session). All but the first may be empty.

    Raises Invalid (`reply_scope_invalid`) from `scope_hash`.
    """

    conversation: str
    thread: str = ""
    reply_to: str = ""
    correlation: str = ""

    @property
    def scope_hash(self) -> str:
        """SHA-256, in hexadecimal, of the four joined by line feeds: what a wait is found by."""
        if not self.conversation or any(len(part) > PART_CHARS_MAX or not part.isprintable() for part in self):
            step = f"Name a conversation, and give each part at most {PART_CHARS_MAX} printable characters."
            raise Invalid("This is no place where an answer comes back.", code="reply_scope_invalid", next_step=step)
        return sha256("\n".join(self).encode()).hexdigest()
