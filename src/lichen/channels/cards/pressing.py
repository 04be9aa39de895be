"""What the buttons of our cards send: the data of the card, and beside it the words on the button.

A platform brings back what an action's `data` holds and not its title, so the title goes along under a key of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

OWN: Final = "lichen"
DATA: Final = "data"
DEPTH_MAX: Final = 64
_SENDS: Final = ("Action.Submit", "Action.Execute")


def marked_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card with the words of each button in its data."""
    return cast("dict[str, Any]", _marked(dict(card), 0))


def _marked(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return value
    if isinstance(value, list):
        return [_marked(each, depth + 1) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    rest = {name: each if name == "data" else _marked(each, depth + 1) for name, each in fields.items()}
    title = fields.get("title")
    if fields.get("type") not in _SENDS or not isinstance(title, str):
        return rest
    data = fields.get("data")
    if isinstance(data, dict):
        return {**rest, "data": {**cast("dict[str, Any]", data), OWN: {"title": title}}}
    kept = {} if data is None else {DATA: data}
    return {**rest, "data": {OWN: {"title": title, **kept}}}


def pressed(value: Any, *, verb: str = "") -> tuple[str, dict[str, Any]]:
    """What somebody says who presses a button that sent this, and the data that comes with it: of a card that is not
    ours the verb, or the data as JSON, is what they say."""
    if not isinstance(value, dict):
        said = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
        return verb or said, {} if value is None else {"value": value, "metadata": {}}
    sent = cast("dict[str, Any]", value)
    own: Any = sent.get(OWN)
    fields = {name: each for name, each in sent.items() if name not in (OWN, "msteams")}
    if not isinstance(own, dict):
        return verb or msgspec.json.encode(fields).decode(), _beside(fields)
    ours = cast("dict[str, Any]", own)
    title: Any = ours.get("title")
    words = title if isinstance(title, str) else verb
    if DATA in ours and not fields:
        return words, {"value": ours[DATA], "metadata": {}}
    return words, _beside({**({DATA: ours[DATA]} if DATA in ours else {}), **fields}) if fields else {}


def _beside(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "value": fields, "metadata": fields}
