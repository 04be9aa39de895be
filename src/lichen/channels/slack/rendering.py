"""A message as Block Kit: heading, text, facts, pictures, buttons, a form behind one of them; within Slack's bounds.

Sources: Slack, "Block Kit, blocks"; greentic-messaging-providers, Slack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never
from urllib.parse import urlsplit

from msgspec.structs import replace

from lichen.channels.cards.blocks import (
    Action,
    Block,
    Buttons,
    Divider,
    Fact,
    Facts,
    Input,
    Media,
    Picture,
    Words,
)
from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.planning import plan
from lichen.channels.cards.reading import read
from lichen.channels.cards.showing import Choice, choices_of, pressed_as
from lichen.channels.cards.splitting import split_paras
from lichen.channels.cards.text import paras_of, paras_of_words
from lichen.channels.cards.writing import Para, Span, write
from lichen.channels.slack import forms, pressing
from lichen.channels.slack.words import escaped
from lichen.core.speech.form import Field, Form, form_of
from lichen.core.speech.saying import Attachment
from lichen.engine.answers.listed import titles_of
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("slack")
BLOCKS_MAX, ELEMENTS_MAX, FIELDS_MAX = 50, 25, 10
HEADER_MAX, TEXT_MAX, FIELD_MAX, BUTTON_MAX, ALT_MAX, URL_MAX = 150, 3_000, 2_000, 75, 2_000, 3_000
NAME_MAX: Final = 255
FILL: Final[Mapping[str, str]] = {
    "de": "Ausfüllen", "es": "Rellenar", "fr": "Remplir", "ja": "入力する", "zh": "填写",
}  # fmt: skip
_STYLES: Final[Mapping[str, str]] = {"positive": "primary", "destructive": "danger"}

Json = dict[str, Any]


def rendered(message: Outbound, *, uploads: bool = False) -> list[Json]:
    """What is posted, in this order: of each its text, and its blocks where words alone will not do; with `uploads` the
    files by themselves."""
    if not uploads or not message.saying.attachments:
        return _posts(message)
    files = [{"upload": {"url": each.url, "name": _name(each)}} for each in message.saying.attachments]
    return [*_posts(replace(message, saying=replace(message.saying, attachments=()))), *files]


def _posts(message: Outbound) -> list[Json]:
    blocks = list(_Writer(message).blocks())
    if blocks:
        summary, starts = _summary(message), range(0, len(blocks), BLOCKS_MAX)
        return [{"text": summary, "blocks": blocks[at : at + BLOCKS_MAX]} for at in starts]
    paras = paras_of(message.saying.text, message.saying.format)
    return [{"text": piece} for piece in _texts(paras)] or [{"text": "…"}]


def _name(file: Attachment) -> str:
    """What a file is called: as it is said, else as its address ends."""
    return (file.name or urlsplit(file.url).path.rpartition("/")[2] or "file")[:NAME_MAX]


def _summary(message: Outbound) -> str:
    """The message in words, for notifications and whoever has it read out."""
    found = escaped(plan(message.saying, CAPABILITIES).summary)
    return found if len(found) <= TEXT_MAX else _texts(paras_of(message.saying.text, "plain"))[0]


def _texts(paras: Sequence[Para], longest: int = TEXT_MAX) -> tuple[str, ...]:
    return split_paras(paras, "mrkdwn", longest=longest)


class _Writer:
    """One writing of a message; counts its buttons."""

    def __init__(self, message: Outbound) -> None:
        self._message, self._n, self._has_header = message, -1, False
        self._fields: tuple[Field, ...] = ()  # of the form that buttons open
        self._is_here = False  # whether they stand in the message itself, since no button can bear them

    def blocks(self) -> Iterator[Json]:
        """The blocks; none where words alone will do."""
        message, saying = self._message, self._message.saying
        form = _form(message) if saying.card is None else None
        choices = titles_of(message.suggestions, {} if form is not None else message.schema)
        if saying.card is not None:
            yield from self._card(read(saying.card).blocks)
        elif choices or form is not None or saying.attachments:
            yield from map(_section, _texts(paras_of(saying.text, saying.format)))
        if form is not None:
            title = form.title or FILL.get(message.language.partition("-")[0], "Fill in")
            blocks = (*map(Input, form.fields), Buttons((Action("submit", title),)))
            yield from self._card(blocks)
        yield from self._buttons([Action("submit", each) for each in choices])
        yield from _files(saying.attachments)

    def _card(self, blocks: tuple[Block, ...]) -> Iterator[Json]:
        self._is_here = any(self._is_too_much(blocks, ()))
        yield from self._level(blocks)
        self._is_here = False

    def _is_too_much(self, blocks: Sequence[Block], above: tuple[Field, ...]) -> Iterator[bool]:
        """Of each button that opens a form whether it cannot bear it."""
        fields = _fields(blocks, above)
        for each in (action for block in blocks if isinstance(block, Buttons) for action in block.actions):
            if each.kind == "show":
                yield from self._is_too_much(each.blocks, fields)
            elif each.kind != "open" and fields:
                yield pressing.written(pressing.press(each.title, each.data, fields)) is None

    def _level(self, blocks: Sequence[Block]) -> Iterator[Json]:
        """The blocks of a card, or of one that a button shows: what is filled in above belongs to its form too."""
        above = self._fields
        self._fields = _fields(blocks, above)
        yield from self._all(blocks)
        self._fields = above

    def _all(self, blocks: Sequence[Block]) -> Iterator[Json]:
        """The blocks, words that follow each other together."""
        paras: list[Para] = []
        for block in blocks:
            if isinstance(block, Words) and (header := self._header(block)):
                yield from _sections(paras)
                yield header
            elif isinstance(block, Words):
                paras += paras_of_words(block)
            elif isinstance(block, Input) and block.field not in self._fields:
                paras += _asked(block.field)
            elif not isinstance(block, Input) or self._is_here:
                yield from _sections(paras)
                yield from self._one(block)
        yield from _sections(paras)

    def _header(self, words: Words) -> Json | None:
        """The first heading, if it is short."""
        text = write(paras_of_words(words), "plain") if words.is_heading and not self._has_header else ""
        if not 0 < len(text) <= HEADER_MAX or "\n" in text:
            return None
        self._has_header = True
        return {"type": "header", "text": _plain(text, HEADER_MAX)}

    def _one(self, block: Block) -> Iterator[Json]:
        match block:
            case Facts(facts=facts):
                for at in range(0, len(facts), FIELDS_MAX):
                    yield {"type": "section", "fields": [_fact(each) for each in facts[at : at + FIELDS_MAX]]}
            case Picture():
                yield _picture(block.url, block.alt)
            case Media(url=url, alt=alt):
                yield from _sections([Para((Span(alt or url, href=url),))])
            case Divider():
                yield {"type": "divider"}
            case Buttons(actions=actions):
                yield from self._actions(actions)
            case Input(field=field):
                yield from forms.inputs((field,))
            case Words():
                pass
            case _:
                assert_never(block)

    def _actions(self, actions: Sequence[Action]) -> Iterator[Json]:
        """Buttons beside each other; what a button would show stands below its title."""
        yield from self._buttons([each for each in actions if each.kind in ("submit", "execute", "open")])
        for each in actions:
            if each.kind == "show":
                yield from _sections([Para((Span(each.title),), kind="heading")])
                yield from self._level(each.blocks)

    def _buttons(self, actions: Sequence[Action]) -> Iterator[Json]:
        elements = [self._button(each) for each in actions if len(each.url) <= URL_MAX]
        for at in range(0, len(elements), ELEMENTS_MAX):
            yield {"type": "actions", "elements": elements[at : at + ELEMENTS_MAX]}

    def _button(self, action: Action) -> Json:
        self._n += 1
        style = {"style": _STYLES[action.style]} if action.style in _STYLES else {}
        shown: Json = {"type": "button", "text": _plain(action.title, BUTTON_MAX), **style}
        if action.kind == "open":
            return {**shown, "action_id": f"ac_url_{self._n}", "url": action.url}
        return {**shown, "action_id": f"ac_action_{self._n}", "value": self._value(action)}

    def _value(self, action: Action) -> str:
        """What a button bears, or the place where that is found again."""
        button = pressing.press(action.title, action.data, self._fields, here=self._is_here)
        if (whole := pressing.written(button)) is not None:
            return whole
        message, choice = self._message, Choice(action.title, action.data)
        n = choices_of(message.saying, message.suggestions, message.schema).index(choice) + 1
        return pressing.short(button, pressed_as(message.id, n, message.session))


def _fields(blocks: Sequence[Block], above: tuple[Field, ...]) -> tuple[Field, ...]:
    """What the form of these blocks asks for, if Slack can ask for it."""
    found = (*above, *(each.field for each in blocks if isinstance(each, Input)))
    return found if forms.fits(found) else above


def _form(message: Outbound) -> Form | None:
    """The form of a question, if Slack can show it."""
    found = form_of(message.schema, message.language) if message.schema else None
    return found if found is not None and forms.fits(found.fields) else None


def _asked(field: Field) -> list[Para]:
    options = ", ".join(choice.title for choice in field.choices)
    return [Para((Span(f"{field.label}: {options or '…'}"),))]


def _sections(paras: list[Para]) -> Iterator[Json]:
    """Paragraphs as sections; they are written once."""
    tight = [replace(each, is_tight=n > 0) for n, each in enumerate(paras)]
    paras.clear()
    yield from map(_section, _texts(tight))


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _fact(fact: Fact) -> Json:
    spans = (Span(f"{fact.title}:", bold=True), Span(f" {fact.value}"))
    (first, *rest) = _texts([Para(spans)], FIELD_MAX - 1)
    return {"type": "mrkdwn", "text": f"{first}…" if rest else first}


def _picture(url: str, alt: str) -> Json:
    """A picture by its address; one that has none, or too long a one, in words."""
    if not url.startswith("https://") or len(url) > URL_MAX:
        return {"type": "context", "elements": [_plain(alt or "…", ALT_MAX)]}
    return {"type": "image", "image_url": url, "alt_text": (alt or "…")[:ALT_MAX]}


def _files(files: Sequence[Attachment]) -> Iterator[Json]:
    for each in files:
        if each.content_type.startswith("image/"):
            yield _picture(each.url, each.name)
        else:
            yield from _sections([Para((Span(each.name or each.url, href=each.url),))])


def _plain(text: str, longest: int) -> Json:
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return {"type": "plain_text", "text": short or "…"}
