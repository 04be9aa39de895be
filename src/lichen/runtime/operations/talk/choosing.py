"""What a customer's message chooses of what they were shown: a number of a list, or a button that can hold little.

Found in the conversation's own records, so it is found after a restart as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from lichen.channels.cards.showing import Choice, choice_in, choices_of, pressed_in
from lichen.channels.port import Inbound
from lichen.runtime.operations.talk.conversation import Told
from lichen.runtime.operations.talk.session import Session


async def meant(session: Session, message: Inbound, *, choices_max: int, is_first: bool = True) -> Inbound | None:
    """The message with the words and the data of what it chooses; as it is where it chooses nothing, and None where it
    was taken before. More than `choices_max` choices were a list. What answers an open question the engine reads.
    `is_first`: the session is the first one of its conversation.
    """
    if message.id is not None and await session.taken(message.id) is not None:
        return None
    if message.pressed:
        button = pressed_in(message.pressed)
        if not button.is_of(session.id, is_first=is_first):
            return message
        return _choosing(message, _pressed(await session.conversation.told(button.message), button.n))
    if session.asked() is not None:
        return message
    return _choosing(message, _listed(message.text, await session.conversation.told(), choices_max))


def _pressed(told: Sequence[Told], n: int) -> Choice | None:
    choices = choices_of(told[0].saying, _suggestions(told[0])) if told else ()
    return choices[n - 1] if 0 < n <= len(choices) else None


def _listed(text: str, told: Sequence[Told], choices_max: int) -> Choice | None:
    """What a reply means of the newest message that listed anything."""
    for each in told:
        if len(choices_of(each.saying, _suggestions(each))) > choices_max:
            return choice_in(text, each.saying, _suggestions(each))
    return None


def _suggestions(told: Told) -> tuple[str, ...]:
    return msgspec.json.decode(told.suggestions, type=tuple[str, ...])


def _choosing(message: Inbound, choice: Choice | None) -> Inbound:
    """The message as if the button had been pressed: its words, and its data beside what came with the message."""
    if choice is None:
        return message
    if choice.data is None:
        return replace(message, text=choice.title)
    data = choice.data
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    before: Mapping[str, Any] = message.envelope or {}
    metadata = {**before.get("metadata", {}), **fields}
    return replace(message, text=choice.title, envelope={**before, **fields, "value": data, "metadata": metadata})
