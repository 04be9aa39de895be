"""Types of answers: any type that pydantic knows, or a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from pydantic import create_model

from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Arguments, InvalidArguments, Issue
from lichen.core.words.errors import Invalid
from lichen.tools.arguments.codec import ArgumentCodec, declared
from lichen.tools.arguments.document import dump, parse

_BOX: Final = "answer"
_BEFORE, _AFTER = b'{"answer":', b"}"
_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


def answer_type(given: Any) -> AnswerType:
    """The type of an answer: `given` as it is if it is one, a JSON Schema, or a type that pydantic knows.

    Raises Invalid: `tool_invalid` for a type that JSON cannot hold strictly, `answer_schema_invalid` for a schema that
    cannot be checked.
    """
    if isinstance(given, (TypedAnswer, SchemaAnswer)):
        return given
    if given is object or given is Any:
        step = "Name a type with fields, or leave out `answers` for an answer in words."
        raise Invalid("Anything fits the type of the answer.", code="answer_schema_invalid", next_step=step)
    return SchemaAnswer(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else TypedAnswer(given)


class TypedAnswer:
    """Values of a Python type. Strict, as the arguments of tools are: "5" is no integer, no field is unknown."""

    def __init__(self, annotation: Any) -> None:
        self.name = _named(getattr(annotation, "__name__", "") or str(annotation))
        boxed: Any = declared(lambda: create_model("Box", **{_BOX: (annotation, ...)}), self.name)  # type: ignore[call-overload]
        self._codec = ArgumentCodec(boxed, self.name)
        self.schema: Mapping[str, Any] = _unboxed(self._codec.schema)

    def decode(self, data: bytes) -> bytes:
        """The canonical JSON of a value. Raises InvalidArguments."""
        parse(data)  # one document, so that nothing can close the box
        return self._read(data).data[len(_BEFORE) : -len(_AFTER)]

    def value(self, data: bytes) -> Any:
        """The value. Raises InvalidArguments."""
        return getattr(self._codec.value(self._read(data)), _BOX)

    def _read(self, data: bytes) -> Arguments:
        """The box around a value."""
        try:
            return self._codec.decode(_BEFORE + data + _AFTER)
        except InvalidArguments as error:
            raise InvalidArguments(tuple(map(_out_of_box, error.issues))) from None


class SchemaAnswer:
    """Values of a JSON Schema, which follows no references. `title` names it to a model."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from lichen.tools.arguments.schema import flaw  # its library is slow to load

        found = flaw(schema)
        if found is not None:
            step = "Write the schema without references, in the keywords of 2020-12."
            raise Invalid(found.message, code="answer_schema_invalid", next_step=step, place=found.place or None)
        self.schema = schema
        self.name = _named(str(schema.get("title", "")) or _BOX)

    def decode(self, data: bytes) -> bytes:
        """The canonical JSON of a value. Raises InvalidArguments with the first problem."""
        from lichen.tools.arguments.schema import problem

        tree = parse(data)
        found = problem(self.schema, tree)
        if found is not None:
            raise InvalidArguments((Issue(found.place, "invalid_format", found.message),))
        try:
            return dump(tree)
        except ValueError:
            message = "must hold text that UTF-8 can write."
            raise InvalidArguments((Issue("", "invalid_format", message),)) from None

    def value(self, data: bytes) -> Any:
        """The value as JSON has it."""
        return msgspec.json.decode(data)


def inlined(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same schema with what its references stand for in their place, as a `SchemaAnswer` takes it.

    Raises Invalid (`answer_schema_invalid`) for one that refers to itself.
    """
    defs = cast("Mapping[str, Any]", schema.get("$defs", {}))
    return cast("Mapping[str, Any]", _inlined({k: v for k, v in schema.items() if k != "$defs"}, defs, ()))


def _inlined(part: Any, defs: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    match part:
        case dict():
            fields = cast("dict[str, Any]", part)
            name = str(fields.get("$ref", "")).removeprefix("#/$defs/") if "$ref" in fields else ""
            if name and name in within:
                step = "Ask for a type that is not made of itself."
                raise Invalid("The type refers to itself.", code="answer_schema_invalid", next_step=step)
            rest = {key: _inlined(value, defs, within) for key, value in fields.items() if key != "$ref"}
            rest = {key: value for key, value in rest.items() if key != "discriminator"}
            return {**_inlined(defs[name], defs, (*within, name)), **rest} if name in defs else rest
        case list():
            return [_inlined(each, defs, within) for each in cast("list[Any]", part)]
        case _:
            return part


def _unboxed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what is in the box, with the definitions that it refers to."""
    inner: dict[str, Any] = dict(schema["properties"][_BOX])
    defs: dict[str, Any] = dict(schema.get("$defs", {}))
    if set(inner) == {"$ref"}:
        name = str(inner["$ref"]).removeprefix("#/$defs/")
        inner = dict(defs[name])
        if not _refers(inner, name) and not any(_refers(each, name) for key, each in defs.items() if key != name):
            del defs[name]
    inner.pop("title", None)
    return {**inner, "$defs": defs} if defs else inner


def _refers(part: Any, name: str) -> bool:
    match part:
        case dict():
            fields = cast("dict[str, Any]", part)
            return fields.get("$ref") == f"#/$defs/{name}" or any(_refers(each, name) for each in fields.values())
        case list():
            return any(_refers(each, name) for each in cast("list[Any]", part))
        case _:
            return False


def _out_of_box(issue: Issue) -> Issue:
    return Issue(issue.field.removeprefix(f"/{_BOX}"), issue.constraint, issue.message, issue.allowed)


def _named(name: str) -> str:
    return _NOT_NAME.sub("_", name).strip("_")[:64] or _BOX
