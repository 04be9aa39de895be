"""What a wait expects: checked when a plan asks for it, and against whatever is brought before the wait is closed.

Of a clarification the words are checked, or the fields of a form that has none; of an external wait its `result`. Other
waits are answered with an outcome, which has no schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.ports.plan import Awaited, WaitRequest
from lichen.core.reading.numbers import only_number
from lichen.core.speech.form import Choice, as_sent, choices_of, form_of
from lichen.core.speech.which import number_as_written
from lichen.core.words.content import Content
from lichen.core.words.errors import ContentErased, Invalid
from lichen.core.words.wait import Wait, WaitKind
from lichen.engine.act import Act
from lichen.engine.answers.forms import fields_of, parts_of, truth
from lichen.engine.answers.listed import by_words, choices_in, chosen
from lichen.tools.arguments.problem import Problem
from lichen.tools.arguments.schema import flaw, problem

SUGGESTIONS_MAX: Final = 8  # more are a list to read, not buttons to press
AWAITED_MAX: Final = 64
ID_CHARACTERS_MAX: Final = 256
WITH_ANSWER: Final[tuple[WaitKind, ...]] = ("clarification", "external")

_AROUND: Final = " \t\r\n.,;:!?\"'"
_BETWEEN: Final = re.compile(r"[,;\n]")


class Expected(NamedTuple):
    """What the answer of a wait must fit: nothing, where a plan asked for nothing or its words are gone."""

    kind: WaitKind
    schema: Mapping[str, Any] = {}
    awaits: tuple[Awaited, ...] = ()


# -- plans -------------------------------------------------------------------------------------------------------


def check_waits(waits: Sequence[WaitRequest]) -> None:
    """Raises Invalid (`answer_schema_invalid`) for a wait that expects what cannot be checked."""
    for i, wait in enumerate(waits):
        _check_kind(wait, f"/waits/{i}")
        _check_schema(wait.answer_schema, f"/waits/{i}/answer_schema")
        _check_awaits(wait.awaits, f"/waits/{i}/awaits")


def _check_kind(wait: WaitRequest, place: str) -> None:
    if wait.awaits and wait.kind != "external":
        raise _unusable("Only an external wait awaits results by their ids.", f"{place}/awaits")
    if wait.answer_schema and wait.kind not in WITH_ANSWER:
        raise _unusable(f"The answer to a wait of kind {wait.kind} has no schema.", f"{place}/answer_schema")


def _check_schema(schema: Mapping[str, Any], place: str) -> None:
    if schema and (found := flaw(schema)) is not None:
        raise _unusable(found.message, place + found.place)


def _check_awaits(awaits: Sequence[Awaited], place: str) -> None:
    if len(awaits) > AWAITED_MAX:
        raise _unusable(f"A wait awaits at most {AWAITED_MAX} results.", place)
    seen: set[str] = set()
    for i, each in enumerate(awaits):
        if not 0 < len(each.id) <= ID_CHARACTERS_MAX or each.id in seen:
            raise _unusable(f"An awaited id is used once and has 1-{ID_CHARACTERS_MAX} characters.", f"{place}/{i}/id")
        seen.add(each.id)
        _check_schema(each.result_schema, f"{place}/{i}/result_schema")


def _unusable(message: str, place: str) -> Invalid:
    return Invalid(message, code="answer_schema_invalid", place=place)


def suggestions(schema: Mapping[str, Any], subject: str) -> tuple[Content, ...]:
    """The few answers that are expected, for a channel to show as buttons: the choices, else the examples."""
    return offered_as(choices_in(schema), subject)


def offered_as(titles: Sequence[str], subject: str) -> tuple[Content, ...]:
    """The few choices as a message offers them."""
    is_few = 0 < len(titles) <= SUGGESTIONS_MAX
    return (Content("suggestions", subject, msgspec.json.encode(titles)),) if is_few else ()


def form_in(schema: Mapping[str, Any], subject: str) -> tuple[Content, ...]:
    """The schema of a form, beside the message that asks for it, for a channel that shows forms."""
    is_form = bool(fields_of(schema)) and form_of(schema) is not None
    return (Content("schema", subject, msgspec.json.encode(schema)),) if is_form else ()


# -- answers -----------------------------------------------------------------------------------------------------


def expected_of(act: Act, wait: Wait) -> Expected:
    """What an open wait of the run expects. One that was opened before schemas were checked, and whose own cannot be
    used, expects nothing, as it always did."""
    if wait.kind not in WITH_ANSWER:
        return Expected(wait.kind)
    try:
        contents = act.contents(wait.n)
    except ContentErased:
        return Expected(wait.kind)
    schema = msgspec.json.decode(contents.get("schema", b"{}"), type=dict[str, Any])
    awaits = msgspec.json.decode(contents.get("awaits", b"[]"), type=tuple[Awaited, ...])
    return Expected(wait.kind, schema if flaw(schema) is None else {}, awaits)


def check_answer(expected: Expected, body: Mapping[str, Any]) -> None:
    """Raises Invalid (`answer_unexpected`) with the place in the body of the first thing that is not as expected."""
    if expected.kind == "external" and "result" not in body and (expected.schema or expected.awaits):
        raise Invalid("An external result is brought as `result`.", code="answer_unexpected", place="/result")
    value, place = _brought(expected.kind, body)
    if (found := _misfit(expected, value)) is not None:
        raise Invalid(found.message, code="answer_unexpected", place=place + found.place)


def answer_to(kind: WaitKind, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer as planners read it: what is brought to a clarification as a `result` is its own fields."""
    result = body.get("result")
    if kind != "clarification" or not isinstance(result, dict):
        return dict(body)
    return {**cast("dict[str, Any]", result), **{name: value for name, value in body.items() if name != "result"}}


def _brought(kind: WaitKind, body: Mapping[str, Any]) -> tuple[Any, str]:
    """What of an answer is to fit, and where in the body that is."""
    if kind == "external":
        return body.get("result"), "/result"
    if "text" in body:
        return body["text"], "/text"
    if "result" not in body:
        return {name: value for name, value in body.items() if name != "key"}, ""
    result = body["result"]
    fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    return (fields["text"], "/result/text") if "text" in fields else (cast(Any, result), "/result")


def _misfit(expected: Expected, value: Any) -> Problem | None:
    found = problem(expected.schema, value) if expected.schema else None
    return found or (_results_misfit(expected.awaits, value) if expected.awaits else None)


def _results_misfit(awaits: Sequence[Awaited], value: Any) -> Problem | None:
    """What is wrong with results by their ids: each that is awaited is there once, and no other."""
    results = cast("dict[str, Any]", value).get("results") if isinstance(value, dict) else None
    if not isinstance(results, list):
        return Problem("/results", "The results are brought as a list.")
    left = {each.id: each for each in awaits}
    for i, result in enumerate(cast("list[Any]", results)):
        fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
        id = fields.get("id")
        if not isinstance(id, str) or id not in left:
            is_known = any(each.id == id for each in awaits)
            message = "This id was brought already." if is_known else "No result of this id is awaited."
            return Problem(f"/results/{i}/id", message)
        if (found := _result_misfit(left.pop(id), fields)) is not None:
            return Problem(f"/results/{i}{found.place}", found.message)
    return Problem("/results", f"{len(left)} of the awaited results are missing.") if left else None


def _result_misfit(awaited: Awaited, fields: Mapping[str, Any]) -> Problem | None:
    if fields.keys() - {"id", "result", "error"} or ("result" in fields) == ("error" in fields):
        return Problem("", "A result has its `id`, and either `result` or `error`.")
    if "error" in fields:
        return None if isinstance(fields["error"], dict) else Problem("/error", "An error is an object.")
    found = problem(awaited.result_schema, fields["result"]) if awaited.result_schema else None
    return found and Problem(f"/result{found.place}", found.message)


# -- words -------------------------------------------------------------------------------------------------------


def heard(
    expected: Expected, text: str, data: Any, body: dict[str, Any], *, language: str = "", numbered: bool = False
) -> dict[str, Any] | None:
    """The answer that a message is, made from its `body`; None when it is not what is expected.

    A choice is known by its letters alone: case, spaces and punctuation around it do not matter, and the planner gets
    it as it was offered. What else but text is expected is read from the words, or from the form that came with them; a
    number as it is written in the language. `numbered`: the choices were a list with numbers, which stand for them.
    """
    if not expected.schema and not expected.awaits:
        return body
    for value in readings(expected.schema, text, data, language=language, numbered=numbered):
        if _misfit(expected, value) is None:
            return _bearing(expected.kind, value, body)
    return None


def _bearing(kind: WaitKind, value: Any, body: dict[str, Any]) -> dict[str, Any]:
    if kind == "external":
        return {**body, "result": value}
    if isinstance(value, str):
        return {**body, "text": value}
    if not isinstance(value, dict):
        return {**body, "result": value}
    fields = cast("dict[str, Any]", value)
    return {**fields, **{name: each for name, each in body.items() if name == "text" or name not in fields}}


def unclear(expected: Expected, text: str, language: str) -> tuple[str, ...]:
    """The numbers that a message which is no answer could be, as they are written where they can be only one."""
    number = only_number(text.strip(_AROUND), language)
    if number is None or number.value is not None or not expected.schema:
        return ()
    fitting = [value for value in number.readings if _misfit(expected, _as_json(value)) is None]
    return tuple(number_as_written(value, language) for value in fitting) if len(fitting) > 1 else ()


def _as_json(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def readings(schema: Mapping[str, Any], text: str, data: Any, *, language: str, numbered: bool) -> Iterator[Any]:
    """Everything that a message may mean, the likeliest first."""
    choices = _values(schema)
    if (member := _member(choices, text, schema if numbered else None)) is not None:
        yield member.value
    if (several := _several(schema, text, numbered=numbered)) is not None:
        yield several
    yield text
    number = only_number(text.strip(_AROUND), language)
    if number is not None and number.value is not None:
        yield _as_json(number.value)
    if schema.get("type") == "boolean":
        yield from truth(text)
    if isinstance(data, dict):
        fields = cast("dict[str, Any]", data)
        sent: Any = fields.get("result", fields.get("value", fields))
        yield sent
        if isinstance(sent, dict) and fields_of(schema):
            yield _sent(schema, cast("dict[str, Any]", sent), language)
    if parts := parts_of(schema, text):
        yield _filled(schema, parts, language, numbered=numbered)


def _sent(schema: Mapping[str, Any], sent: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A form as a platform sends it, whose inputs give texts: what fits in each field, as it was sent where nothing
    does. What was left empty is not there."""
    filled: dict[str, Any] = {}
    for name, field in fields_of(schema).items():
        value: Any = sent.get(name)
        if value is None or value == "":
            continue
        found = readings(field, value, None, language=language, numbered=False) if isinstance(value, str) else ()
        fitting = (each for each in (value, *found) if not problem(field, each))
        filled[name] = next(fitting, value)
    return filled


def _filled(schema: Mapping[str, Any], parts: Mapping[str, str], language: str, *, numbered: bool) -> dict[str, Any]:
    """A form with what fits in each field, as it was written where nothing does."""
    fields = fields_of(schema)
    filled: dict[str, Any] = {}
    for name, words in parts.items():
        field = fields[name]
        found = readings(field, words, None, language=language, numbered=numbered and len(fields) == 1)
        filled[name] = next((each for each in found if not problem(field, each)), words)
    return filled


def _values(schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    """The choices of a schema in the order in which they are listed, examples among them."""
    if (allowed := choices_of(schema)) is not None:
        return allowed
    return tuple([Choice(each, each) for each in choices_in(schema)]) if "examples" in schema else ()


def _member(choices: Sequence[Choice], text: str, listed: Mapping[str, Any] | None) -> Choice | None:
    """The one of the choices that the words are, or the number where they are `listed`, as what is asked for."""
    titles = [each.title for each in choices]
    found = by_words(text, titles) if listed is None else chosen(text, titles, listed)
    if found is None and listed is None:  # as an input sends it
        found = next((i for i, each in enumerate(choices) if as_sent(each.value) == text), None)
    return None if found is None else choices[found]


def _several(schema: Mapping[str, Any], text: str, *, numbered: bool) -> list[Any] | None:
    """The choices that the words list, where several may be made."""
    found: Any = schema.get("items")
    items = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not (choices := choices_of(items)):
        return None
    parts = [part for part in _BETWEEN.split(text) if part.strip()]
    taken = [_member(choices, part, items if numbered else None) for part in parts]
    values = [each.value for each in taken if each is not None]
    return values if values and len(values) == len(parts) else None
