"""What models were sent and replied, as the log keeps it: each request says only what the one before it had not."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from lichen.core.ports.model import Finish, MediaKind

TEXT_CHARS_MAX: Final = 32_768  # of one text; what is longer is cut


class SentCall(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A call in a transcript. `args` is JSON, unless the model wrote something else."""

    id: str
    tool: str
    args: str = ""


class SentMedia(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A picture, a document or a sound that was sent; its bytes are not kept twice."""

    kind: MediaKind
    media_type: str
    size_bytes: int


class SentMessage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One message that was sent. `cut` counts the characters that were left out of the text and its calls."""

    role: str
    text: str = ""
    calls: tuple[SentCall, ...] = ()
    result_of: str = ""
    media: tuple[SentMedia, ...] = ()
    cut: int = 0


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One request. It begins with the first `same` messages of the request `after`, `step/attempt/number` of the same
    run, whose `system` and `tools` it has too where it says none; without `after` this is all of it.

    `left_out` counts messages that were sent and are not kept, since a plan keeps only so much.
    """

    after: str = ""
    same: int = 0
    system: str | None = None
    tools: tuple[str, ...] | None = None
    messages: tuple[SentMessage, ...] = ()
    max_tokens: int = 0
    output_name: str = ""
    left_out: int = 0


class Replied(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A reply that did not become the plan."""

    text: str = ""
    thinking: str = ""
    calls: tuple[SentCall, ...] = ()
    finish: Finish = "end"
    cut: int = 0


class Last(NamedTuple):
    """The last request of a run that its log has: its place, and a hash of its system prompt, its tools and each of its
    messages, in this process."""

    place: str = ""
    system: int = 0
    tools: int = 0
    messages: tuple[int, ...] = ()
