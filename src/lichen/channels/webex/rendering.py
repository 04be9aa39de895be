"""A message as Webex takes it: text or Markdown, one card, files each in a message of its own.

Source: Cisco, Webex for Developers, "Create a Message", "Buttons and Cards", "Formatting Messages".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.forms import card_of
from lichen.channels.cards.pressing import marked_card
from lichen.channels.cards.showing import Choice, shown
from lichen.core.speech.form import form_of
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("webex")
CARD: Final = "application/vnd.microsoft.card.adaptive"
CARD_BYTES_MAX: Final = 22_000  # of a message with its card
VERSION: Final = CAPABILITIES.card_version
DEPTH_MAX: Final = 64

Json = dict[str, Any]


def rendered(message: Outbound) -> list[Json]:
    """What is posted, in this order."""
    card = _card_in(message)
    if card is not None and message.saying.card is not None:
        said = [{**_worded(message.saying.text, message), "attachments": [_attached(card)]}]
    elif card is not None:
        said = list(_pieces(message, card))
    else:
        said = list(_words(message))
    return [*said, *({"files": [each.url]} for each in message.saying.attachments)]


def _card_in(message: Outbound) -> Json | None:
    """The card of a message, or its form, or its choices as one; None where there is none, or it is too large."""
    card = message.saying.card
    if card is None:
        form = form_of(message.schema, message.language)
        card = _buttons(message) if form is None else card_of(form)
    if card is None:
        return None
    fitting = cast("Json", _fitting(marked_card(card), 0))
    return fitting if len(msgspec.json.encode(fitting)) <= CARD_BYTES_MAX else None


def _buttons(message: Outbound) -> Json | None:
    found = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    return _card_of(found.choices) if found.choices else None


def _card_of(choices: Sequence[Choice]) -> Json:
    actions = [
        {"type": "Action.Submit", "title": each.title, **({} if each.data is None else {"data": each.data})}
        for each in choices
    ]
    return {"type": "AdaptiveCard", "version": VERSION, "body": [], "actions": actions}


def _fitting(value: Any, depth: int) -> Any:
    """The card as version 1.3 has it: what waits for an answer sends one instead."""
    if depth > DEPTH_MAX:
        return value
    if isinstance(value, list):
        return [_fitting(each, depth + 1) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("Json", value)
    found = {name: each if name == "data" else _fitting(each, depth + 1) for name, each in fields.items()}
    match fields.get("type"):
        case "AdaptiveCard":
            return {**found, "version": VERSION}
        case "Action.Execute":
            return {**{name: each for name, each in found.items() if name != "verb"}, "type": "Action.Submit"}
        case _:
            return found


def _words(message: Outbound) -> Iterator[Json]:
    found = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    if message.saying.card is None and message.saying.format == "plain" and not found.listed:
        yield from _pieces(message, None)
        return
    for piece in found.pieces(CAPABILITIES) or ("…",):
        yield {"markdown": piece}


def _pieces(message: Outbound, card: Json | None) -> Iterator[Json]:
    """The words as they were said, the last of them with a card."""
    is_plain = message.saying.format == "plain"
    capabilities = msgspec.structs.replace(CAPABILITIES, markup="plain") if is_plain else CAPABILITIES
    alone = msgspec.structs.replace(message.saying, card=None, attachments=())
    pieces = list(shown(alone, capabilities).pieces(capabilities)) or ["…"]
    name = "text" if is_plain else "markdown"
    for piece in pieces[:-1]:
        yield {name: piece}
    yield {name: pieces[-1], **({} if card is None else {"attachments": [_attached(card)]})}


def _worded(text: str, message: Outbound) -> Json:
    """What is read where no card is shown."""
    short = text.encode()[: CAPABILITIES.text_max].decode(errors="ignore")
    return {"text" if message.saying.format == "plain" else "markdown": short}


def _attached(card: Mapping[str, Any]) -> Json:
    return {"contentType": CARD, "content": dict(card)}
