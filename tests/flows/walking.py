"""Flows written as texts, and a run of a planner that needs no engine: it is told what came of calls and waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from lichen.core.ports.call import Outcome
from lichen.core.ports.model import Model, ModelReply, ModelRequest
from lichen.core.ports.plan import (
    CallResult,
    History,
    Left,
    Message,
    Plan,
    PlanInput,
    PlanReason,
    RunContext,
    WaitAnswer,
)
from lichen.core.speech.saying import text_of
from lichen.core.words.ids import AgentName, CallId, RunId, SessionId, ToolName, TurnId, WaitId
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.core.words.wait import WaitKind, WaitOutcome
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.trail import taken

STARTED_US = 1_767_225_600_000_000  # 2026-01-01


def flow(text: str, *, id: str = "shop.flow", head: str = "") -> Flow:
    """A messaging flow of these nodes."""
    body = "\n".join(f"  {line}" for line in text.strip("\n").splitlines())
    return parse(f"id: {id}\ntype: messaging\nschema_version: 2\n{head}\nnodes:\n{body}\n", f"{id}.ygtc").flow


async def _no_model(model: Model, request: ModelRequest, deltas: object = None, /) -> ModelReply:
    raise AssertionError("a flow asks no model")


async def _no_history() -> History:
    raise AssertionError("a flow looks back at nothing")


class Talk:
    """One run of a flow, step by step. `says` is everything a customer was told by plans, in order."""

    def __init__(
        self,
        *flows: Flow,
        agents: dict[str, str] | None = None,
        session: str | None = "ses-1",
        turn: str = "t1",
    ) -> None:
        self.planner = FlowPlanner(flows[0], flows=flows[1:], agents=agents)
        self.plans: list[Plan] = []
        self._actor = Actor("agent", "shop.flow", on_behalf_of=Customer("customer-7"))
        self._session = SessionId(session) if session else None
        self._turn = TurnId(turn)
        self.calls_made = self.waits_made = 0
        self.now_us = STARTED_US

    @property
    def last(self) -> Plan:
        return self.plans[-1]

    @property
    def says(self) -> list[str]:
        told: list[str] = []
        for plan in self.plans:
            told += [*map(text_of, plan.says), *(wait.public_text for wait in plan.waits if wait.public_text)]
            told += [text_of(plan.answer)] if plan.answer else []
        return told

    @property
    def path(self) -> list[str]:
        return [f"{node} {outcome}" for plan in self.plans for _, node, outcome in taken(plan.notes)]

    @property
    def args(self) -> Any:
        return json.loads(self.last.calls[0].args)

    def begin(self, text: str = "hello", *, role: Any = "customer") -> Talk:
        return self.planned("start", messages=(Message(role, text),))

    def returns(
        self, value: Any = None, outcome: Outcome = "ok", code: str = "", reason: str = "", **more: Any
    ) -> Talk:
        data = json.dumps(value).encode() if outcome == "ok" else b""
        result = CallResult(CallId("c1"), self.last.calls[0].tool, b"{}", outcome, data, code, reason)
        return self.planned("resume", results=(result,), **more)

    def goes_on(self) -> Talk:
        return self.planned("resume")

    def answers(
        self, text: str = "", *, outcome: WaitOutcome = "answered", kind: WaitKind = "clarification", **body: Any
    ) -> Talk:
        told = json.dumps({"text": text, **body}).encode() if outcome != "expired" else b""
        return self.planned("resume", answers=(WaitAnswer(WaitId("w1"), kind, outcome, told),))

    def planned(
        self,
        reason: PlanReason,
        *,
        messages: tuple[Message, ...] = (),
        results: tuple[CallResult, ...] = (),
        answers: tuple[WaitAnswer, ...] = (),
        limit: str | None = None,
    ) -> Talk:
        run = RunContext(
            scope=Scope("acme", "dev"),
            actor=self._actor,
            run=RunId("run-1"),
            agent=AgentName("shop.flow"),
            session=self._session,
            turn=self._turn,
            step=len(self.plans),
            started_at_us=STARTED_US,
            now_us=self.now_us,
        )
        input = PlanInput(
            run=run,
            reason="finalize" if limit else reason,
            attempt=1,
            input=messages,
            results=results,
            answers=answers,
            state=self.last.state if self.plans else b"",
            tools=(),
            left=Left(10, 60.0, 1000),
            limit=limit,
            model=_no_model,
            history=_no_history,
            calls_made=self.calls_made,
            waits_made=self.waits_made,
        )
        self.plans.append(asyncio.run(self.planner.plan(input)))
        return self


def told(*plans: Plan) -> Sequence[ToolName]:
    """The tools that plans call."""
    return [call.tool for plan in plans for call in plan.calls]
