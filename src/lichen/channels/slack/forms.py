"""A form as inputs of a modal, or of a message, and what was filled in, each value of the kind that its field asks for.

Source: Slack, "Block Kit, input block", "Views".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

import msgspec

from lichen.core.speech.form import Choice, Field

INPUTS_MAX: Final = 50
LABEL_MAX, HINT_MAX, PLACEHOLDER_MAX = 2_000, 2_000, 150
OPTION_MAX, OPTION_VALUE_MAX, OPTIONS_MAX, GROUPS_MAX = 75, 150, 100, 100
TITLE_MAX, BUTTON_MAX = 24, 24
TEXT_MAX: Final = 3_000
ID_MAX: Final = 255
PRIVATE_MAX: Final = 3_000
CALLBACK: Final = "lichen_form"

Json = dict[str, Any]


class _Value(msgspec.Struct, frozen=True):
    """What one input holds."""

    type: str = ""
    value: str | None = None
    selected_date: str | None = None
    selected_time: str | None = None
    selected_option: Json | None = None
    selected_options: tuple[Json, ...] = ()


Values = Mapping[str, Mapping[str, _Value]]
"""What was filled in, by the id of the field and the kind of its input."""


def fits(fields: Sequence[Field]) -> bool:
    """Whether Slack can ask for this with inputs."""
    if not 0 < len(fields) <= INPUTS_MAX or len({each.id for each in fields}) < len(fields):
        return False
    return all(0 < len(each.id) <= ID_MAX and len(_kind(each)) <= ID_MAX and _options_fit(each) for each in fields)


def _options_fit(field: Field) -> bool:
    if field.kind not in ("choice", "choices"):
        return len(_json(field.on)) <= OPTION_VALUE_MAX
    values = [_json(each.value) for each in field.choices]
    are_short = all(0 < len(each) <= OPTION_VALUE_MAX for each in values)
    return are_short and 0 < len(values) <= OPTIONS_MAX * GROUPS_MAX and len(set(values)) == len(values)


def inputs(fields: Sequence[Field]) -> list[Json]:
    """An input for each field, called by the field's id."""
    return [_input(each) for each in fields]


def _input(field: Field) -> Json:
    hint = {"hint": _plain(field.hint, HINT_MAX)} if field.hint else {}
    return {
        "type": "input",
        "block_id": field.id,
        "label": _plain(field.label or field.id, LABEL_MAX),
        "optional": not field.required or field.kind == "toggle",
        "element": {**_element(field), "action_id": _kind(field)},
        **hint,
    }


def _kind(field: Field) -> str:
    """The id of an input: of what kind its value is, and of a toggle what it says when it is off."""
    return f"toggle:{_json(field.off)}" if field.kind == "toggle" else field.kind


def _element(field: Field) -> Json:
    match field.kind:
        case "text":
            return {"type": "plain_text_input", "multiline": field.multiline, **_lengths(field), **_initial(field)}
        case "number" | "integer":
            bounds = (("min_value", field.least), ("max_value", field.most))
            named = {name: str(value) for name, value in bounds if isinstance(value, int | float)}
            return {
                "type": "number_input",
                "is_decimal_allowed": field.kind == "number",
                **named,
                **_initial(field),
            }
        case "date":
            return {"type": "datepicker", **_initial(field, "initial_date")}
        case "time":
            return {"type": "timepicker", **_initial(field, "initial_time")}
        case "toggle":
            option = {"text": _plain(field.label or field.id, OPTION_MAX), "value": _json(field.on)}
            is_on = field.value is not None and field.value == field.on
            return {"type": "checkboxes", "options": [option], **({"initial_options": [option]} if is_on else {})}
        case "choice":
            return {"type": "static_select", **_options(field), **_chosen(field)}
        case "choices":
            return {"type": "multi_static_select", **_options(field)}
        case _:
            assert_never(field.kind)


def _lengths(field: Field) -> Json:
    least = {"min_length": field.least} if isinstance(field.least, int) and 0 < field.least <= TEXT_MAX else {}
    most = {"max_length": field.most} if isinstance(field.most, int) and 0 < field.most <= TEXT_MAX else {}
    return {**least, **most}


def _initial(field: Field, name: str = "initial_value") -> Json:
    return {} if field.value is None or isinstance(field.value, bool) else {name: str(field.value)[:TEXT_MAX]}


def _options(field: Field) -> Json:
    """The choices; more than a hundred in groups."""
    options = [_option(each) for each in field.choices]
    if len(options) <= OPTIONS_MAX:
        return {"options": options}
    starts = range(0, len(options), OPTIONS_MAX)
    groups = [
        {
            "label": _plain(f"{at + 1}–{min(at + OPTIONS_MAX, len(options))}", OPTION_MAX),
            "options": options[at : at + OPTIONS_MAX],
        }
        for at in starts
    ]
    return {"option_groups": groups}


def _option(choice: Choice) -> Json:
    return {"text": _plain(choice.title or _json(choice.value), OPTION_MAX), "value": _json(choice.value)}


def _chosen(field: Field) -> Json:
    found = next((each for each in field.choices if field.value is not None and each.value == field.value), None)
    return {"initial_option": _option(found)} if found else {}


# -- the modal ---------------------------------------------------------------------------------------------------


def view(title: str, submit: str, fields: Sequence[Field], private: str) -> Json:
    """The modal of a form. `private` comes back with what is filled in, and nobody sees it."""
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": _plain(title, TITLE_MAX),
        "submit": _plain(submit, BUTTON_MAX),
        "private_metadata": private,
        "blocks": inputs(fields),
    }


# -- what was filled in ------------------------------------------------------------------------------------------


def filled(values: Values) -> Json:
    """The values by field; a field that was left empty is not there."""
    found: Json = {}
    for id, inputs_ in values.items():
        for kind, value in inputs_.items():
            if (read := _read(kind, value)) is not None:
                found[id] = read
    return found


def words(values: Mapping[str, Any]) -> str:
    """What somebody says who sends these: one value by itself, several on lines of their own."""
    said = {name: value if isinstance(value, str) else _json(value) for name, value in values.items()}
    return next(iter(said.values())) if len(said) == 1 else "\n".join(f"{name}: {each}" for name, each in said.items())


def _read(kind: str, value: _Value) -> Any:
    name, _, off = kind.partition(":")
    match name:
        case "text":
            return value.value
        case "number" | "integer":
            return _number(value.value, name)
        case "date":
            return value.selected_date
        case "time":
            return value.selected_time
        case "toggle":
            return _parsed(value.selected_options[0]) if value.selected_options else _decoded(off)
        case "choice":
            return None if value.selected_option is None else _parsed(value.selected_option)
        case "choices":
            return [_parsed(each) for each in value.selected_options]
        case _:
            return None


def _number(text: str | None, kind: str) -> int | float | str | None:
    """A number as it is; what is none stays as it was written, and the answer's schema says so."""
    if not text:
        return None
    try:
        found = float(text)
        if kind == "integer":
            return int(text)
        return int(found) if found == int(found) and abs(found) < 2**53 else found
    except (ValueError, OverflowError):
        return text


def _parsed(option: Json) -> Any:
    value: Any = option.get("value")
    return _decoded(value) if isinstance(value, str) else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _plain(text: str, longest: int) -> Json:
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return {"type": "plain_text", "text": short or "…"}
