"""A conversation with a planner, without engine or log: calls are answered by functions, questions by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import CallRequest, CallResult, History, Plan, Planner, WaitAnswer
from lichen.core.speech.saying import text_of
from lichen.core.words.ids import CallId, WaitId
from lichen.core.words.wait import WaitOutcome
from lichen.testing.models import plan_input

Act = Callable[[Mapping[str, Any]], object]
"""What a tool gives for its arguments: data, or an Ended."""

Tools = Mapping[str, Act]

PLANS_MAX = 64


class Ended(msgspec.Struct, frozen=True):
    """A call that did not end well."""

    outcome: Outcome
    reason: str = ""
    code: str = ""


class Talk:
    """One run. `calls` holds what was called, `questions` what was asked, `said` what was sent meanwhile."""

    def __init__(self, planner: Planner, tools: Tools, *, history: History | None = None) -> None:
        self._planner = planner
        self._tools = tools
        self._history = history or History()
        self.state = b""
        self.plan: Plan | None = None
        self.calls: list[tuple[str, Any]] = []
        self.questions: list[str] = []
        self.said: list[str] = []

    @property
    def answer(self) -> str | None:
        """The answer that ended the run, if it has ended."""
        return text_of(self.plan.answer) if self.plan is not None and self.plan.answer is not None else None

    async def say(self, *texts: str) -> str:
        """What the planner says to these messages: a question or its answer."""
        if self.plan is None:
            plan = await self._plan_for(*texts)
        else:
            assert self.plan.waits, "nothing was asked"
            bodies = [msgspec.json.encode({"text": text}) for text in texts]
            answers = [WaitAnswer(WaitId(f"w{i}"), "clarification", "answered", b) for i, b in enumerate(bodies)]
            plan = await self._plan_for(reason="resume", answers=answers)
        return await self._until_words(plan)

    async def end_question(self, outcome: WaitOutcome) -> str:
        """What the planner says when its question ends unanswered."""
        plan = await self._plan_for(reason="resume", answers=[WaitAnswer(WaitId("w1"), "clarification", outcome)])
        return await self._until_words(plan)

    async def _until_words(self, plan: Plan) -> str:
        for _ in range(PLANS_MAX):
            if plan.answer is not None:
                return text_of(plan.answer)
            if plan.waits:
                self.questions.append(plan.waits[0].public_text)
                return plan.waits[0].public_text
            plan = await self._plan_for(reason="resume", results=[self._perform(call) for call in plan.calls])
        raise AssertionError("the planner goes on and on")

    async def _plan_for(self, *texts: str, **given: Any) -> Plan:
        given = {"reason": "start", "state": self.state, "history": self._history, **given}
        self.plan = await self._planner.plan(plan_input(*texts, **given))
        self.state = self.plan.state or self.state
        self.said += map(text_of, self.plan.says)
        return self.plan

    def _perform(self, call: CallRequest) -> CallResult:
        args = msgspec.json.decode(call.args)
        self.calls.append((call.tool, args))
        result = self._tools[call.tool](args)
        id = CallId(f"c{len(self.calls)}")
        if isinstance(result, Ended):
            return CallResult(id, call.tool, call.args, result.outcome, code=result.code, reason=result.reason)
        return CallResult(id, call.tool, call.args, "ok", msgspec.json.encode(result))
