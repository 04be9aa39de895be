"""A message as activities: text, an Adaptive Card, buttons that say their own words, pictures, links to files.

Source: Microsoft, Bot Framework Activity schema; Teams, "Types of cards", "Text only messages", "Card actions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.forms import card_of
from lichen.channels.cards.pressing import marked_card
from lichen.channels.cards.showing import Choice, shown
from lichen.channels.cards.writing import Para, Span, write
from lichen.channels.teams.consent import offered
from lichen.core.speech.form import form_of
from lichen.core.speech.saying import Attachment
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("teams")
CARD: Final = "application/vnd.microsoft.card.adaptive"
VERSION: Final = CAPABILITIES.card_version
CARD_BYTES_MAX: Final = 28_000  # a larger one is refused by Teams
SUMMARY_MAX: Final = 200

Json = dict[str, Any]


def rendered(message: Outbound, *, offers: bool = False) -> list[Json]:
    """What is posted, in this order. `offers`: files other than pictures are offered for the customer's OneDrive."""
    card = _card_in(message)
    if card is not None:
        suggested = _buttons([Choice(each) for each in message.suggestions], ())
        attached = [_attached(card), *suggested]
        said = [{"type": "message", "summary": message.saying.text[:SUMMARY_MAX], "attachments": attached}]
        words = _words_above(message)
    else:
        said, words = [], list(_words(message))
    return [*words, *said, *_files(message.saying.attachments, offers=offers)]


def typing() -> Json:
    """That an answer is being written."""
    return {"type": "typing"}


def text(words: str) -> Json:
    """Words alone."""
    return {"type": "message", "text": words, "textFormat": "plain"}


def _card_in(message: Outbound) -> Json | None:
    """The card of a message, or the form that its question asks for as one; None where there is none, or it is larger
    than Teams takes."""
    card = message.saying.card
    if card is None:
        form = form_of(message.schema, message.language)
        card = None if form is None else card_of(form)
    if card is None:
        return None
    card = marked_card(card)
    version = card.get("version")
    if not isinstance(version, str) or _number(version) > _number(VERSION):
        card["version"] = VERSION
    return card if len(msgspec.json.encode(card)) <= CARD_BYTES_MAX else None


def _words_above(message: Outbound) -> list[Json]:
    """The words of a question that its form stands under; a card of the agent's own says its words itself."""
    return [] if message.saying.card is not None else list(_pieces(message, ()))


def _words(message: Outbound) -> Iterator[Json]:
    """The text, in pieces where it is long, the last with buttons."""
    found = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    has_markup = message.saying.card is not None or message.saying.format == "markdown" or found.listed
    if not has_markup:
        yield from _pieces(message, found.choices)
        return
    pieces = list(found.pieces(CAPABILITIES)) or ["…"]
    for piece in pieces[:-1]:
        yield {"type": "message", "text": piece, "textFormat": "markdown"}
    last: Json = {"type": "message", "text": pieces[-1], "textFormat": "markdown"}
    pictures = [{"contentType": "image/png", "contentUrl": each.url} for each in found.pictures]
    yield _with(last, [*pictures, *_buttons(found.choices, found.links)])


def _pieces(message: Outbound, choices: Sequence[Choice]) -> Iterator[Json]:
    """Words that were said plainly, as they were said; or in Markdown."""
    is_plain = message.saying.format == "plain"
    capabilities = msgspec.structs.replace(CAPABILITIES, markup="plain") if is_plain else CAPABILITIES
    alone = msgspec.structs.replace(message.saying, card=None, attachments=())
    pieces = list(shown(alone, capabilities).pieces(capabilities)) or ["…"]
    style = "plain" if is_plain else "markdown"
    for piece in pieces[:-1]:
        yield {"type": "message", "text": piece, "textFormat": style}
    yield _with({"type": "message", "text": pieces[-1], "textFormat": style}, _buttons(choices, ()))


def _with(activity: Json, attachments: Sequence[Json]) -> Json:
    return {**activity, "attachments": list(attachments)} if attachments else activity


def _buttons(choices: Sequence[Choice], links: Sequence[Any]) -> list[Json]:
    """A card of buttons alone: one without data is said in the customer's name when it is pressed."""
    actions = [*map(_button, choices), *({"type": "Action.OpenUrl", "title": e.title, "url": e.url} for e in links)]
    if not actions:
        return []
    return [_attached({"type": "AdaptiveCard", "version": VERSION, "body": [], "actions": actions})]


def _button(choice: Choice) -> Json:
    action: Json = {"type": "Action.Submit", "title": choice.title}
    if choice.data is None:
        return {**action, "data": {"msteams": {"type": "imBack", "value": choice.title}}}
    return marked_card({**action, "data": choice.data})


def _attached(card: Mapping[str, Any]) -> Json:
    return {"contentType": CARD, "content": dict(card)}


def _files(attachments: Sequence[Attachment], *, offers: bool) -> Iterator[Json]:
    """Pictures are shown; other files are offered, or there are links to them."""
    pictures = [each for each in attachments if each.content_type.startswith("image/")]
    others = [each for each in attachments if each not in pictures]
    if pictures:
        shown = [
            {"contentType": each.content_type, "contentUrl": each.url, "name": each.name or "image"}
            for each in pictures
        ]
        yield {"type": "message", "attachments": shown}
    if offers:
        yield from map(offered, others)
    elif others:
        yield link(*others)


def link(*files: Attachment) -> Json:
    """Links to files."""
    paras = [Para((Span(each.name or each.url, href=each.url),), is_tight=True) for each in files]
    return {"type": "message", "text": write(paras, "markdown"), "textFormat": "markdown"}


def _number(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() and len(part) < 4 for part in parts) else (99,)
