"""A typed Python function as a tool: its arguments decoded, its result encoded, run where its contract says."""

from __future__ import annotations

import asyncio
import copy
import functools
import sys
from collections.abc import Mapping
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    DidNotHappen,
    Happened,
    InvalidArguments,
    NotDone,
    Probe,
    Produced,
    Resources,
    ToolSpec,
    produced,
)
from lichen.tools.failure import failure_of
from lichen.tools.python.declaration import KEY, Codecs, Readers
from lichen.tools.python.function import Function, are_fixed, arguments_of, import_path
from lichen.tools.spec import tool_invalid
from lichen.tools.workers.frames import Job
from lichen.tools.workers.placement import Workers, contained, in_loop
from lichen.tools.workers.places import Owner, call_key

P = ParamSpec("P")
R = TypeVar("R")


class PythonTool(Generic[P, R]):
    """A typed Python function as a tool: still callable as that function, and a `Tool` for the engine.

    Made by `tool`. Whatever runs in a thread or a process needs `with_workers` first. Of a method, the one that an
    instance of its class has is that instance's; any other gets an instance from the runtime.
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
        self._service: type | None = None  # whose method it is

    def __set_name__(self, owner: type, name: str) -> None:
        self._service = owner

    def __get__(self, instance: object, owner: type | None = None) -> PythonTool[..., R]:
        return self if instance is None or not self.is_method else self.on(instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself, as if it had not been decorated."""
        return self._function.call(*args, **kwargs)

    @property
    def place(self) -> str:
        """Where its function stands: `file:line`."""
        return self._function.place

    @property
    def is_method(self) -> bool:
        """Whether it still is to be given an instance of its class."""
        return self._function.is_method

    def on(self, instance: object) -> PythonTool[..., R]:
        """The method as a tool of this instance."""
        made = copy.copy(self)
        made._function, made._readers = self._function.on(instance), self._readers.on(instance)
        return made

    def of(self, service: type) -> PythonTool[P, R]:
        """The method as a tool of that class, of which the runtime gives it an instance."""
        made = copy.copy(self)
        made._service = service
        return made

    def with_workers(self, workers: Workers) -> Self:
        """A copy that runs on `workers`.

        Raises Invalid (`tool_invalid`) if a process would not find this tool under its function's name.
        """
        if self.spec.runs in ("process", "jail") and not self._is_importable():
            step = "Decorate the function where it is defined, and keep its name."
            message = "A process would not find this tool under its function's name."
            raise tool_invalid(message, place=self._function.place, next_step=step)
        made = copy.copy(self)
        made._workers = workers
        return made

    def bound(self, resources: Resources) -> PythonTool[..., R]:
        """A copy that runs on the runtime's workers, of a method on the runtime's instance of its class.

        Raises as `with_workers`, and NotFound (`resource_unknown`) where that cannot be made.
        """
        needs = self._service if self.is_method else None
        made = self if needs is None else self.on(cast("object", resources.made(needs)))
        return made.with_workers(resources.get(Workers))

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

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """The function's result as JSON, and its artifacts.

        Raises NotDone where the function was certainly not entered, ResultRefused for a result that is not as
        declared, StillRunning or ToolFailed where the placement lost it, and what the function itself raises.
        """
        if self.spec.runs in ("process", "jail"):
            module, name = import_path(self._function)
            job = Job(module, name, self.spec.digest, args.data, meta)
            owner, call = self._owner(meta), call_key(meta)
            return await self._bound().in_process(job, owner=owner, call=call, cage=self.spec.cage)
        keywords = self._keywords(args, meta)
        if self.spec.runs == "thread":
            return await self._bound().in_thread(
                lambda: self._produced(self._function.call(**keywords)), owner=self._owner(meta), call=call_key(meta)
            )
        if self._function.is_async:
            return self._produced(await in_loop(_awaited(self._function, keywords)))
        with contained:
            return self._produced(self._function.call(**keywords))

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """What the probe found; CannotTell without one, and when it raises. See `tool`."""
        if self._readers.probe is None:
            return CannotTell()
        try:
            values = {**self._values(args), KEY: meta.idempotency_key}
            return self._found(await self._read(self._readers.probe, values, meta))
        except Exception as error:  # noqa: BLE001 - a probe that fails knows nothing, for whatever reason
            return CannotTell(failure_of(error))

    def run(self, args: bytes, meta: CallMeta) -> bytes | Produced:
        """What the function gives, computed here and now, outside any event loop: the inside of a process."""
        value = self._function.call(**self._keywords(Arguments(args), meta))
        return self._produced(asyncio.run(value) if self._function.is_async else value)

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
            return Happened(produced(self._produced(value)).result)
        return CannotTell() if self._codecs.result.accepts_null else DidNotHappen()

    def _produced(self, value: Any) -> bytes | Produced:
        return self._codecs.artifacts.encode(value, self._codecs.result)

    def _values(self, args: Arguments) -> dict[str, Any]:
        return arguments_of(self._codecs.arguments.value(args))

    def _keywords(self, args: Arguments, meta: CallMeta) -> dict[str, Any]:
        if self.is_method:
            raise NotDone("The method was called without its service.", code="service_missing", retryable=False)
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
    with contained:
        return await function.call(**keywords)
