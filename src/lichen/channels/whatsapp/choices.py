"""What may be chosen, as the id of a button or a row: the id comes back when it is pressed, with the data in it."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from lichen.channels.cards.showing import Choice, pressed_as
from lichen.engine.ports import Outbound

OWN: Final = "l:"


class _Chosen(msgspec.Struct, frozen=True, omit_defaults=True):
    t: str
    d: Any = None


def id_of(choice: Choice, n: int, message: Outbound, *, longest: int) -> str:
    """The id of a choice of this message. Of data that is too long for it only where it is found again."""
    whole = OWN + msgspec.json.encode(_Chosen(choice.title, choice.data)).decode()
    return whole if len(whole) <= longest else pressed_as(message.id, n, message.session)


def chosen(id: str, title: str) -> tuple[str, dict[str, Any]]:
    """What somebody says who presses it, and the data that comes with it."""
    if not id.startswith(OWN):
        return title or id, {}
    try:
        found = msgspec.json.decode(id[len(OWN) :], type=_Chosen)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return title, {}
    data: Any = found.d  # pyright: ignore[reportUnknownMemberType] - JSON
    if data is None:
        return found.t, {}
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    return found.t, {**fields, "value": data, "metadata": fields}
