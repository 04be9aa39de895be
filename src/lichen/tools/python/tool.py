"""Tools that are typed Python functions: `@tool` reads the contract off the signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, ParamSpec, TypeVar, overload

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import CircuitBreaker, Origin, Paging, Placement, Retry, ToolRole
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.python.artifacts import ArtifactCodecs
from lichen.tools.python.declaration import (
    KEY,
    ONE_ATTEMPT,
    Codecs,
    Declaration,
    PythonEffects,
    Readers,
    check_reader,
    contract_of,
    facts_codec,
)
from lichen.tools.python.function import Function, arguments_type, caller_names, read
from lichen.tools.python.function_tool import PythonTool as PythonTool
from lichen.tools.spec import tool_invalid, written_at

P = ParamSpec("P")
R = TypeVar("R")


@overload
def tool(function: Callable[P, R], /) -> PythonTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effects: PythonEffects = "once",
    facts: Callable[..., Any] | None = None,
    probe: Callable[..., Any] | None = None,
    audit: Sequence[str] = (),
    timeout_s: float = 30.0,
    runs: Placement | None = None,
    retry: Retry = ONE_ATTEMPT,
    tags: Sequence[str] = (),
    origin: Origin = "records",
    record_fields: Sequence[str] = (),
    cost: int | None = None,
    role: ToolRole = "work",
    confirm: str = "",
    call_hint: str = "",
    result_hint: str = "",
    reminder: str = "",
    example: Mapping[str, Any] | None = None,
    artifacts: Mapping[str, Any] = {},
    pages: Paging | None = None,
    breaker: CircuitBreaker | None = None,
    cage: Grant | None = None,
) -> Callable[[Callable[P, R]], PythonTool[P, R]]: ...


def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a tool of a typed function: `@tool`, or `@tool(name="payments.refund", effects="once", ...)`.

    The parameters become the input schema: strict, no unknown fields, with `Annotated[..., Field(...)]` respected and
    defaults filled in. The return annotation becomes the output schema. A method is a tool of its class: see
    `Toolset.of`.

    Keyword-only parameters of these types are filled by the runtime and not in the schema, of functions for facts and
    probes too: `CallMeta`; one thing of it, `RunId`, `CallId`, `SessionId`, `TurnId`, `Scope`, `Actor` (the two of
    a session may be `| None`); `Annotated[str, Attribute("region")]`, an attribute that every run then has to be
    started with, unless it is `str | None`; `Annotated[Secret, "payments.key"]`, the secret of that name.

    - `name`: `toolset.tool` or `service.toolset.tool`; by default `<module>.<function>`, or `<class>.<method>`.
    - `description`: what a model reads; by default the first paragraph of the docstring.
    - `effects`: what repeating a call would do. `once` unless said otherwise, which is never wrong, only slower.
    - `facts`: a function that reads what policy decides on. It takes some of the arguments by name, and CallMeta if it
      likes, and returns an object: a model, dataclass, TypedDict or msgspec Struct.
    - `probe`: a function that looks whether a call happened. It takes `idempotency_key`, or some of the arguments by
      name, and CallMeta if it likes. It returns the result, if the call happened; None, if it certainly did not and
      never will; it raises anything, or returns CannotTell(), if it does not know. Where None is itself a result of
      the tool, None means CannotTell: return Happened(b"null") or DidNotHappen() instead.
    - `audit`: parameters kept under the tenant's retention key.
    - `timeout_s`: how long an attempt may take; the engine enforces it.
    - `runs`: `loop`, `thread`, `process` or `jail`. By default async functions run in the loop and others in a thread.
      A process is killed at its timeout; it isolates crashes and time, not trust. A jail isolates trust as well: each
      call has a process of its own. Facts and probes run outside.
    - `cage`: what a call in a jail has of the machine, `Grant(reads=("/srv/docs",))`; next to nothing without it.
    - `retry`: how often a call that raised NotDone is tried again.
    - `origin`: whether a result holds `records` of yours or words of a `third_party`. Records vouch for later arguments
      only if each argument of their own call is vouched for: said by the customer, a record itself, or a default.
    - `record_fields`: fields of the result that vouch whatever the tool was asked, as nobody else has a part in them.
    - `tags`, `cost`: what policies select by, and what a call takes from `Limits.calls`.
    - `role`: what a success leads to. `work`: the next plan. `bookkeeping`: nothing, it is free of the budget, and a
      plan may answer and make such calls at once. `terminal`: the end of the run, with its result as the answer.
    - `confirm`: a question to the customer, who has to agree before each call: `Refund {amount|money} for {order_id}?`
    - `call_hint`, `result_hint`: a line for people about a call and its end: `Order {order_id}`, `{result.status}`.
    - `reminder`: what a model is told beside each good result.
    - `example`: arguments that are right, which a model is shown when its own were not.
    - `artifacts`: kinds of things returned beside the result (`WithArtifacts`) that people see and models do not, each
      with its type, or an `Artifact` that says for whom it is.
    - `pages`: `Paging(cursor="cursor", next="next_cursor")` for results that come in pages, of a tool without effects:
      the optional parameter that takes a cursor, and the field that gives the next one, beside `returned`, `truncated`
      and, where it is known, `total`. A planner goes on with an action without arguments and sees no cursor.
    - `breaker`: `CircuitBreaker(failures=5, of=10, open_s=30, answers=2)`: when the tool is left alone.
      `codes` are those of NotDone that say that it is away. What lichen.toml says of the tool comes first.

    Raises Invalid (`tool_invalid`, place file:line) if function and options do not make a tool.
    """
    names = caller_names(1)
    _check_use(function, options)
    declaration = Declaration(**options)
    if function is not None:
        return _tool(function, declaration, names)

    def decorate(function: Callable[..., Any]) -> PythonTool[..., Any]:
        return _tool(function, declaration, names)

    return decorate


def _check_use(function: object, options: Mapping[str, Any]) -> None:
    """Raises Invalid (`tool_invalid`) for an option there is none of, and for what is no function."""
    known = [each.name for each in fields(Declaration)]
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        near = get_close_matches(unknown, known, 1)
        step = f"Write {near[0]}=." if near else f"Use some of: {', '.join(known)}."
        raise tool_invalid(f"@tool has no option {unknown!r}.", place=written_at(), next_step=step)
    if function is not None and not callable(function) and not isinstance(function, staticmethod | classmethod):
        step = f"Write @tool(name={function!r})." if isinstance(function, str) else "Decorate a function with @tool."
        raise tool_invalid(f"A {type(function).__name__} is no function.", place=written_at(), next_step=step)


def _tool(call: Callable[..., Any], declaration: Declaration, names: Mapping[str, Any]) -> PythonTool[..., Any]:
    return function_tool(read(call, names), declaration, names)


def function_tool(function: Function, declaration: Declaration, names: Mapping[str, Any]) -> PythonTool[..., Any]:
    """The tool that a function makes as declared. Raises Invalid (`tool_invalid`)."""
    readers = Readers(
        facts=_reader(declaration.facts, names, function, "facts resolver"),
        probe=_reader(declaration.probe, names, function, "probe", KEY),
    )
    artifacts = ArtifactCodecs(declaration.artifacts, function.returns, function.place)
    codecs = Codecs(
        arguments=ArgumentCodec(arguments_type(function), function.place),
        result=ResultCodec(artifacts.result_type, function.place),
        facts=facts_codec(readers.facts) if readers.facts else None,
        artifacts=artifacts,
    )
    contract = contract_of(function, declaration, codecs, readers)
    return PythonTool(function, contract, codecs, readers)


def _reader(
    call: Callable[..., Any] | None, names: Mapping[str, Any], tool: Function, what: str, *more: str
) -> Function | None:
    if call is None:
        return None
    reader = read(call, names)
    if reader.is_method and not tool.is_method:
        step = "Let both be methods of one class, or pass a function."
        raise tool_invalid(f"The {what} is a method, and the tool is none.", place=reader.place, next_step=step)
    check_reader(reader, [*(parameter.name for parameter in tool.parameters), *more], what)
    return reader
