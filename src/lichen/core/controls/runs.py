"""A run begins, is told something, reaches a limit, and ends."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.words.ids import AgentName, CallId, RunId, SessionId, ToolName, TurnId
from lichen.core.words.limits import Limits, Usage


class Pins(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Digests of what the run was started with."""

    agent: str = ""
    tools: str = ""
    policy: str = ""
    decider: str = ""


class Parent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The call of which a child run is the execution."""

    run: RunId
    call: CallId


class RunStarted(Control, frozen=True, array_like=True, gc=False):
    """Contents: `input` (JSON list of messages), `actor` (JSON), `attributes` (JSON), `schema` (JSON Schema that the
    answer is to fit, as whoever asked wants), `overrides` (JSON: what it is held to beside its agent's definition).

    `requesters` are the pseudonyms of everybody who spoke in its input: none of them may approve what it wants. `only`
    are those of its agent's tools that it may use, all of them where none is named. `team` is that of its session, of
    whoever asked for it, or of the run that called it.
    """

    agent: AgentName
    subject: str
    limits: Limits
    session: SessionId | None = None
    turn: TurnId | None = None
    parent: Parent | None = None
    depth: int = 0
    pins: Pins = Pins()
    requesters: tuple[str, ...] = ()
    ruling: Ruling | None = None
    has_schema: bool = False
    only: tuple[ToolName, ...] = ()
    team: str = ""


class Signal(Control, frozen=True, array_like=True, gc=False):
    """Somebody wants something of the run. Contents: `input` (JSON list of messages), `reason`.

    `by` is the pseudonym of who spoke; they become a requester of what the run wants.
    """

    stands: ClassVar[Stands] = "begins"

    kind: Literal["cancel", "input"]
    id: str
    code: str = ""
    by: str = ""
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"signal/{self.kind}/{self.id}"


class LimitReached(Control, frozen=True, array_like=True, gc=False):
    """The run must answer with what it has."""

    limit: Literal["calls", "time", "failures", "tokens", "fan_out", "depth", "cost"]

    @property
    def key(self) -> str:
        return f"limit_reached/{self.limit}"


class RunFinished(Control, frozen=True, array_like=True, gc=False):
    """Contents: `answer`, `value` (JSON: the answer of a run whose answers have a type)."""

    outcome: Literal["completed", "failed", "cancelled"]
    code: str = ""
    usage: Usage = Usage()
    calls: int = 0
