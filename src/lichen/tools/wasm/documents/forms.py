"""The questions by which a component is set up, read from what it says of them, and answers held against them.

Source: greentic-types, `ComponentQaSpec`, `Question`, `QuestionKind`, `SkipExpression` (0.6.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.trees import items, refused, table

QUESTIONS_MAX: Final = 200
OPTIONS_MAX: Final = 500
TEXT_CHARS_MAX: Final = 2_000
DEPTH_MAX: Final = 16
_WHAT: Final = "Its form"

Kind = Literal["text", "choice", "number", "bool", "inline_json", "asset_ref"]
KINDS: Final[Mapping[str, Kind]] = {
    "text": "text", "string": "text", "choice": "choice", "enum": "choice", "number": "number", "bool": "bool",
    "boolean": "bool", "inline_json": "inline_json", "json": "inline_json", "asset_ref": "asset_ref",
}  # fmt: skip
_TYPES: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "text": {"type": "string"},
    "choice": {"type": "string"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "inline_json": {},
    "asset_ref": {"type": "string"},
}


class Question(msgspec.Struct, frozen=True):
    """One question. `options` are what may be chosen, each with its label; `schema` is of what has to be JSON; `ends`
    are what a file may end with. `skip` is the condition under which nobody is asked."""

    id: str
    label: str
    kind: Kind
    required: bool = False
    help: str = ""
    default: Any = None
    options: Mapping[str, str] = {}
    schema: Mapping[str, Any] | None = None
    ends: tuple[str, ...] = ()
    skip: Mapping[str, Any] = {}


class Form(msgspec.Struct, frozen=True):
    """The questions of one mode."""

    title: str
    description: str = ""
    questions: tuple[Question, ...] = ()


def form_of(said: Any, words: Mapping[str, Any]) -> Form:
    """The form that a component says; `words` are its texts by their keys. Raises Invalid (`component_invalid`)."""
    fields = table(said)
    found = items(fields.get("questions"))
    if not isinstance(fields.get("questions"), list) or len(found) > QUESTIONS_MAX:
        raise refused(_WHAT, f"has no list of at most {QUESTIONS_MAX} questions")
    defaults = table(fields.get("defaults"))
    questions = tuple(_question(table(each), defaults, words) for each in found)
    if len({each.id for each in questions}) < len(questions):
        raise refused(_WHAT, "asks two questions of one name")
    return Form(_text(fields.get("title"), words), _text(fields.get("description"), words), questions)


def schema_of(form: Form) -> Mapping[str, Any]:
    """JSON Schema of the answers: an object, with every question that may be asked."""
    properties = {each.id: _schema(each) for each in form.questions}
    required = [each.id for each in form.questions if each.required and each.default is None and not each.skip]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": form.title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def is_skipped(question: Question, answers: Mapping[str, Any]) -> bool:
    """Whether nobody is asked this, after these answers."""
    return bool(question.skip) and _holds(question.skip, answers, 0)


def completed(form: Form, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers with defaults, without those to what is not asked.

    Raises Invalid (`qa_answer_unknown`, `qa_answer_missing`, `qa_answer_invalid`) at the JSON pointer of the first that
    is wrong.
    """
    known = {each.id for each in form.questions}
    for name in answers:
        if name not in known:
            step = f"Known are: {', '.join(sorted(known)[:20]) or 'none'}."
            raise Invalid("Nobody asks this.", code="qa_answer_unknown", place=f"/{name[:64]}", next_step=step)
    found: dict[str, Any] = {}
    for each in form.questions:
        if is_skipped(each, found):
            continue
        value = answers.get(each.id, each.default)
        if value is None or value == "":
            if each.required:
                step = f"Answer {each.label!r}."
                raise Invalid("This has to be said.", code="qa_answer_missing", place=f"/{each.id}", next_step=step)
            continue
        check(each, value)
        found[each.id] = value
    return found


def check(question: Question, value: Any) -> None:
    """Raises Invalid (`qa_answer_invalid`) for what is no answer to a question."""
    problem = _problem(question, value)
    if problem:
        place = f"/{question.id}"
        raise Invalid(
            f"This is no answer to it: {problem}.", code="qa_answer_invalid", place=place, next_step="Say it again."
        )


def _problem(question: Question, value: Any) -> str:
    match question.kind:
        case "text" if not isinstance(value, str):
            return "it is no text"
        case "number" if isinstance(value, bool) or not isinstance(value, int | float):
            return "it is no number"
        case "bool" if not isinstance(value, bool):
            return "it is neither true nor false"
        case "choice" if value not in question.options:
            return f"it is none of {', '.join(list(question.options)[:20])}"
        case "asset_ref" if not isinstance(value, str):
            return "it names no file"
        case "asset_ref" if question.ends and not str(value).endswith(tuple(f".{end}" for end in question.ends)):
            return f"its name ends with none of {', '.join(question.ends)}"
        case "inline_json" if question.schema:
            return _misfit(question.schema, value)
        case _:
            return ""


def _misfit(schema: Mapping[str, Any], value: Any) -> str:
    from lichen.tools.arguments import bounded  # with the first schema
    from lichen.tools.arguments.schema import flaw

    if flaw(schema) is not None:
        return "its schema cannot be checked"
    problem = bounded.misfit(schema, value)
    return "" if problem is None else f"{problem.place or '/'}: {problem.message}"


def _question(said: Mapping[str, Any], defaults: Mapping[str, Any], words: Mapping[str, Any]) -> Question:
    id, told = said.get("id", said.get("name")), said.get("kind", "text")
    if not isinstance(id, str) or not 0 < len(id) <= 128 or not id.isprintable():
        raise refused(_WHAT, "has a question without a name")
    detail = table(told)
    kind = KINDS.get(str(detail.get("type", told)))
    if kind is None:
        raise refused(_WHAT, f"asks {id!r} in a way that is not known")
    options = [table(each) for each in items(detail.get("options", said.get("options")))][:OPTIONS_MAX]
    chosen = {str(each.get("value")): _text(each.get("label"), words) or str(each.get("value")) for each in options}
    if kind == "choice" and not chosen:
        raise refused(_WHAT, f"lets {id!r} be chosen from nothing")
    default = said.get("default", defaults.get(id))
    return Question(
        id,
        _text(said.get("label", said.get("title")), words) or id,
        kind,
        said.get("required") is True,
        _text(said.get("help"), words),
        default,
        chosen,
        table(detail.get("schema")) or None,
        tuple(each for each in items(detail.get("file_types")) if isinstance(each, str)),
        table(said.get("skip_if")),
    )


def _text(said: Any, words: Mapping[str, Any]) -> str:
    """A text, or the one that a key stands for: as the component has it in the language, as it says itself, the key."""
    if isinstance(said, str):
        return _shown(said)
    fields = table(said)
    key = fields.get("key")
    for each in (words.get(key) if isinstance(key, str) else None, fields.get("fallback"), key):
        if isinstance(each, str) and each:
            return _shown(each)
    return ""


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:TEXT_CHARS_MAX])


def _schema(question: Question) -> Mapping[str, Any]:
    found: dict[str, Any] = {**_TYPES[question.kind], "title": question.label}
    if question.help:
        found["description"] = question.help
    if question.kind == "choice":
        found["enum"] = list(question.options)
    if question.kind == "inline_json" and question.schema:
        found = {**question.schema, **found}
    if question.default is not None:
        found["default"] = question.default
    return found


def _holds(skip: Mapping[str, Any], answers: Mapping[str, Any], depth: int) -> bool:
    if depth > DEPTH_MAX:
        raise refused(_WHAT, "has a condition that is too deep")
    match skip:
        case {"and": parts}:
            return all(_holds(table(each), answers, depth + 1) for each in items(parts))
        case {"or": parts}:
            return any(_holds(table(each), answers, depth + 1) for each in items(parts))
        case {"not": part}:
            return not _holds(table(part), answers, depth + 1)
        case {"condition": part}:
            return _holds(table(part), answers, depth + 1)
        case {"field": str(field)}:
            return _fits(skip, answers.get(field))
        case _:
            raise refused(_WHAT, "has a condition that is not known")


def _fits(condition: Mapping[str, Any], value: Any) -> bool:
    is_empty = value in (None, "")
    return (
        (condition.get("equals") is None or value == condition["equals"])
        and (condition.get("not_equals") is None or value != condition["not_equals"])
        and not (condition.get("is_empty") is True and not is_empty)
        and not (condition.get("is_not_empty") is True and is_empty)
    )
