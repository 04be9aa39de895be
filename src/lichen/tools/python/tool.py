"""Tools that are typed Python functions: `@tool` reads the contract off the signature."""

from __future__ import annotations

import asyncio
import copy
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    DidNotHappen,
    Happened,
    InvalidArguments,
    NotDone,
    Origin,
    Placement,
    Probe,
    Resources,
    Retry,
    SecretNames,
    ToolSpec,
)
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.failure import failure_of
from lichen.tools.python.declaration import (
    KEY,
    ONE_ATTEMPT,
    Codecs,
    Declaration,
    PythonEffects,
    check_reader,
    contract_of,
    facts_codec,
)
from lichen.tools.python.function import (
    Function,
    are_fixed,
    arguments_of,
    arguments_type,
    caller_names,
    import_path,
    read,
)
from lichen.tools.spec import tool_invalid
from lichen.tools.workers.frames import Job
from lichen.tools.workers.placement import Workers, contained, in_loop
from lichen.tools.workers.places import Owner, call_key

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Readers:
    """The functions that look at the world for a tool: before the gate decides, and after a crash."""

    facts: Function | None
    probe: Function | None

    def secrets(self, function: Function) -> SecretNames:
        """Those that the tool's function asks for, and these beside it."""
        each = (function, self.facts, self.probe)
        return SecretNames(*(tuple(dict.fromkeys(one.secrets.values())) if one else () for one in each))


class PythonTool(Generic[P, R]):
    """A typed Python function as a tool: still callable as that function, and a `Tool` for the engine.

    Made by `tool`. Whatever runs in a thread or a process needs `with_workers` first.
    """

    spec: ToolSpec
    __name__: str

    def __init__(self, function: Function, spec: ToolSpec, codecs: Codecs, readers: Readers) -> None:
        functools.update_wrapper(self, function.call)
        self.spec = spec
        self._function = function
        self._codecs = codecs
        self._readers = readers
        self._workers: Workers | None = None
        self._is_fixed = are_fixed(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself, as if it had not been decorated."""
        return self._function.call(*args, **kwargs)

    @property
    def place(self) -> str:
        """Where its function stands: `file:line`."""
        return self._function.place

    def with_workers(self, workers: Workers) -> Self:
        """A copy that runs on `workers`.

        Raises Invalid (`tool_invalid`) if a process would not find this tool under its function's name.
        """
        if self.spec.runs == "process" and not self._is_importable():
            step = "Decorate the function where it is defined, and keep its name."
            message = "A process would not find this tool under its function's name."
            raise tool_invalid(message, place=self._function.place, next_step=step)
        made = copy.copy(self)
        made._workers = workers
        return made

    def bound(self, resources: Resources) -> Self:
        """A copy that runs on the runtime's workers. Raises as `with_workers`."""
        return self.with_workers(resources.get(Workers))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments with defaults filled in, and their value. Raises InvalidArguments."""
        decoded = self._codecs.arguments.decode(args)
        decoded.is_shared = self._is_fixed
        return decoded

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """What the resolver finds, as a JSON object; `{}` without one. Raises what the resolver raises."""
        resolver, codec = self._readers.facts, self._codecs.facts
        if resolver is None or codec is None:
            return b"{}"
        return codec.encode(await self._read(resolver, self._values(args), meta))

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """The function's result as JSON.

        Raises NotDone where the function was certainly not entered, ResultRefused for a result that is not as
        declared, StillRunning or ToolFailed where the placement lost it, and what the function itself raises.
        """
        if self.spec.runs == "process":
            module, name = import_path(self._function)
            job = Job(module, name, self.spec.digest, args.data, meta)
            return await self._bound().in_process(job, owner=self._owner(meta), call=call_key(meta))
        keywords = self._keywords(args, meta)
        if self.spec.runs == "thread":
            return await self._bound().in_thread(
                lambda: self._encoded(self._function.call(**keywords)), owner=self._owner(meta), call=call_key(meta)
            )
        if self._function.is_async:
            return self._encoded(await in_loop(_awaited(self._function, keywords)))
        with contained():
            return self._encoded(self._function.call(**keywords))

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """What the probe found; CannotTell without one, and when it raises. See `tool`."""
        if self._readers.probe is None:
            return CannotTell()
        try:
            values = {**self._values(args), KEY: meta.idempotency_key}
            return self._found(await self._read(self._readers.probe, values, meta))
        except Exception as error:  # noqa: BLE001 - a probe that fails knows nothing, for whatever reason
            return CannotTell(failure_of(error))

    def run(self, args: bytes, meta: CallMeta) -> bytes:
        """The function's result as JSON, computed here and now, outside any event loop: the inside of a process."""
        value = self._function.call(**self._keywords(Arguments(args), meta))
        return self._encoded(asyncio.run(value) if self._function.is_async else value)

    async def _read(self, reader: Function, values: Mapping[str, Any], meta: CallMeta) -> Any:
        keywords = reader.keywords(values, meta)
        if not reader.is_async:
            return await self._bound().read_in_thread(lambda: reader.call(**keywords), owner=self._owner(meta))
        return await in_loop(_awaited(reader, keywords))

    def _owner(self, meta: CallMeta) -> Owner:
        return Owner(meta.scope.tenant, self.spec.name)

    def _found(self, value: Any) -> Probe:
        if isinstance(value, Happened | DidNotHappen | CannotTell):
            return value
        if value is not None:
            return Happened(self._encoded(value))
        return CannotTell() if self._codecs.result.accepts_null else DidNotHappen()

    def _encoded(self, value: Any) -> bytes:
        return self._codecs.result.encode(value)

    def _values(self, args: Arguments) -> dict[str, Any]:
        return arguments_of(self._codecs.arguments.value(args))

    def _keywords(self, args: Arguments, meta: CallMeta) -> dict[str, Any]:
        try:
            return self._function.keywords(self._values(args), meta)
        except InvalidArguments as error:
            raise NotDone(error.message, code=error.code, retryable=False) from error

    def _bound(self) -> Workers:
        if self._workers is None:
            raise NotDone("The tool has no workers to run on.", code="workers_missing", retryable=False)
        return self._workers

    def _is_importable(self) -> bool:
        module, name = import_path(self._function)
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        return isinstance(found, PythonTool) and found.spec == self.spec


async def _awaited(function: Function, keywords: Mapping[str, Any]) -> Any:
    with contained():
        return await function.call(**keywords)


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
    cost: int = 1,
) -> Callable[[Callable[P, R]], PythonTool[P, R]]: ...


def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a tool of a typed function: `@tool`, or `@tool(name="payments.refund", effects="once", ...)`.

    The parameters become the input schema: strict, no unknown fields, with `Annotated[..., Field(...)]` respected and
    defaults filled in. A keyword-only parameter annotated `CallMeta` is filled by the runtime and not in the schema; so
    is one annotated `Annotated[Secret, "payments.key"]`, with the secret of that name, of functions for facts and
    probes too.
    The return annotation becomes the output schema.

    - `name`: `toolset.tool` or `service.toolset.tool`; by default `<module>.<function>`.
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
    - `runs`: `loop`, `thread` or `process`. By default async functions run in the loop and others in a thread. A
      process is killed at its timeout; it isolates crashes and time, not trust.
    - `retry`: how often a call that raised NotDone is tried again.
    - `origin`: whether a result holds `records` of yours or words of a `third_party`. Records vouch for later arguments
      only if each argument of their own call is vouched for: said by the customer, a record itself, or a default.
    - `record_fields`: fields of the result that vouch whatever the tool was asked, as nobody else has a part in them.
    - `tags`, `cost`: what policies select by, and what a call takes from `Limits.calls`.

    Raises Invalid (`tool_invalid`, place file:line) if function and options do not make a tool.
    """
    names = caller_names(1)
    declaration = Declaration(**options)
    if function is not None:
        return _tool(function, declaration, names)

    def decorate(function: Callable[..., Any]) -> PythonTool[..., Any]:
        return _tool(function, declaration, names)

    return decorate


def _tool(call: Callable[..., Any], declaration: Declaration, names: Mapping[str, Any]) -> PythonTool[..., Any]:
    function = read(call, names)
    readers = Readers(
        facts=_reader(declaration.facts, names, function, "facts resolver"),
        probe=_reader(declaration.probe, names, function, "probe", KEY),
    )
    codecs = Codecs(
        arguments=ArgumentCodec(arguments_type(function), function.place),
        result=ResultCodec(function.returns, function.place),
        facts=facts_codec(readers.facts) if readers.facts else None,
    )
    contract = contract_of(function, declaration, codecs, readers.secrets(function))
    return PythonTool(function, contract, codecs, readers)


def _reader(
    call: Callable[..., Any] | None, names: Mapping[str, Any], tool: Function, what: str, *more: str
) -> Function | None:
    if call is None:
        return None
    reader = read(call, names)
    check_reader(reader, [*(parameter.name for parameter in tool.parameters), *more], what)
    return reader
