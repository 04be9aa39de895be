"""What a contract says that cannot be meant, whoever wrote it: a function, a service, or a toolset that tightens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast, get_args

from lichen.core.ports.call import ToolRole, ToolSpec
from lichen.core.speech.template import Template, TemplateError, parse

REMINDER_CHARS_MAX: Final = 2_000
_SCALARS: Final = ("string", "integer", "number", "boolean", "null")
_SHORTER: Final = "Name it without what follows, as in {order_id}."
RESULT: Final = "result"  # what a result's hint calls the result

Fault = tuple[str, str]
"""What is wrong, and what to do about it."""


def faults(spec: ToolSpec) -> Iterator[Fault]:
    """Everything about a contract's role, words and example that cannot be meant."""
    yield from _role(spec)
    yield from _pages(spec)
    if len(spec.reminder) > REMINDER_CHARS_MAX:
        yield "The reminder is too long.", f"Use at most {REMINDER_CHARS_MAX} characters."
    for name in ("confirm", "call_hint", "result_hint"):
        yield from _template(spec, name)


def _role(spec: ToolSpec) -> Iterator[Fault]:
    if spec.role not in get_args(ToolRole):
        yield f"There is no role {spec.role!r}.", f"Use one of: {', '.join(get_args(ToolRole))}."
    elif spec.role != "work" and spec.cost:
        yield f"A {spec.role} tool is free of the budget.", "Leave out cost=."
    elif spec.role != "work" and spec.effects == "child":
        yield f"An agent is no {spec.role} tool.", "Leave out role=."
    elif spec.role == "terminal" and spec.reminder:
        yield "After a terminal tool nothing is planned that a reminder could be for.", "Leave out reminder=."


def _pages(spec: ToolSpec) -> Iterator[Fault]:
    if spec.pages is None:
        return
    arguments, fields = _properties(spec.input_schema), _properties(spec.output_schema)
    if spec.effects != "none" or spec.role != "work":
        yield "Only a tool without effects gives pages.", 'Say effects="none", or leave out pages=.'
    if spec.pages.cursor not in arguments or spec.pages.cursor in spec.input_schema.get("required", ()):
        step = f"Add {spec.pages.cursor}: str | None = None."
        yield f"There is no optional parameter {spec.pages.cursor!r} for a cursor.", step
    missing = [name for name in ("returned", "truncated", spec.pages.next) if name not in fields]
    if missing:
        step = f"Return an object with returned: int, truncated: bool and {spec.pages.next}: str | None."
        yield f"A page has no field {missing[0]!r}.", step


def _template(spec: ToolSpec, name: str) -> Iterator[Fault]:
    try:
        template = parse(getattr(spec, name))
    except TemplateError as error:
        yield f"{name} is no template: {error}.", "Write arguments in braces, as in {order_id}."
        return
    yield from _references(spec, name, template)


def _references(spec: ToolSpec, name: str, template: Template) -> Iterator[Fault]:
    arguments = _properties(spec.input_schema)
    if name == "result_hint" and spec.result_hint and RESULT in arguments:
        yield "A tool with a parameter called result has no result_hint.", "Rename the parameter."
    for reference in template.references:
        if name == "result_hint" and reference.name == RESULT:
            fields = _properties(spec.output_schema)
            if reference.path and fields and reference.path[0] not in fields:
                yield f"{name} names {reference.key!r}, and the result has no such field.", _one_of(fields)
            elif _ends_before(reference.path, spec.output_schema, spec.output_schema):
                yield f"{name} names {reference.key!r}, and what is named has no fields.", _SHORTER
        elif reference.name not in arguments:
            yield f"{name} names {reference.name!r}, which is no parameter.", _one_of(arguments)
        elif _ends_before(reference.path, arguments[reference.name], spec.input_schema):
            yield f"{name} names {reference.key!r}, and what is named has no fields.", _SHORTER


def _ends_before(path: Sequence[str], schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether a value of this schema is for certain something without fields before the path ends."""
    if not path or not isinstance(schema, Mapping):
        return False
    said = cast("Mapping[str, Any]", schema)
    if reference := str(said.get("$ref", "")).removeprefix("#/$defs/"):
        others = dict(_table(root.get("$defs")))
        return _ends_before(path, others.pop(reference, None), {**root, "$defs": others})
    if branches := [*said.get("anyOf", ()), *said.get("oneOf", ())]:
        return all(_ends_before(path, branch, root) for branch in branches)
    if said.get("type") in _SCALARS:
        return True
    return _ends_before(path[1:], _properties(said).get(path[0]), root)


def _table(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", schema.get("properties", {}))


def _one_of(names: Mapping[str, Any]) -> str:
    return f"Name one of: {', '.join(names) or 'none, it has none'}."
