"""What a platform without cards shows of a message: paragraphs, pictures, and what may be chosen, as buttons where it
has enough of them and else as a numbered list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from lichen.channels.cards.blocks import (
    Action,
    Block,
    Buttons,
    Divider,
    Facts,
    Input,
    Media,
    Picture,
    Words,
    actions_of,
)
from lichen.channels.cards.capabilities import Capabilities
from lichen.channels.cards.reading import read
from lichen.channels.cards.splitting import split_paras
from lichen.channels.cards.text import paras_of, paras_of_words
from lichen.channels.cards.writing import Para, Span
from lichen.core.speech.saying import Saying
from lichen.engine.answers.listed import chosen, has_numbers, titles_of

_PRESSED: Final = "p:"
_TAG: Final = 6  # characters


class Choice(msgspec.Struct, frozen=True):
    """What may be chosen: what is shown, and the data that comes with it, of a card's button."""

    title: str
    data: Any = None


class Shown(msgspec.Struct, frozen=True):
    """What is shown of a message. `choices` are buttons; where they are `listed` they stand in the text, with numbers
    where a number can be no answer itself, and there are no buttons. `links` are buttons that open an address; where
    there are no buttons they stand in the text."""

    paras: tuple[Para, ...]
    choices: tuple[Choice, ...] = ()
    links: tuple[Action, ...] = ()
    pictures: tuple[Picture, ...] = ()
    listed: bool = False

    def pieces(self, capabilities: Capabilities, *, longest: int | None = None) -> tuple[str, ...]:
        """The text in the platform's markup, in as many pieces as it takes."""
        longest = capabilities.text_max if longest is None else longest
        return split_paras(self.paras, capabilities.markup, longest=longest, unit=capabilities.unit)


def choices_of(
    saying: Saying, suggestions: Sequence[str] = (), schema: Mapping[str, Any] | None = None
) -> tuple[Choice, ...]:
    """What may be chosen of a message, in the order in which it is listed: what the buttons of its card send, then what
    is suggested, or else what the schema of a question allows."""
    actions = () if saying.card is None else actions_of(read(saying.card).blocks)
    of_card = [Choice(each.title, each.data) for each in actions if each.kind in ("submit", "execute")]
    return (*of_card, *map(Choice, titles_of(suggestions, schema or {})))


def pressed_as(message: str, n: int, session: str = "") -> str:
    """How a button names choice `n`, from 1, of the message with this id, where it can hold little: `p:o5~3fa2c1/2`.

    A session is named by the end of its id: a conversation may be several, one after the other.
    """
    return f"{_PRESSED}{message}{f'~{session[-_TAG:]}' if session else ''}/{n}"


def is_pressed(data: str) -> bool:
    """Whether a button names a choice so."""
    return data.startswith(_PRESSED)


class Pressed(NamedTuple):
    """What a button names: the end of its session's id, empty where it names none, a message, and a number; 0 for
    none."""

    session: str
    message: str
    n: int

    def is_of(self, session: str, *, is_first: bool) -> bool:
        """Whether it is one of this session, the first of its conversation or a later one."""
        return session[-_TAG:] == self.session if self.session else is_first


def pressed_in(pressed: str) -> Pressed:
    """What a button names."""
    of, _, n = pressed.removeprefix(_PRESSED).partition("/")
    message, _, session = of.partition("~")
    return Pressed(session, message, int(n) if n.isascii() and n.isdigit() and len(n) <= 3 else 0)


def choice_in(
    text: str, saying: Saying, suggestions: Sequence[str] = (), schema: Mapping[str, Any] | None = None
) -> Choice | None:
    """What a reply to a list chooses: by its number, where it had numbers, or by its words."""
    choices = choices_of(saying, suggestions, schema)
    found = chosen(text, [each.title for each in choices], schema or {})
    return None if found is None else choices[found]


def shown(
    saying: Saying,
    capabilities: Capabilities,
    *,
    suggestions: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
) -> Shown:
    """What a platform with these capabilities, which shows no cards, shows of a message: an `Outbound`'s `saying`,
    `suggestions` and `schema`."""
    choices = choices_of(saying, suggestions, schema)
    numbered = has_numbers([each.title for each in choices], schema or {})
    if saying.card is None:
        return _with_choices(paras_of(saying.text, saying.format), choices, (), (), capabilities, numbered=numbered)
    blocks = read(saying.card).blocks
    paras = tuple(_tight(_paras(blocks))) or paras_of(saying.text, saying.format)
    links = tuple([each for each in actions_of(blocks) if each.kind == "open"])
    pictures = tuple([each for each in _all(blocks) if isinstance(each, Picture)])
    return _with_choices(paras, choices, links, pictures, capabilities, numbered=numbered)


def _with_choices(
    paras: tuple[Para, ...],
    choices: tuple[Choice, ...],
    links: tuple[Action, ...],
    pictures: tuple[Picture, ...],
    capabilities: Capabilities,
    *,
    numbered: bool,
) -> Shown:
    room = capabilities.choices_max - len(choices)
    if room < 0:
        paras = (*paras, *_list(choices, numbered=numbered))
    if room < len(links):
        paras = (*paras, *_links(links))
    listed = room < 0
    return Shown(paras, () if listed else choices, () if room < len(links) else links, pictures, listed)


def _list(choices: Sequence[Choice], *, numbered: bool) -> Iterator[Para]:
    for i, each in enumerate(choices, 1):
        prefix = f"{i}. " if numbered else "• "
        yield Para((Span(" ".join(each.title.split())),), prefix=prefix, indent="   ", is_tight=i > 1)


def _links(links: Sequence[Action]) -> Iterator[Para]:
    for i, each in enumerate(links):
        yield Para((Span(each.title, href=each.url),), is_tight=i > 0)


def _all(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks, with those that buttons show."""
    for block in blocks:
        yield block
        for action in block.actions if isinstance(block, Buttons) else ():
            yield from _all(action.blocks)


def _tight(paras: Iterator[Para]) -> Iterator[Para]:
    for i, para in enumerate(paras):
        yield replace(para, is_tight=i > 0)


def _paras(blocks: Sequence[Block]) -> Iterator[Para]:
    for block in blocks:
        match block:
            case Words():
                yield from paras_of_words(block)
            case Facts(facts=facts):
                yield from (Para((Span(f"{each.title}:", bold=True), Span(f" {each.value}"))) for each in facts)
            case Input(field=field):
                options = ", ".join(choice.title for choice in field.choices)
                yield Para((Span(f"{field.label}: {options or '…'}"),))
            case Media(url=url, alt=alt):
                yield Para((Span(alt or url, href=url),))
            case Buttons(actions=actions):
                for action in (each for each in actions if each.kind == "show"):
                    yield Para((Span(action.title),), kind="heading")
                    yield from _paras(action.blocks)
            case Picture() | Divider():
                pass
            case _:
                assert_never(block)
