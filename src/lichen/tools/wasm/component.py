"""A component that a project names: its code, the family it is of, what it was granted; linked at first use, and
compiled then too where that was put off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lichen.core.components.capabilities import Capabilities
from lichen.core.components.limits import CallLimits
from lichen.core.ports.call import CallMeta
from lichen.tools.wasm.port import Answered, Described, Exports, Family, Invocation, Services

if TYPE_CHECKING:  # what runs guests is loaded when one is
    from wasmtime.component import Component as Compiled

    from lichen.tools.wasm.imports.host import HostCall
    from lichen.tools.wasm.running.cache import Cache
    from lichen.tools.wasm.running.program import Program

PREFIX: Final = "component."  # before the name of a component, in the names of its state


class Named(NamedTuple):
    """What a project says of a component, as far as its calls need it."""

    name: str
    granted: Capabilities
    limits: CallLimits
    config: Any = None
    is_private: bool = False
    variables: Mapping[str, str] = {}
    may_ask: bool = False


class Component:
    """One component. Its instances share its code and nothing else."""

    def __init__(
        self,
        compiled: Compiled | Callable[[], Compiled],
        named: Named,
        family: Callable[[Exports], Family],
        digest: str,
        size: int = 0,
    ) -> None:
        self.digest, self.size = digest, size
        self._make = compiled if callable(compiled) else None
        self._compiled = None if callable(compiled) else compiled
        self._named, self._family = named, family
        self._lock = threading.Lock()
        self._program: Program | None = None
        self._cache: Cache | None = None

    @property
    def name(self) -> str:
        """What the project calls it."""
        return self._named.name

    @property
    def is_compiled(self) -> bool:
        """Whether its code is there; if not, whoever asks it first waits for that."""
        return self._compiled is not None

    @property
    def may_ask(self) -> bool:
        """Whether it may ask people something before it goes on."""
        return self._named.may_ask

    @property
    def config(self) -> Any:
        """What it is configured with."""
        return self._named.config

    @property
    def program(self) -> Program:
        """It with what answers it; whoever comes first waits for that. Raises Invalid where it is compiled only now,
        and cannot be."""
        with self._lock:
            if self._program is None:
                self._program = _linked(self._code())
            return self._program

    def _code(self) -> Compiled:
        if self._compiled is None:
            assert self._make is not None, "what has no code has what makes it"
            self._compiled, self._make = self._make(), None
            if self._cache is not None:
                self._cache.keep(self.digest, self._compiled)
        return self._compiled

    def keep(self, cache: Cache) -> None:
        """Keeps its compiled code, unless that is there already: now, or once it is compiled."""
        with self._lock:
            self._cache = cache
            if self._compiled is not None:
                cache.keep(self.digest, self._compiled)

    def call(self, meta: CallMeta, loop: asyncio.AbstractEventLoop, services: Services) -> HostCall:
        """What a call has of us."""
        from lichen.tools.wasm.imports.host import Granted, HostCall

        named = self._named
        return HostCall(
            Granted(named.granted, f"{PREFIX}{named.name}", named.is_private),
            services,
            scope=meta.scope,
            loop=loop,
            secrets=meta.secrets,
            idempotency_key=meta.idempotency_key,
            timeout_s=max(meta.timeout_s, 0.001),
        )

    def ask(self, call: HostCall, asked: Invocation) -> Answered:
        """What came of a question. Runs the guest where it is called. Raises Trapped, Invalid."""
        from lichen.tools.wasm.running.watch import Watch

        program = self.program
        call.watch = Watch(self._named.limits, call)
        if call.gave_up:
            call.watch.cancel()
        instance = program.instance(self._named.limits, call.watch, self._named.variables)
        try:
            return self._family(program.exports).invoke(instance, program.exports, asked)
        finally:
            instance.close()

    def describe(self) -> Described:
        """What it says of itself, asked with nothing granted. Raises Trapped, Invalid."""
        from lichen.tools.wasm.imports.host import ungranted

        program = self.program
        instance = program.instance(self._named.limits, ungranted(self._named.limits))
        try:
            return self._family(program.exports).describe(instance, program.exports)
        finally:
            instance.close()


def _linked(compiled: Compiled) -> Program:
    from lichen.tools.wasm.imports.answers import ANSWERS
    from lichen.tools.wasm.running.program import Program

    return Program(compiled, ANSWERS)
