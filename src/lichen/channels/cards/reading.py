"""An Adaptive Card read into blocks, in the order a person reads it.

Containers and columns are only what stands in them; what is hidden until a button shows it stands there too, since a
platform that cannot show the card cannot show it later. Elements that nobody here knows give way to their `fallback`.
Source: Adaptive Cards 1.6, https://adaptivecards.io/explorer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from lichen.channels.cards.blocks import (
    Action,
    ActionKind,
    Block,
    Buttons,
    Card,
    Divider,
    Fact,
    Facts,
    Input,
    Media,
    Picture,
    Run,
    Words,
)
from lichen.core.speech.form import Choice, Field, FieldKind

DEPTH_MAX: Final = 16
JSON_DEPTH_MAX: Final = 64
ELEMENTS_MAX: Final = 500
TEXT_CHARACTERS_MAX: Final = 16 * 1024
_ACTIONS: Final[Mapping[str, ActionKind]] = {
    "Action.Submit": "submit",
    "Action.Execute": "execute",
    "Action.OpenUrl": "open",
    "Action.ShowCard": "show",
    "Action.ToggleVisibility": "toggle",
}
_INPUTS: Final[Mapping[str, FieldKind]] = {
    "Input.Text": "text",
    "Input.Number": "number",
    "Input.Date": "date",
    "Input.Time": "time",
    "Input.Toggle": "toggle",
    "Input.ChoiceSet": "choice",
}
_WITHIN: Final[Mapping[str, str]] = {
    "Container": "items",
    "Column": "items",
    "ColumnSet": "columns",
    "TableCell": "items",
    "Carousel": "pages",
    "CarouselPage": "items",
}
"""Elements that are only what stands in them, and where that stands."""


def read(card: Mapping[str, Any]) -> Card:
    """What a card says. Reads whatever is there: a part in another form than it should have says nothing."""
    reader = _Reader(card)
    blocks = tuple(_joined(reader.card(card, 0)))
    return Card(blocks, tuple(dict.fromkeys(reader.dropped)), reader.is_cut)


class _Reader:
    """One reading of one card, which counts what it has read."""

    def __init__(self, card: Mapping[str, Any]) -> None:
        self.dropped: list[str] = []
        self.is_cut = False
        self._left = ELEMENTS_MAX
        self._toggled = frozenset(_toggled(card, JSON_DEPTH_MAX))

    def card(self, card: Mapping[str, Any], depth: int) -> Iterator[Block]:
        yield from self._elements(_list(card, "body"), depth)
        yield from self._buttons(_list(card, "actions"), depth)

    def _elements(self, elements: Iterable[Mapping[str, Any]], depth: int) -> Iterator[Block]:
        for element in elements:
            if self._left <= 0 or depth > DEPTH_MAX:
                self.is_cut = True
                return
            self._left -= 1
            if element.get("isVisible") is False and element.get("id") not in self._toggled:
                continue
            if element.get("separator") is True:
                yield Divider()
            yield from self._element(element, depth)

    def _element(self, element: Mapping[str, Any], depth: int) -> Iterator[Block]:
        match _text(element, "type"):
            case "TextBlock":
                yield from _words(element)
            case "RichTextBlock":
                yield from _rich(element)
            case "FactSet":
                yield from _facts(element)
            case "Image":
                yield from _picture(element)
                yield from self._buttons(_dicts([element.get("selectAction")]), depth)
            case "ImageSet":
                for image in _list(element, "images"):
                    yield from _picture(image)
            case "Media":
                yield from _media(element)
            case "ActionSet":
                yield from self._buttons(_list(element, "actions"), depth)
            case "Table":
                yield from self._table(element, depth)
            case str(name) if name in _WITHIN:
                yield from self._elements(_list(element, _WITHIN[name]), depth + 1)
                yield from self._buttons(_dicts([element.get("selectAction")]), depth)
            case str(name) if name in _INPUTS:
                yield from _input(element, _INPUTS[name])
            case name:
                yield from self._fallback(element, name, depth)

    def _fallback(self, element: Mapping[str, Any], name: str, depth: int) -> Iterator[Block]:
        instead = element.get("fallback")
        if isinstance(instead, dict):
            yield from self._elements([cast("dict[str, Any]", instead)], depth + 1)
        elif instead != "drop":
            self.dropped.append(name[:64])

    def _table(self, table: Mapping[str, Any], depth: int) -> Iterator[Block]:
        """Each row as a line, then whatever in it is no text."""
        for row in _list(table, "rows"):
            cells = [tuple(self._elements(_list(cell, "items"), depth + 2)) for cell in _list(row, "cells")]
            texts = [" ".join(each.text for each in cell if isinstance(each, Words)) for cell in cells]
            if any(texts):
                yield Words(" | ".join(texts))
            yield from (each for cell in cells for each in cell if not isinstance(each, Words))

    def _buttons(self, actions: Iterable[Mapping[str, Any]], depth: int) -> Iterator[Block]:
        found: list[Action] = []
        for each in actions:
            if self._left <= 0 or depth > DEPTH_MAX:
                self.is_cut = True
                break
            self._left -= 1
            found += self._action(each, depth)
        if found:
            yield Buttons(tuple(found))

    def _action(self, action: Mapping[str, Any], depth: int) -> Iterator[Action]:
        name, title = _text(action, "type"), _text(action, "title").strip()
        kind = _ACTIONS.get(name)
        if kind is None:
            instead = action.get("fallback")
            if isinstance(instead, dict) and depth < DEPTH_MAX:
                yield from self._action(cast("dict[str, Any]", instead), depth + 1)
            elif instead != "drop":
                self.dropped.append(name[:64])
            return
        blocks: tuple[Block, ...] = ()
        if kind == "show":
            (shown,) = _dicts([action.get("card")]) or ({},)
            blocks = tuple(_joined(self.card(shown, depth + 1)))
        url = address(_text(action, "url")) if kind == "open" else ""
        if not title or (kind == "open" and not url):
            return
        yield Action(
            kind,
            title,
            action.get("data"),
            url,
            _text(action, "verb"),
            _text(action, "id"),
            _text(action, "style"),
            blocks,
        )


def address(url: str) -> str:
    """The address, if it is one that a person may be led to; else nothing."""
    scheme = url.partition(":")[0].lower()
    is_whole = url.isprintable() and " " not in url and len(url) <= 2_048
    return url if scheme in ("http", "https", "mailto") and is_whole else ""


# -- one element -------------------------------------------------------------------------------------------------


def _words(element: Mapping[str, Any]) -> Iterator[Words]:
    if text := _text(element, "text").strip():
        yield Words(text, is_heading=_is_heading(element))


def _is_heading(element: Mapping[str, Any]) -> bool:
    weight, size, style = (_text(element, name).lower() for name in ("weight", "size", "style"))
    return weight == "bolder" or size in ("medium", "large", "extralarge") or style == "heading"


def _rich(element: Mapping[str, Any]) -> Iterator[Words]:
    runs = tuple(_runs(element.get("inlines")))
    text = "".join(run.text for run in runs).strip()
    if text:
        yield Words(text, runs=runs)


def _runs(inlines: Any) -> Iterator[Run]:
    for inline in cast("list[Any]", inlines) if isinstance(inlines, list) else ():
        if isinstance(inline, str):
            yield Run(inline[:TEXT_CHARACTERS_MAX])
        elif isinstance(inline, dict):
            each = cast("dict[str, Any]", inline)
            (select,) = _dicts([each.get("selectAction")]) or ({},)
            yield Run(
                _text(each, "text"),
                bold=_text(each, "weight").lower() == "bolder",
                italic=each.get("italic") is True,
                strike=each.get("strikethrough") is True,
                href=address(_text(select, "url")),
            )


def _facts(element: Mapping[str, Any]) -> Iterator[Facts]:
    facts = [Fact(_text(each, "title").strip(), _text(each, "value").strip()) for each in _list(element, "facts")]
    if found := tuple([each for each in facts if each.title or each.value]):
        yield Facts(found)


def _picture(element: Mapping[str, Any]) -> Iterator[Picture]:
    url = _text(element, "url")
    if address(url) or url.startswith("data:image/"):
        yield Picture(url, _text(element, "altText"))


def _media(element: Mapping[str, Any]) -> Iterator[Media]:
    for source in _list(element, "sources"):
        if url := address(_text(source, "url")):
            yield Media(url, _text(source, "mimeType"), _text(element, "altText"))
            return


def _input(element: Mapping[str, Any], kind: FieldKind) -> Iterator[Input]:
    id = _text(element, "id")
    if not id:
        return
    several = kind == "choice" and element.get("isMultiSelect") is True
    choices = [
        Choice(_text(each, "title") or _text(each, "value"), _text(each, "value")) for each in _list(element, "choices")
    ]
    title = _text(element, "title") if kind == "toggle" else ""
    yield Input(
        Field(
            id,
            "choices" if several else kind,
            label=_text(element, "label") or title or _text(element, "placeholder") or id,
            hint=_text(element, "placeholder"),
            required=element.get("isRequired") is True,
            choices=tuple(choices) if kind == "choice" else (),
            value=element.get("value"),
            least=element.get("min"),
            most=element.get("maxLength") if kind == "text" else element.get("max"),
            pattern=_text(element, "regex"),
            multiline=element.get("isMultiline") is True,
            error=_text(element, "errorMessage"),
            on=_text(element, "valueOn") or "true",
            off=_text(element, "valueOff") or "false",
        )
    )


# -- JSON of a stranger ------------------------------------------------------------------------------------------


def _text(element: Mapping[str, Any], name: str) -> str:
    """A text of an element; numbers and truths are written as JSON, where people put them for texts."""
    value = element.get(name)
    if isinstance(value, str):
        return value[:TEXT_CHARACTERS_MAX]
    return "" if value is None or isinstance(value, dict | list) else str(value).lower()[:64]


def _list(element: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = element.get(name)
    return _dicts(cast("list[Any]", found)) if isinstance(found, list | tuple) else []


def _dicts(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]


def _toggled(value: Any, depth: int) -> Iterator[str]:
    """The ids of elements that some button of a card shows."""
    if depth < 0:
        return
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _toggled(each, depth - 1)
    elif isinstance(value, dict):
        element = cast("dict[str, Any]", value)
        targets = element.get("targetElements")
        for each in cast("list[Any]", targets) if isinstance(targets, list) else ():
            target: Any = cast("dict[str, Any]", each).get("elementId") if isinstance(each, dict) else each
            if isinstance(target, str):
                yield target
        for each in element.values():
            yield from _toggled(each, depth - 1)


def _joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks without dividers that divide nothing."""
    before: Block | None = None
    for block in blocks:
        if isinstance(block, Divider):
            if before is not None:
                before = block
            continue
        if isinstance(before, Divider):
            yield before
        yield block
        before = block
