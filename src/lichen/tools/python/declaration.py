"""What an author declares of a Python tool beside its function, and the contract that follows from both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import (
    CircuitBreaker,
    InvalidArguments,
    Origin,
    Paging,
    Placement,
    Retry,
    SecretNames,
    ToolRole,
    ToolSpec,
)
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec, require_object
from lichen.tools.faults import faults
from lichen.tools.python.artifacts import ArtifactCodecs
from lichen.tools.python.function import Function, default_name, import_path
from lichen.tools.spec import checked_name, pinned, tool_invalid

OF_MAX = 100  # calls that a circuit breaker looks back at
FACTS_BYTES_MAX = 64 * 1024
ONE_ATTEMPT = Retry()
KEY = "idempotency_key"  # what a probe may ask for beside the tool's own arguments

PythonEffects = Literal["none", "idempotent", "once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The options of `tool`, which documents them."""

    name: str | None = None
    description: str | None = None
    effects: PythonEffects = "once"
    facts: Callable[..., Any] | None = None
    probe: Callable[..., Any] | None = None
    audit: Sequence[str] = ()
    timeout_s: float = 30.0
    runs: Placement | None = None
    retry: Retry = ONE_ATTEMPT
    tags: Sequence[str] = ()
    origin: Origin = "records"
    record_fields: Sequence[str] = ()
    cost: int | None = None
    role: ToolRole = "work"
    confirm: str = ""
    call_hint: str = ""
    result_hint: str = ""
    reminder: str = ""
    example: Mapping[str, Any] | None = None
    artifacts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pages: Paging | None = None
    breaker: CircuitBreaker | None = None
    cage: Grant | None = None


@dataclass(frozen=True, slots=True)
class Codecs:
    """How a tool's arguments, result and facts cross between Python and JSON."""

    arguments: ArgumentCodec
    result: ResultCodec
    facts: ResultCodec | None
    artifacts: ArtifactCodecs


def facts_codec(resolver: Function) -> ResultCodec:
    """What encodes the facts of `resolver`. Raises Invalid (`tool_invalid`) if they are not a JSON object."""
    codec = ResultCodec(resolver.returns, resolver.place, noun="facts", bytes_max=FACTS_BYTES_MAX)
    require_object(codec.schema, "Facts", resolver.place)
    return codec


@dataclass(frozen=True, slots=True)
class Readers:
    """The functions that look at the world for a tool: before the gate decides, and after a crash."""

    facts: Function | None
    probe: Function | None

    def secrets(self, function: Function) -> SecretNames:
        """Those that the tool's function asks for, and these beside it."""
        return SecretNames(*(one.secrets if one else () for one in (function, self.facts, self.probe)))

    def needs(self, function: Function) -> tuple[str, ...]:
        """The attributes of a run that the tool's function needs, and these beside it."""
        every = (name for one in (function, self.facts, self.probe) if one for name in one.given.needs)
        return tuple(dict.fromkeys(every))

    def on(self, instance: object) -> Readers:
        """Those that are methods as functions of this instance."""
        return Readers(self.facts and self.facts.on(instance), self.probe and self.probe.on(instance))


def contract_of(function: Function, declaration: Declaration, codecs: Codecs, readers: Readers) -> ToolSpec:
    """The contract of `function` as declared, with what it and its readers ask for.

    Raises Invalid (`tool_invalid`) where the two do not fit together.
    """
    runs: Placement = declaration.runs or ("loop" if function.is_async else "thread")
    if runs in ("process", "jail"):
        _check_process(function)
    spec = ToolSpec(
        name=checked_name(declaration.name or default_name(function), function.place),
        description=function.summary if declaration.description is None else declaration.description,
        effects=declaration.effects,
        input_schema=codecs.arguments.schema,
        output_schema=codecs.result.schema,
        facts_schema=codecs.facts.schema if codecs.facts else None,
        timeout_s=float(declaration.timeout_s),
        retry=declaration.retry,
        audit=tuple(declaration.audit),
        tags=tuple(declaration.tags),
        origin=declaration.origin,
        record_fields=tuple(declaration.record_fields),
        has_probe=declaration.probe is not None,
        runs=runs,
        cost=_cost(declaration),
        secrets=readers.secrets(function),
        needs=readers.needs(function),
        role=declaration.role,
        confirm=declaration.confirm,
        call_hint=declaration.call_hint,
        result_hint=declaration.result_hint,
        reminder=declaration.reminder,
        example=declaration.example,
        artifacts=codecs.artifacts.specs,
        pages=declaration.pages,
        breaker=declaration.breaker,
        cage=declaration.cage or (Grant() if runs == "jail" else None),
    )
    wrong = (*_contradictions(spec, is_async=function.is_async), *faults(spec), *_unfit(spec, codecs.arguments))
    for message, step in wrong:
        raise tool_invalid(message, place=function.place, next_step=step)
    return pinned(spec)


def _cost(declaration: Declaration) -> int:
    if declaration.cost is None:
        return 1 if declaration.role == "work" else 0
    return declaration.cost


def _unfit(spec: ToolSpec, arguments: ArgumentCodec) -> Iterator[tuple[str, str]]:
    """An example that the tool itself would refuse."""
    if spec.example is None:
        return
    try:
        arguments.decode(msgspec.json.encode(spec.example))
    except (InvalidArguments, TypeError) as error:
        said = error.issues[0] if isinstance(error, InvalidArguments) else None
        where = f": {said.field or '/'} {said.message}" if said else "."
        yield f"The example does not fit the parameters{where}", "Give arguments that the tool accepts."


def _check_process(function: Function) -> None:
    if function.is_method:
        message, step = "A method cannot run in a process, which has no instance of its class.", "Leave out runs=."
        raise tool_invalid(message, place=function.place, next_step=step)
    import_path(function)


def check_reader(reader: Function, names: Iterable[str], what: str) -> None:
    """Raises Invalid (`tool_invalid`) if `reader` asks for an argument beside `names`."""
    allowed = set(names)
    for parameter in reader.parameters:
        if parameter.name not in allowed:
            message = f"The {what} asks for {parameter.name!r}, which the tool does not take."
            step = "Use the tool's own parameter names, a keyword-only CallMeta, and secrets."
            raise tool_invalid(message, place=reader.place, next_step=step)


def _contradictions(spec: ToolSpec, *, is_async: bool) -> Iterator[tuple[str, str]]:
    """What in `spec` cannot be meant, each with what to do about it."""
    if spec.effects not in get_args(PythonEffects):
        yield "A Python function has effects none, idempotent or once.", "Choose one; a child run is an agent_tool."
    if is_async and spec.runs == "thread":
        yield "An async function cannot run in a thread.", "Leave out runs=, or write def instead of async def."
    if spec.cage is not None and spec.runs != "jail":
        yield "What is granted counts in a jail.", 'Add runs="jail", or leave out cage=.'
    if spec.has_probe and spec.effects == "none":
        yield "A tool without effects has nothing to probe for.", "Leave out probe=."
    if spec.timeout_s <= 0 or spec.cost < 0 or spec.retry.attempts < 1 or spec.retry.backoff_s < 0:
        yield "A bound is out of range.", "timeout_s > 0, cost >= 0, retry.attempts >= 1, retry.backoff_s >= 0."
    if spec.breaker is not None and not _is_meant(spec.breaker):
        yield "A bound of the breaker is out of range.", "failures >= 0, 1 <= of <= 100, open_s > 0, answers >= 1."
    if missing := _beyond(spec.audit, spec.input_schema):
        yield f"audit names {missing!r}, which is no parameter.", "Name parameters of the function."
    if missing := _beyond(spec.record_fields, spec.output_schema):
        yield f"record_fields names {missing!r}, which is no field of the result.", "Name fields of the return type."


def _is_meant(breaker: CircuitBreaker) -> bool:
    return breaker.failures >= 0 and 1 <= breaker.of <= OF_MAX and breaker.open_s > 0 and breaker.answers >= 1


def _beyond(names: Iterable[str], schema: Any) -> str | None:
    """The first of `names` that is no property of `schema`."""
    properties = schema.get("properties", {})
    return next((name for name in names if name not in properties), None)
