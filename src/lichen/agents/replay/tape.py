"""What is recorded of a run so far, found by what the code asks for. Among equal requests the first one comes first, so
that branches which go on at once may ask in another order than they did."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from lichen.agents.replay.entries import (
    Called,
    Entry,
    Failed,
    Heard,
    Opened,
    Outline,
    Questioned,
    Replied,
    Said,
    Told,
    read,
)
from lichen.core.ports.plan import CallRequest, CallResult, Message, PlanInput, Step
from lichen.core.words.ids import CallId
from lichen.core.words.wait import WaitOutcome

Key = tuple[str | bytes | int, ...]
OPEN = "open"  # the code of a call that ended without a result


class Answer(NamedTuple):
    """How a question of the code's own ended, and what was answered, as JSON."""

    outcome: WaitOutcome
    body: bytes


class Recorded(NamedTuple):
    """One thing the code asked for, and what it was told. `number` counts all of the run's from 1."""

    number: int
    key: Key
    entry: Replied | Failed | Called | Questioned | Said
    call: CallRequest | None = None
    result: CallResult | None = None
    answer: Answer | None = None


class Tape:
    """Everything recorded, and what of it was not asked for again yet."""

    def __init__(self, steps: Sequence[Step], input: PlanInput) -> None:
        self.opened: Opened | None = None
        self.heard: list[Message] = []
        self._times: deque[int] = deque()
        self._left: dict[Key, deque[Recorded]] = {}
        self._numbers: dict[int, Recorded] = {}
        self.count = 0
        results = {result.call: result for step in steps for result in step.results}
        results |= {result.call: result for result in input.results}
        calls = 0
        parts = [read(step.blocks) for step in steps]
        for i, (step, entries) in enumerate(zip(steps, parts, strict=True)):
            following = parts[i + 1] if i + 1 < len(parts) else (fresh(input),)
            self._add(step, entries, _heard(following), results, calls)
            calls += len(step.calls)
        self.heard.extend(fresh(input).messages)

    def _add(
        self, step: Step, entries: Sequence[Entry], heard: Heard, results: dict[CallId, CallResult], calls: int
    ) -> None:
        """What one plan recorded. `calls` were planned before; `heard` is what came after it."""
        asked, answers = iter(enumerate(step.calls, calls + 1)), iter(heard.answers)
        for entry in entries:
            match entry:
                case Opened():
                    self.opened = entry
                case Heard(messages=messages):
                    self.heard.extend(messages)
                case Told(us=us):
                    self._times.append(us)
                case Replied(asked=outline) | Failed(asked=outline):
                    self._put(outline.key, entry)
                case Called():
                    number, call = next(asked)
                    self._put(entry.key, entry, call=call, result=_result(call, number, results))
                case Questioned():
                    outcome, body = next(answers, ("expired", b""))
                    self._put(entry.key, entry, answer=Answer(outcome, body))
                case Said():
                    self._put(entry.key, entry)

    def _put(
        self,
        key: Key,
        entry: Replied | Failed | Called | Questioned | Said,
        *,
        call: CallRequest | None = None,
        result: CallResult | None = None,
        answer: Answer | None = None,
    ) -> None:
        self.count += 1
        recorded = Recorded(self.count, key, entry, call, result, answer)
        self._left.setdefault(key, deque()).append(recorded)
        self._numbers[recorded.number] = recorded

    def take(self, key: Key) -> Recorded | None:
        """What was recorded of the first such request that was not asked for again yet; None for a new one."""
        found = self._left.get(key)
        if not found:
            return None
        recorded = found.popleft()
        del self._numbers[recorded.number]
        return recorded

    def time(self) -> int | None:
        """The next time that the code was told; None once it asks for a new one."""
        return self._times.popleft() if self._times else None

    @property
    def first_left(self) -> Recorded | None:
        """The first that was not asked for again."""
        return next(iter(self._numbers.values()), None)


def fresh(input: PlanInput) -> Heard:
    """What came since the plan before."""
    messages = () if input.reason == "start" else input.input
    return Heard(tuple((answer.outcome, answer.body) for answer in input.answers), messages)


def asked_of(recorded: Recorded) -> Outline | None:
    """The outline of what a model was asked; None for anything else."""
    return recorded.entry.asked if isinstance(recorded.entry, Replied | Failed) else None


def _heard(entries: Sequence[Entry]) -> Heard:
    return next((entry for entry in entries if isinstance(entry, Heard)), Heard())


def _result(call: CallRequest, number: int, results: dict[CallId, CallResult]) -> CallResult:
    """How the call ended. Every call of a plan has ended when the next one is made."""
    id = CallId(f"c{number}")
    return results.get(id) or CallResult(id, call.tool, call.args, "cancelled", code=OPEN)
