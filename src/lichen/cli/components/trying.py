"""A component asked outside of any project: its state is in memory, its secrets from a file, the network away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from lichen.cli.components.looking import read, spoken_with
from lichen.core.components.capabilities import Capabilities
from lichen.core.components.limits import CallLimits
from lichen.core.ports.secrets import Secret
from lichen.core.state.port import PLAIN, Change, StateKey, Stored
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Scope
from lichen.tools.wasm.port import Answered, Invocation, Reported, Services, Surroundings, TenantContext, Trapped

if TYPE_CHECKING:
    from lichen.tools.egress.reach import Reach

SCOPE: Final = Scope("test", "dev")
PREFIX: Final = "component.test"
EVERYTHING: Final = Capabilities(
    state_read=True, state_write=True, state_delete=True, telemetry=True, random=True, clocks=True
)  # fmt: skip


class Tried(msgspec.Struct, frozen=True):
    """What came of it: an answer or a failure, what it wrote, what it was refused, and the state that it left."""

    ok: bool
    payload: Any
    failure: Reported | None
    metadata: Mapping[str, Any]
    log: str
    refused: tuple[str, ...]
    state: Mapping[str, Any]


class MemoryStates:
    """Implements `States` for one try."""

    def __init__(self) -> None:
        self.kept: dict[StateKey, Any] = {}

    async def get(self, scope: Scope, key: StateKey) -> Stored | None:
        """The value of a key."""
        return Stored(self.kept[key], "1") if key in self.kept else None

    async def names(self, scope: Scope, key: StateKey) -> tuple[str, ...]:
        """The keys of a group that begin so."""
        return tuple(each.key for each in self.kept if each.prefix == key.prefix and each.key.startswith(key.key))

    async def set(self, scope: Scope, key: StateKey, value: Any, change: Change = PLAIN) -> None:
        """Keeps a whole value."""
        self.kept[key] = value

    async def delete(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> None:
        """Forgets a value."""
        self.kept.pop(key, None)

    async def delete_prefix(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> int:
        """Forgets a group of values."""
        found = [each for each in self.kept if each.prefix == key.prefix and each.key.startswith(key.key)]
        for each in found:
            del self.kept[each]
        return len(found)


class Around(NamedTuple):
    """What is around a question in the place of a runtime: state, secrets by their names, what it may, the network.

    Without `may` a component has all that there is.
    """

    states: MemoryStates
    secrets: Mapping[str, str] = {}
    may: Capabilities | None = None
    reach: Reach | None = None


class Trial:
    """A component that is asked outside of any project, each time in a fresh instance."""

    def __init__(self, path: Path) -> None:
        """Raises NotFound (`file_missing`, `extra_missing`), Invalid (`component_…`)."""
        self._program, self._spoken = spoken_with(read(path), path)

    def ask(self, asked: Invocation, around: Around) -> Tried:
        """What the component answers."""
        return asyncio.run(self._asked(asked, around))

    async def _asked(self, asked: Invocation, around: Around) -> Tried:
        from lichen.tools.wasm.imports.host import Granted, HostCall
        from lichen.tools.wasm.running.watch import Watch

        secrets = {name: Secret(value) for name, value in around.secrets.items()}
        may = around.may or msgspec.structs.replace(EVERYTHING, secrets=tuple(secrets))
        secrets = {name: value for name, value in secrets.items() if name in may.secrets}
        given = Surroundings(lambda: time.time_ns() // 1_000, os.urandom)  # noqa: TID251 - the outermost adapter
        loop, limits = asyncio.get_running_loop(), CallLimits()
        services = Services(around.states, around.reach, around=given)
        call = HostCall(Granted(may, PREFIX), services, scope=SCOPE, loop=loop, secrets=secrets)
        call.watch = watch = Watch(limits, call)

        def run() -> Answered:
            instance = self._program.instance(limits, watch)
            try:
                return self._spoken.family.invoke(instance, self._program.exports, asked)
            finally:
                instance.close()

        answered = await loop.run_in_executor(None, lambda: _stopped(run))
        return Tried(
            answered.failure is None,
            answered.payload,
            answered.failure,
            answered.metadata,
            b"".join(watch.written).decode(errors="replace"),
            tuple(call.notes),
            {key.key: value for key, value in around.states.kept.items()},
        )


def tried(path: Path, asked: Invocation, secrets: Mapping[str, str]) -> Tried:
    """What a component answers to one question. Raises as `Trial` does."""
    return Trial(path).ask(asked, Around(MemoryStates(), secrets))


def invocation(operation: str, payload: Any, config: Any) -> Invocation:
    """The question, for nobody in particular."""
    return Invocation(operation, payload, TenantContext(SCOPE, flow="test", node="test"), config)


def _stopped(run: Any) -> Answered:
    """A trap, or an answer that none is, as the failure that a run would see."""
    try:
        return run()
    except Trapped as trapped:
        return Answered(failure=Reported(f"component_{trapped.kind}", f"It was stopped: {trapped}."))
    except Invalid as error:
        return Answered(failure=Reported(error.code, error.message))
