"""What a card says, in the order it is read, whatever it looks like: words, facts, pictures, inputs, buttons."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from lichen.core.speech.form import Field

ActionKind = Literal["submit", "execute", "open", "show", "toggle"]


class Run(msgspec.Struct, frozen=True, gc=False):
    """Words of one look within a text."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    href: str = ""


class Words(msgspec.Struct, frozen=True, tag="words"):
    """A text. `text` is as the card has it, and CommonMark; where the card has `runs` of different looks, these are
    plain, and `text` is theirs together."""

    text: str
    is_heading: bool = False
    runs: tuple[Run, ...] = ()


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A name and its value."""

    title: str
    value: str


class Facts(msgspec.Struct, frozen=True, tag="facts"):
    """Names and their values."""

    facts: tuple[Fact, ...]


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A picture by its address, `https:` or `data:`, with what it shows in words."""

    url: str
    alt: str = ""


class Media(msgspec.Struct, frozen=True, tag="media"):
    """A film or sound by its address."""

    url: str
    media_type: str = ""
    alt: str = ""


class Input(msgspec.Struct, frozen=True, tag="input"):
    """Something to be filled in."""

    field: Field


class Divider(msgspec.Struct, frozen=True, tag="divider"):
    """A line between what stands before and after."""


class Action(msgspec.Struct, frozen=True):
    """A button. `data` is what it sends when it is pressed, as the card has it, and `verb` what an `execute` is called;
    `url` is what it opens. `blocks` are what a `show` shows."""

    kind: ActionKind
    title: str
    data: Any = None
    url: str = ""
    verb: str = ""
    id: str = ""
    style: str = ""
    blocks: tuple[Block, ...] = ()


class Buttons(msgspec.Struct, frozen=True, tag="buttons"):
    """Buttons that stand beside each other."""

    actions: tuple[Action, ...]


Block: TypeAlias = Words | Facts | Picture | Media | Input | Divider | Buttons


class Card(msgspec.Struct, frozen=True):
    """What a card says. `dropped` are the types of elements that it has and nobody here can read."""

    blocks: tuple[Block, ...] = ()
    dropped: tuple[str, ...] = ()
    is_cut: bool = False  # there was more than is read


def actions_of(blocks: tuple[Block, ...]) -> tuple[Action, ...]:
    """All buttons, in order; those of a card that a button shows stand in for that button."""
    found: list[Action] = []
    for block in blocks:
        for action in block.actions if isinstance(block, Buttons) else ():
            found += actions_of(action.blocks) if action.kind == "show" else (action,)
    return tuple(found)


def fields_of(blocks: tuple[Block, ...]) -> tuple[Field, ...]:
    """Everything that may be filled in, those of cards that buttons show among it."""
    found: list[Field] = []
    for block in blocks:
        if isinstance(block, Input):
            found.append(block.field)
        for action in block.actions if isinstance(block, Buttons) else ():
            found += fields_of(action.blocks)
    return tuple(found)
