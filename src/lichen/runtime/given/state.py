"""What flows and agents remember between runs: `state.get` and `state.set`, durable, sealed, and gone when erased.

Each key of a scope is a stream of its own, named by a keyed digest; every set is one `changed` record whose content is
the value, sealed under the person it is about (a tenant's own values under the tenant's retention key).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from pydantic import BaseModel, Field

from lichen.core.deciders import events as e
from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Effects, NotDone, Probe, Resources, Tool, ToolSpec
from lichen.core.words.content import RETENTION, Content
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import StreamId, ToolName
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.flows.text.reach import MISSING, Path, fields_of, parse_pointer, reach
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import pinned

VALUE_BYTES_MAX = 64 * 1024
_PART = "value"


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


class Kept(BaseModel):
    """A value, and whether it was there."""

    value: Any = None
    found: bool


class Slot(NamedTuple):
    """Where a key lies: its stream, and whose key seals it."""

    stream: StreamId
    subject: str


class StateStore:
    """The state of every scope, in its log. `journal_of` opens a scope's journal."""

    def __init__(self, journal_of: Callable[[Scope], Journal]) -> None:
        self._journal_of = journal_of

    async def get(self, asked: StateGet, meta: CallMeta) -> Kept:
        """The value at a key and pointer, else the fallback. What was erased is not there."""
        journal = self._journal_of(meta.scope)
        value = _read(journal, _slot(journal, asked.key, asked.scope, meta).stream)
        found = MISSING if value is MISSING else reach(value, _path(asked.pointer))
        return Kept(value=asked.fallback, found=False) if found is MISSING else Kept(value=found, found=True)

    async def set(self, asked: StateSet, meta: CallMeta) -> Kept:
        """Keeps a value, or puts it into the one that is there. Durable when this returns; under one idempotency key it
        happens once, whatever is set in between."""
        journal = self._journal_of(meta.scope)
        slot = _slot(journal, asked.key, asked.scope, meta)
        changed = e.Changed("state", "", "", meta.idempotency_key)
        if journal.log.find(slot.stream, changed.key) is None:
            data = msgspec.json.encode(_updated(_read(journal, slot.stream), _path(asked.pointer), asked.value))
            if len(data) > VALUE_BYTES_MAX:
                raise NotDone(f"A value has at most {VALUE_BYTES_MAX} bytes.", code="state_too_large", retryable=False)
            draft = e.Draft(changed, (Content(_PART, slot.subject, data),))
            journal.append({slot.stream: (draft,)}, actor=f"agent:{meta.actor.id}", turn=meta.turn)
        await journal.log.durable_stream(slot.stream)
        return Kept(found=True)  # an echo would be a record's word, and endorse what was set


def _slot(journal: Journal, key: str, scope: str, meta: CallMeta) -> Slot:
    person = journal.log.name(meta.actor.subject)
    owner = {"session": meta.session or "", "user": person, "tenant": "tenant"}[scope]
    if not owner:
        raise NotDone("The run has no session to keep this for.", code="state_no_session", retryable=False)
    digest = journal.log.digest(f"state\x00{scope}\x00{owner}\x00{key}".encode()).hex()
    return Slot(StreamId("tenant", f"state-{digest}"), RETENTION if scope == "tenant" else person)


def _read(journal: Journal, stream: StreamId) -> Any:
    n = journal.state(stream).n
    if n == 0:
        return MISSING
    try:
        return msgspec.json.decode(journal.log.contents(stream, n - 1)[_PART])
    except ContentErased:
        return MISSING


def _path(pointer: str) -> Path:
    path = parse_pointer(pointer)
    if path is None:
        raise NotDone("The pointer is no JSON pointer.", code="state_pointer", retryable=False)
    return path


def _updated(value: Any, path: Path, new: Any) -> Any:
    """`value` with `new` at `path`; objects on the way are made where there is nothing."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, list) and first.isdecimal() and int(first) < len(value):  # type: ignore[arg-type]
        items: list[Any] = [*value]
        items[int(first)] = _updated(items[int(first)], rest, new)
        return items
    if value is not MISSING and value is not None and not isinstance(value, dict):
        raise NotDone("The pointer leads through something that is no object.", code="state_pointer", retryable=False)
    fields = fields_of(value)
    return {**fields, first: _updated(fields.get(first, MISSING), rest, new)}


# -- the tools ---------------------------------------------------------------------------------------------------


class StateTool:
    """`state.get` or `state.set`. A runtime binds it to its logs; before that it cannot be called."""

    def __init__(self, name: str, effects: Effects, shape: type[BaseModel], store: StateStore | None = None) -> None:
        self._shape = shape
        self._arguments = ArgumentCodec(shape)
        self._store = store
        description = "Reads a value that was kept." if effects == "none" else "Keeps a value for later."
        self.spec = pinned(
            ToolSpec(
                name=ToolName(name),
                description=description,
                effects=effects,
                input_schema=self._arguments.schema,
                output_schema=ResultCodec(Kept).schema,
                origin="third_party" if effects == "none" else "records",  # who set it may have read a stranger's words
                cost=0,
            )
        )

    def bound(self, resources: Resources) -> StateTool:
        """A copy that works on the runtime's logs."""
        return StateTool(self.spec.name, self.spec.effects, self._shape, resources.get(StateStore))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: policy decides on the arguments alone."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """The value as `{value, found}`. Raises NotDone (`state_no_session`, `state_pointer`, `state_too_large`)."""
        assert self._store is not None, "a runtime binds state tools to its logs"
        asked = self._arguments.value(args)
        kept = await (self._store.set if isinstance(asked, StateSet) else self._store.get)(asked, meta)  # type: ignore[arg-type]
        return kept.model_dump_json().encode()

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: setting again under the same key changes nothing."""
        return CannotTell()


STATE_TOOLS: tuple[Tool, ...] = (
    StateTool("state.get", "none", StateGet),
    StateTool("state.set", "idempotent", StateSet),
)
"""What an agent is given to remember things."""
