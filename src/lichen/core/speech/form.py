"""A form: what a question asks for, field by field, as a person fills it in.

Made of a JSON Schema by `form_of`; what comes back is checked against that schema, as any answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

FieldKind = Literal["text", "number", "integer", "date", "time", "toggle", "choice", "choices"]
FIELDS_MAX: Final = 50
_FORMATS: Final[Mapping[str, FieldKind]] = {"date": "date", "time": "time"}


class Choice(msgspec.Struct, frozen=True):
    """One of several: what is shown, and what is meant."""

    title: str
    value: Any


class Field(msgspec.Struct, frozen=True):
    """One thing to be filled in. `least` and `most` bound a number, a date, or the characters of a text; `value` is
    what is there already. A `toggle` sends `on` or `off`."""

    id: str
    kind: FieldKind = "text"
    label: str = ""
    hint: str = ""
    required: bool = False
    choices: tuple[Choice, ...] = ()
    value: Any = None
    least: Any = None
    most: Any = None
    pattern: str = ""
    multiline: bool = False
    error: str = ""
    on: Any = True
    off: Any = False


class Form(msgspec.Struct, frozen=True):
    """What is filled in, and what sends it."""

    fields: tuple[Field, ...]
    title: str = ""
    submit: str = "Send"


_SUBMIT: Final[Mapping[str, str]] = {
    "en": "Send",
    "de": "Absenden",
    "ja": "送信",
    "zh": "发送",
    "es": "Enviar",
    "fr": "Envoyer",
}


def form_of(schema: Mapping[str, Any], language: str = "") -> Form | None:
    """The form for a schema that is an object's with fields that a person can fill in; None for any other."""
    properties: Any = schema.get("properties") if schema.get("type") == "object" else None
    if not isinstance(properties, Mapping) or not 0 < len(cast("Mapping[str, Any]", properties)) <= FIELDS_MAX:
        return None
    required = _strings(schema.get("required"))
    fields: list[Field] = []
    for name, each in cast("Mapping[str, Any]", properties).items():
        field = _field(name, each, name in required)
        if field is None:
            return None
        fields.append(field)
    return Form(tuple(fields), _text(schema.get("title")), _SUBMIT.get(language, _SUBMIT["en"]))


def _field(name: str, schema: Any, required: bool) -> Field | None:
    if not isinstance(schema, Mapping):
        return None
    each = cast("Mapping[str, Any]", schema)
    kind, choices = _kind(each)
    if kind is None:
        return None
    low, high = ("minLength", "maxLength") if kind == "text" else ("minimum", "maximum")
    if kind == "choices":
        low, high = "minItems", "maxItems"
    return Field(
        name,
        kind,
        label=_text(each.get("title")) or _spelled(name),
        hint=_text(each.get("description")),
        required=required,
        choices=choices,
        value=each.get("default"),
        least=each.get(low),
        most=each.get(high),
        pattern=_text(each.get("pattern")),
        multiline=kind == "text" and _number(each.get("maxLength")) > 200,
    )


def _kind(schema: Mapping[str, Any]) -> tuple[FieldKind | None, tuple[Choice, ...]]:
    """How a person fills this in: None where nobody can."""
    if (choices := choices_of(schema)) is not None:
        return "choice", choices
    items: Any = schema.get("items")
    match schema.get("type"):
        case "string":
            return _FORMATS.get(_text(schema.get("format")), "text"), ()
        case "boolean":
            return "toggle", ()
        case "integer" | "number" as kind:
            return kind, ()
        case "array" if isinstance(items, Mapping):
            several = choices_of(cast("Mapping[str, Any]", items))
            return (None, ()) if several is None else ("choices", several)
        case _:
            return None, ()


def choices_of(schema: Mapping[str, Any]) -> tuple[Choice, ...] | None:
    """What a schema allows: its `enum`, or the `const` with its `title` of each in its `oneOf` or `anyOf`; None where
    it names nothing."""
    enum: Any = schema.get("enum")
    if isinstance(enum, Sequence) and not isinstance(enum, str):
        return tuple([Choice(as_sent(each), each) for each in cast("Sequence[Any]", enum)])
    options: Any = schema.get("oneOf", schema.get("anyOf"))
    if not isinstance(options, Sequence) or not options:
        return None
    found: list[Choice] = []
    for each in cast("Sequence[Any]", options):
        if not isinstance(each, Mapping) or "const" not in each:
            return None
        option = cast("Mapping[str, Any]", each)
        found.append(Choice(_text(option.get("title")) or as_sent(option["const"]), option["const"]))
    return tuple(found)


def as_sent(value: Any) -> str:
    """A value as an input sends it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _spelled(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple([each for each in cast("Sequence[Any]", value) if isinstance(each, str)])
