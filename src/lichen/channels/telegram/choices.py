"""What may be chosen, as the data of a button: it comes back when it is pressed, in 64 bytes at most."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from lichen.channels.cards.showing import Choice, is_pressed, pressed_as
from lichen.engine.ports import Outbound

DATA_BYTES_MAX: Final = 64
OWN: Final = "l:"


class _Chosen(msgspec.Struct, frozen=True, omit_defaults=True):
    d: Any = None


def data_of(choice: Choice, n: int, message: Outbound) -> str:
    """The data of a choice of this message. Of what is too long for it only where it is found again."""
    if choice.data is None:
        return f"n:{n}"
    whole = OWN + msgspec.json.encode(_Chosen(choice.data)).decode()
    return whole if len(whole.encode()) <= DATA_BYTES_MAX else pressed_as(message.id, n, message.session)


def chosen(data: str, title: str) -> tuple[str, dict[str, Any]]:
    """What somebody says who presses a button with this data and these words on it, and what comes with it."""
    if not data.startswith(OWN):
        return title or ("" if data.startswith("n:") or is_pressed(data) else data), {}
    try:
        found: Any = msgspec.json.decode(data[len(OWN) :], type=_Chosen).d  # pyright: ignore[reportUnknownMemberType]
    except (msgspec.DecodeError, ValueError, RecursionError):
        return title, {}
    fields = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return title or msgspec.json.encode(found).decode(), {**fields, "value": found, "metadata": fields}
