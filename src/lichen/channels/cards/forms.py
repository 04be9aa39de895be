"""A form as an Adaptive Card: a heading, an input for each field, a button that sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

from lichen.core.speech.form import Field, Form, as_sent

VERSION: Final = "1.3"  # the first with labels and required inputs
_FEW: Final = 4  # choices that are shown all at once


def card_of(form: Form, *, text: str = "", data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The card of a form, under a text; `data` comes back with what is filled in."""
    heading = [_text(form.title, weight="Bolder")] if form.title else []
    words = [_text(text)] if text else []
    submit = {"type": "Action.Submit", "title": form.submit, **({"data": dict(data)} if data else {})}
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": VERSION,
        "body": [*heading, *words, *map(_input, form.fields)],
        "actions": [submit],
    }


def _text(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}


def _input(field: Field) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": field.id, "label": field.label}
    if field.required:
        shown["isRequired"] = True
        shown["errorMessage"] = field.error or field.label
    return {**_of_kind(field), **shown}


def _of_kind(field: Field) -> dict[str, Any]:
    hint = {"placeholder": field.hint} if field.hint else {}
    match field.kind:
        case "text":
            longest = {"maxLength": field.most} if isinstance(field.most, int) else {}
            pattern = {"regex": field.pattern} if field.pattern else {}
            lines = {"isMultiline": True} if field.multiline else {}
            return {"type": "Input.Text", **hint, **_value(field), **longest, **pattern, **lines}
        case "number" | "integer":
            return {"type": "Input.Number", **hint, **_value(field), **_bounds(field)}
        case "date":
            return {"type": "Input.Date", **_value(field), **_bounds(field)}
        case "time":
            return {"type": "Input.Time", **_value(field), **_bounds(field)}
        case "toggle":
            checked = "true" if field.value is True else "false"
            title = field.hint or field.label
            return {"type": "Input.Toggle", "title": title, "valueOn": "true", "valueOff": "false", "value": checked}
        case "choice" | "choices":
            return {"type": "Input.ChoiceSet", **_choices(field)}
        case _:
            assert_never(field.kind)


def _value(field: Field) -> dict[str, Any]:
    return {} if field.value is None else {"value": field.value}


def _bounds(field: Field) -> dict[str, Any]:
    named = (("min", field.least), ("max", field.most))
    return {name: bound for name, bound in named if bound is not None}


def _choices(field: Field) -> dict[str, Any]:
    """The choices; one that is no text is sent as JSON."""
    style = "expanded" if len(field.choices) <= _FEW else "compact"
    shown: dict[str, Any] = {
        "choices": [{"title": each.title, "value": as_sent(each.value)} for each in field.choices],
        "style": style,
    }
    if field.kind == "choices":
        shown["isMultiSelect"] = True
    if field.hint:
        shown["placeholder"] = field.hint
    chosen = [as_sent(each.value) for each in field.choices if each.value == field.value]
    return {**shown, "value": chosen[0]} if chosen else shown
