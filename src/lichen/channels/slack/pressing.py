"""What a button of ours bears as its value: what is said by pressing it, its data, and the form that it opens."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from lichen.core.speech.form import Field

VALUE_MAX: Final = 2_000
TITLE_MAX: Final = 200  # of what is kept where the rest is too long


class Press(msgspec.Struct, frozen=True, omit_defaults=True, rename={"title": "t", "data": "d", "fields": "f"}):
    """A button. `fields` are what a form asks for that opens when it is pressed; with `here` they stand in the message
    itself. Where the data is too long, `of` names the choice by which it is found again."""

    title: str
    data: Any = None
    fields: tuple[dict[str, Any], ...] = ()
    here: bool = False
    of: str = ""


_PLAIN: Final = msgspec.to_builtins(Field(""))


def press(title: str, data: Any, fields: tuple[Field, ...] = (), *, here: bool = False) -> Press:
    """A button for a form, of whose fields only what is not the default is kept."""
    kept = () if here else tuple([_kept(each) for each in fields])
    return Press(title, data, kept, here)


def _kept(field: Field) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(field)
    unread = () if field.kind == "toggle" else ("on", "off")
    return {name: value for name, value in whole.items() if value != _PLAIN[name] and name not in unread}


def written(button: Press) -> str | None:
    """The value of a button; None where it is too long."""
    value = msgspec.json.encode(button).decode()
    return value if len(value) <= VALUE_MAX else None


def short(button: Press, of: str) -> str:
    """The value of a button that is too long for one: only where it is found again."""
    return msgspec.json.encode(Press(button.title[:TITLE_MAX], here=button.here, of=of)).decode()


def read(value: str, title: str) -> Press:
    """What a pressed button bears. One that is not ours says its title."""
    try:
        return msgspec.json.decode(value, type=Press)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Press(title)


def fields_of(button: Press) -> tuple[Field, ...]:
    """The fields of the form that it opens."""
    return msgspec.convert(button.fields, tuple[Field, ...])


def beside(data: Any) -> dict[str, Any]:
    """What stands beside the words: data as itself, and its fields."""
    if data is None:
        return {}
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    return {**fields, "value": data, "metadata": fields}
