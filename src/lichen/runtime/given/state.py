"""What flows and agents remember between runs: `state.get`, `state.set` and `state.delete`, sealed, gone when erased.

Where it is kept is the project's to say. Values are sealed under the person they are about (a tenant's own values under
the tenant's retention key).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Effects, NotDone, Probe, Resources, Tool, ToolSpec
from lichen.core.state.port import TTL_S_MAX, Change, StateKey, States
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.flows.text.reach import MISSING, reach
from lichen.runtime.state.values import path_of
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import pinned

T = TypeVar("T")


class StateGet(BaseModel):
    """What to read."""

    key: Annotated[str, Field(min_length=1, max_length=256)]
    pointer: Annotated[str, Field(max_length=512, description="JSON pointer into the value.")] = ""
    scope: Literal["session", "user", "tenant"] = "session"
    fallback: Any = None


class StateSet(BaseModel):
    """What to keep, and where."""

    key: Annotated[str, Field(min_length=1, max_length=256)]
    value: Any = None
    pointer: Annotated[str, Field(max_length=512, description="JSON pointer into the value.")] = ""
    scope: Literal["session", "user", "tenant"] = "session"
    ttl_s: Annotated[int | None, Field(ge=0, le=TTL_S_MAX, description="Seconds until it ends; 0 for never.")] = None


class Kept(BaseModel):
    """A value, and whether it was there."""

    value: Any = None
    found: bool


class StateForget(BaseModel):
    """What to forget: one value, or with `prefix` every one whose key begins so."""

    key: Annotated[str, Field(min_length=1, max_length=256)]
    scope: Literal["session", "user", "tenant"] = "session"
    prefix: bool = False


class StateStore:
    """What the tools keep in `states`. `journal_of` opens a scope's journal, which has names for people."""

    def __init__(self, journal_of: Callable[[Scope], Journal], states: States) -> None:
        self._journal_of, self._states = journal_of, states

    async def get(self, asked: StateGet, meta: CallMeta) -> Kept:
        """The value at a key and pointer, else the fallback. What was erased is not there."""
        path = _said(lambda: path_of(asked.pointer))
        stored = await _told(self._states.get(meta.scope, self._key(asked.key, asked.scope, meta)))
        found = MISSING if stored is None else reach(stored.value, path)
        return Kept(value=asked.fallback, found=False) if found is MISSING else Kept(value=found, found=True)

    async def set(self, asked: StateSet, meta: CallMeta) -> Kept:
        """Keeps a value, or puts it into the one that is there. Under one idempotency key it happens once, whatever is
        set in between."""
        change = self._change(meta)._replace(pointer=asked.pointer, ttl_s=asked.ttl_s)
        await _told(self._states.set(meta.scope, self._key(asked.key, asked.scope, meta), asked.value, change))
        return Kept(found=True)  # an echo would be a record's word, and endorse what was set

    async def forget(self, asked: StateForget, meta: CallMeta) -> Kept:
        """Forgets a value, or all whose keys begin so."""
        key, change = self._key(asked.key, asked.scope, meta), self._change(meta)
        if asked.prefix:
            await _told(self._states.delete_prefix(meta.scope, key, change))
        else:
            await _told(self._states.delete(meta.scope, key, change))
        return Kept(found=False)

    def _change(self, meta: CallMeta) -> Change:
        return Change(once=meta.idempotency_key, by=f"agent:{meta.actor.id}", turn=meta.turn)

    def _key(self, key: str, scope: str, meta: CallMeta) -> StateKey:
        """Where a key lies, and whose key seals what is there."""
        person = self._journal_of(meta.scope).log.name(meta.actor.subject)
        match scope:
            case "user":
                return StateKey(meta.scope, "user", key, person, person)
            case "tenant":
                return StateKey(meta.scope, "tenant", key)
            case _ if meta.session:
                return StateKey(meta.scope, f"session.{meta.session}", key, subject=person)
            case _:
                raise NotDone("The run has no session to keep this for.", code="state_no_session", retryable=False)


async def _told(work: Awaitable[T]) -> T:
    """What a store of state gives. What it refuses is a refusal of the tool."""
    try:
        return await work
    except Invalid as error:
        raise NotDone(error.message, code=error.code, retryable=False) from None


def _said(make: Callable[[], T]) -> T:
    try:
        return make()
    except Invalid as error:
        raise NotDone(error.message, code=error.code, retryable=False) from None


# -- the tools ---------------------------------------------------------------------------------------------------


class StateTool:
    """`state.get`, `state.set` or `state.delete`. A runtime binds it to its store; before that it cannot be called."""

    def __init__(
        self, name: str, effects: Effects, shape: type[BaseModel], says: str, store: StateStore | None = None
    ) -> None:
        self._shape, self._says, self._store = shape, says, store
        self._arguments = ArgumentCodec(shape)
        self.spec = pinned(
            ToolSpec(
                name=ToolName(name),
                description=says,
                effects=effects,
                input_schema=self._arguments.schema,
                output_schema=ResultCodec(Kept).schema,
                origin="third_party" if effects == "none" else "records",  # who set it may have read a stranger's words
                cost=0,
            )
        )

    def bound(self, resources: Resources) -> StateTool:
        """A copy that works on the runtime's store."""
        return StateTool(self.spec.name, self.spec.effects, self._shape, self._says, resources.get(StateStore))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: policy decides on the arguments alone."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """The value as `{value, found}`. Raises NotDone (`state_no_session`, `state_pointer`, `state_too_large`),
        Unavailable (`state_unavailable`)."""
        assert self._store is not None, "a runtime binds state tools to its store"
        match self._arguments.value(args):
            case StateSet() as asked:
                kept = await self._store.set(asked, meta)
            case StateForget() as asked:
                kept = await self._store.forget(asked, meta)
            case StateGet() as asked:
                kept = await self._store.get(asked, meta)
            case other:
                raise AssertionError(f"{type(other).__name__} is nothing that is asked of state")
        return kept.model_dump_json().encode()

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: setting again under the same key changes nothing."""
        return CannotTell()


STATE_TOOLS: tuple[Tool, ...] = (
    StateTool("state.get", "none", StateGet, "Reads a value that was kept."),
    StateTool("state.set", "idempotent", StateSet, "Keeps a value for later."),
    StateTool("state.delete", "idempotent", StateForget, "Forgets a value that was kept."),
)
"""What an agent is given to remember things."""
