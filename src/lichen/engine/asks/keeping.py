"""What models were sent and replied, as contents of a plan: linear in the run, bounded, cut with a note."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.ports.model import Media, ModelCall, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan
from lichen.core.ports.sent import TEXT_CHARS_MAX, Last, Replied, Sent, SentCall, SentMedia, SentMessage
from lichen.core.speech.saying import Saying

KEPT_CHARS_MAX: Final = 512 * 1024  # of all that one plan keeps of its requests
CALLS_KEPT_MAX: Final = 64  # of one message

Part = tuple[str, bytes]


class Keeping:
    """What one attempt at a plan keeps. `last` is the request that the next one goes on from."""

    def __init__(self, last: Last) -> None:
        self.last = last
        self._room = KEPT_CHARS_MAX
        self._sent: list[Sent] = []
        self._replied: dict[int, ModelReply] = {}

    def ask(self, place: str, request: ModelRequest) -> None:
        """Takes the next request."""
        tools = tuple(tool.name for tool in request.tools)
        hashes = tuple([hash(message) for message in request.messages])
        now, last = Last(place, hash(request.system), hash(tools), hashes), self.last
        same = _same(last.messages, hashes)
        messages, left_out = self._kept(request.messages[same:])
        sent = Sent(
            after=last.place,
            same=same,
            system=None if last.place and now.system == last.system else self._cut(request.system)[0],
            tools=None if last.place and now.tools == last.tools else tools,
            messages=messages,
            max_tokens=request.max_tokens,
            output_name=request.output_name if request.output_schema is not None else "",
            left_out=left_out,
        )
        self._sent.append(sent)
        self.last = now

    def reply(self, i: int, reply: ModelReply) -> None:
        """Takes the reply to the request `i`."""
        self._replied[i] = reply

    def parts(self, plan: Plan | None) -> list[Part]:
        """The contents, beside a plan or the record of an attempt that gave none."""
        parts = [(f"asked/{i}", msgspec.json.encode(sent)) for i, sent in enumerate(self._sent)]
        others = ((i, reply) for i, reply in sorted(self._replied.items()) if plan is None or not _became(reply, plan))
        return [*parts, *((f"replied/{i}", msgspec.json.encode(self._reply(reply))) for i, reply in others)]

    def _reply(self, reply: ModelReply) -> Replied:
        text, cut = self._cut(reply.text)
        thinking, more = self._cut(reply.thinking)
        calls, of_calls = self._calls(reply.calls)
        return Replied(text, thinking, calls, reply.finish, cut + more + of_calls)

    def _kept(self, messages: tuple[ModelMessage, ...]) -> tuple[tuple[SentMessage, ...], int]:
        """As many of the messages as there is room for, and how many there are more."""
        kept: list[SentMessage] = []
        for message in messages:
            if self._room <= 0:
                break
            kept.append(self._message(message))
        return tuple(kept), len(messages) - len(kept)

    def _message(self, message: ModelMessage) -> SentMessage:
        text, cut = self._cut(message.text)
        calls, of_calls = self._calls(message.calls)
        media = tuple(map(_media, message.media))
        return SentMessage(message.role, text, calls, message.result_of or "", media, cut + of_calls)

    def _calls(self, calls: tuple[ModelCall, ...]) -> tuple[tuple[SentCall, ...], int]:
        kept: list[SentCall] = []
        cut = sum(len(call.args) for call in calls[CALLS_KEPT_MAX:])
        for call in calls[:CALLS_KEPT_MAX]:
            args, more = self._cut(call.args.decode(errors="replace"))
            kept.append(SentCall(call.id[:128], call.tool[:128], args))
            cut += more
        return tuple(kept), cut

    def _cut(self, text: str) -> tuple[str, int]:
        """The beginning of a text that there is room for, and how many characters it has more."""
        kept = text[: max(0, min(TEXT_CHARS_MAX, self._room))]
        self._room -= len(kept)
        return kept, len(text) - len(kept)


def _same(before: tuple[int, ...], now: tuple[int, ...]) -> int:
    """How many messages both begin with."""
    same = 0
    for one, other in zip(before, now, strict=False):
        if one != other:
            break
        same += 1
    return same


def _media(media: Media) -> SentMedia:
    return SentMedia(media.kind, media.media_type, len(media.data))


def _became(reply: ModelReply, plan: Plan) -> bool:
    """Whether the plan says and does what the reply did, so that nobody needs it twice."""
    calls = [(call.tool, call.args or b"{}") for call in reply.calls]
    said = [*plan.says, *(() if plan.answer is None else (plan.answer,))]
    texts = [each.text if isinstance(each, Saying) else each for each in said]
    text = reply.text.strip()
    return calls == [(call.tool, call.args) for call in plan.calls] and (not text or text in map(str.strip, texts))
