"""How much of a conversation a model reads: whole turns and whole steps, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from lichen.core.ports.model import ModelMessage

CHARS_PER_TOKEN: Final = 3  # an estimate on the careful side, as no provider's tokenizer is at hand
MESSAGE_TOKENS: Final = 4
MEDIA_TOKENS: Final = 1_600  # of a picture or a page

Messages = tuple[ModelMessage, ...]


class Turn(NamedTuple):
    """What a customer wrote and what they were answered. `said` counts the messages of the history in it."""

    messages: Messages
    said: int


class Conversation(NamedTuple):
    """What a model may read, in parts that are left out only whole.

    `opening` are the messages that the run began with, `steps` what it did since, `ends` by how many of its plans each
    of these was over. `before` are words that stand for what is left out in front of it, `done` for its first steps.
    """

    turns: tuple[Turn, ...] = ()
    notes: Messages = ()
    opening: Messages = ()
    steps: tuple[Messages, ...] = ()
    before: Messages = ()
    done: Messages = ()
    ends: tuple[int, ...] = ()

    @property
    def messages(self) -> Messages:
        """All of it, in order."""
        turns = (message for turn in self.turns for message in turn.messages)
        steps = (message for step in self.steps for message in step)
        return (*self.before, *turns, *self.notes, *self.opening, *self.done, *steps)


def tokens_in(messages: Iterable[ModelMessage]) -> int:
    """About how many tokens messages take."""
    return sum(map(_tokens, messages))


def _tokens(message: ModelMessage) -> int:
    calls = sum(len(call.tool) + len(call.args) for call in message.calls)
    media = sum(MEDIA_TOKENS * max(1, each.size_bytes // 200_000) for each in message.media)
    return MESSAGE_TOKENS + (len(message.text) + calls + len(message.blocks)) // CHARS_PER_TOKEN + media


def windowed(whole: Conversation, *, turns: int, tokens: int | None = None) -> Conversation:
    """The last `turns` turns, and of these and the run's steps no more than about `tokens` tokens.

    The opening of the run and its newest step are always there: without them nothing can be answered.
    """
    kept = whole._replace(turns=whole.turns[-turns:] if turns else ())
    if tokens is None:
        return kept
    always = (*kept.before, *kept.notes, *kept.opening, *kept.done, *(kept.steps[-1] if kept.steps else ()))
    left = tokens - tokens_in(always)
    older = _newest(kept.steps[:-1], left)
    steps = (*older, *kept.steps[-1:])
    left -= sum(map(tokens_in, older))
    gone = len(kept.steps) - len(steps)
    if gone:
        return kept._replace(turns=(), steps=((_left_out(gone),), *steps))
    fitting = _newest([turn.messages for turn in kept.turns], left)
    return kept._replace(turns=kept.turns[len(kept.turns) - len(fitting) :])


def _newest(parts: Sequence[Messages], tokens: int) -> tuple[Messages, ...]:
    """The newest parts that fit: nothing older than one that does not."""
    first = len(parts)
    while first and tokens_in(parts[first - 1]) <= tokens:
        first -= 1
        tokens -= tokens_in(parts[first])
    return tuple(parts[first:])


def _left_out(steps: int) -> ModelMessage:
    """What a model is told of its own steps that it does not read any more."""
    return ModelMessage("system", f"{steps} earlier {'step' if steps == 1 else 'steps'} of yours are left out here.")


def kept_until(conversation: Conversation, stable: int) -> Messages:
    """The messages, marked where the next request will begin with the same: behind what the run began with, which the
    next run reads too, and behind all there is by now, which the run's next plan reads. Of these only the first
    `stable` are certain to be there again."""
    messages = list(conversation.messages)
    steps = sum(map(len, conversation.steps))
    for end in (len(messages) - steps, len(messages)):
        at = min(end, stable) - 1
        if at >= 0:
            messages[at] = msgspec.structs.replace(messages[at], is_kept=True)
    return tuple(messages)
