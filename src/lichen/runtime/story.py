"""What became of a run, told once for everybody who shows it: who asked for what, what was decided by which gate or
person, what came out, and what went wrong in whose words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import UNAVAILABLE, Effects
from lichen.core.ports.plan import Message
from lichen.core.words.failure import PART, Failure
from lichen.core.words.ids import CallId, RunId, run_stream
from lichen.core.words.wait import HALTING
from lichen.log.keys.erasures import Erased
from lichen.log.log import Log
from lichen.log.records.record import Record
from lichen.runtime.names import name_of
from lichen.runtime.redaction import shown_struct

ASKED_CHARS_MAX = 160  # of what was asked, in a row of a list

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])
_GOOD = ("approved", "confirmed", "answered", "resumed", "happened")


class Person(msgspec.Struct, frozen=True):
    """What a person answered. `name` is who that is, the pseudonym itself where nobody may know."""

    wait: str
    kind: str
    outcome: str
    name: str
    note: str
    at_us: int
    is_own: bool = False


class Call(msgspec.Struct, frozen=True):
    """A call with all that was decided about it. `outcome` is empty while it is open, `verdict` until it is decided.

    `reason` is the gate's for operators, `public_reason` what the customer may hear. Values are None once erased.
    `result_word` and `sentence` tell how it ended.
    """

    id: str
    tool: str
    effects: Effects
    arguments: Any
    verdict: str = ""
    policies: tuple[str, ...] = ()
    reason: str = ""
    public_reason: str = ""
    people: tuple[Person, ...] = ()
    outcome: str = ""
    code: str = ""
    result: Any = None
    failure: Failure | None = None
    attempts: int = 0
    result_word: str = ""
    sentence: str = ""

    @property
    def word(self) -> str:
        """How it ended in one word: `denied` by the gate, `declined` by a person, `done`, `failed`, …"""
        if self.outcome == "denied":
            return "declined" if any(person.outcome not in _GOOD for person in self.people) else "denied"
        return {"ok": "done"}.get(self.outcome, self.outcome)

    @property
    def said(self) -> str:
        """`payments.refund denied by refund-within-price`."""
        agreed = next((p for p in reversed(self.people) if p.outcome in _GOOD), None)
        refused = next((p for p in reversed(self.people) if p.outcome not in _GOOD), None)
        match self.word:
            case "denied":
                by = f" by {', '.join(self.policies)}" if self.policies else f": {self.reason or self.code}"
                return f"{self.tool} denied{by}"
            case "declined":
                assert refused is not None
                if refused.outcome == "expired":
                    return f"{self.tool} was not answered in time"
                return f"{self.tool} declined by {refused.name or 'nobody'}"
            case "done":
                return f"{self.tool} done" + (f", {agreed.outcome} by {agreed.name}" if agreed else "")
            case "":
                return f"{self.tool} is open"
            case word:
                return f"{self.tool} {word.replace('_', ' ')}" + (f": {self.code}" if self.code else "")


class Story(msgspec.Struct, frozen=True):
    """A run from what was asked to what came out.

    `result` says more than `completed`: `denied`, `declined`, `failed`, `done`, `answered`, `cancelled`, `unknown`, or
    `paused`, `waiting`, `running` while it is open. `asked` and `answer` are None once erased. `failures` are those of
    plans, the last one last.
    """

    result: str
    summary: str
    who: str
    asked: tuple[str, ...] | None
    answer: str | None
    calls: tuple[Call, ...]
    people: tuple[Person, ...]
    failures: tuple[Failure, ...]


def story(log: Log, run: RunId, status: str) -> Story:
    """The story of a run, contents opened."""
    teller = _Teller(log, with_contents=True)
    for record in log.records(run_stream(run)):
        teller.take(record)
    return shown_struct(log, run_stream(run), teller.told(status))


class Brief(msgspec.Struct, frozen=True):
    """A run in a row of a list."""

    result: str
    summary: str
    who: str
    asked: str | None


def brief(log: Log, run: RunId, status: str) -> Brief:
    """The same in a line: of contents only the first words of what was asked are opened."""
    teller = _Teller(log, with_contents=False)
    for record in log.records(run_stream(run)):
        teller.take(record)
    told = teller.told(status)
    asked = None if told.asked is None else " ".join(" ".join(told.asked).split())
    brief = Brief(told.result, told.summary, told.who, asked if asked is None else asked[:ASKED_CHARS_MAX])
    return shown_struct(log, run_stream(run), brief)


class _Teller:
    """Goes through the records of a run."""

    def __init__(self, log: Log, *, with_contents: bool) -> None:
        self._log, self._with_contents = log, with_contents
        self._calls: dict[CallId, Call] = {}
        self._waits: dict[str, e.WaitOpened] = {}
        self._paused_by = ""
        self._people: list[Person] = []
        self._failures: list[Failure] = []
        self._asked: list[str] | None = []
        self._answer: str | None = None
        self._who = ""
        self._code = ""

    def take(self, record: Record) -> None:
        """Goes on by one record."""
        control = record.control
        match control:
            case e.RunStarted():
                self._who = name_of(self._log, control.subject)
                self._hear(record)
            case e.Signal(kind="input"):
                self._hear(record)
            case e.Planned():
                self._plan(record, control)
            case e.Decided():
                self._decide(record, control)
            case e.WaitOpened():
                self._waits[control.wait] = control
                if control.kind in HALTING:
                    self._paused_by = name_of(self._log, record.actor)
            case e.WaitClosed():
                self._close(record, control)
            case e.CallProgressed():
                self._change(control.call, failure=self._failure(record), attempts=control.attempt)
            case e.CallFinished():
                self._finish(record, control)
            case e.RunFinished():
                self._code = control.code
                self._answer = self._text(record, "answer")
            case _:
                pass

    # -- what each record says ------------------------------------------------------------------------------------

    def _hear(self, record: Record) -> None:
        contents = self._opened(record)
        if contents is None or self._asked is None:
            self._asked = None
        elif "input" in contents:
            self._asked += [message.text for message in _MESSAGES.decode(contents["input"]) if message.text]

    def _plan(self, record: Record, control: e.Planned) -> None:
        contents = self._contents(record)
        for planned in control.calls:
            tool = planned.tool
            if tool == UNAVAILABLE and (named := contents.get(f"{planned.id}/tool")):
                tool = named.decode()  # type: ignore[assignment]
            self._calls[planned.id] = Call(planned.id, tool, planned.effects, _json(contents.get(f"{planned.id}/args")))
        failure = self._failure(record)
        if failure is not None:
            self._failures.append(failure)

    def _decide(self, record: Record, control: e.Decided) -> None:
        contents = self._contents(record)
        self._change(
            control.call,
            verdict=control.verdict,
            policies=control.policies,
            reason=contents.get("operator", b"").decode(),
            public_reason=contents.get("public", b"").decode(),
        )

    def _close(self, record: Record, control: e.WaitClosed) -> None:
        opened = self._waits.pop(control.wait, None)
        body = _json(self._contents(record).get("body"))
        note = str(body.get("note") or "") if isinstance(body, Mapping) else ""  # type: ignore[union-attr]
        name = name_of(self._log, control.by) if control.by else ""
        kind = opened.kind if opened is not None else ""
        person = Person(control.wait, kind, control.outcome, name, note, record.ts_us, control.is_own)
        self._people.append(person)
        if opened is not None and opened.call is not None and (call := self._calls.get(opened.call)) is not None:
            self._calls[opened.call] = msgspec.structs.replace(call, people=(*call.people, person))

    def _finish(self, record: Record, control: e.CallFinished) -> None:
        failure = self._failure(record)
        more: dict[str, Any] = {} if failure is None else {"failure": failure}
        self._change(
            control.call,
            outcome=control.outcome,
            code=control.code,
            result=_json(self._contents(record).get("result")),
            attempts=control.attempt,
            **more,
        )

    def _change(self, id: CallId, **changes: Any) -> None:
        call = self._calls.get(id)
        if call is not None:
            self._calls[id] = msgspec.structs.replace(call, **changes)

    # -- contents ------------------------------------------------------------------------------------------------

    def _opened(self, record: Record) -> Mapping[str, bytes] | None:
        try:
            return self._log.contents(record.stream, record.n)
        except Erased:
            return None

    def _contents(self, record: Record) -> Mapping[str, bytes]:
        return (self._opened(record) or {}) if self._with_contents else {}

    def _failure(self, record: Record) -> Failure | None:
        data = self._contents(record).get(PART)
        return None if data is None else msgspec.json.decode(data, type=Failure)

    def _text(self, record: Record, part: str) -> str | None:
        data = self._contents(record).get(part)
        return None if data is None else data.decode().strip()

    # -- the end -------------------------------------------------------------------------------------------------

    def told(self, status: str) -> Story:
        """All of it."""
        calls = tuple(
            msgspec.structs.replace(call, result_word=call.word, sentence=call.said) for call in self._calls.values()
        )
        result, summary = self._result(status, calls)
        asked = None if self._asked is None else tuple(self._asked)
        return Story(result, summary, self._who, asked, self._answer, calls, tuple(self._people), tuple(self._failures))

    def _result(self, status: str, calls: tuple[Call, ...]) -> tuple[str, str]:
        halted = next((wait for wait in self._waits.values() if wait.kind in HALTING), None)
        if halted is not None:
            return "paused", f"paused by {self._paused_by or 'the runtime'}"
        if status in ("running", "waiting"):
            return status, "; ".join(self._waiting(wait) for wait in self._waits.values())
        last = _telling(calls)
        if status != "completed":
            why = f"{status}: {self._code}" if self._code else status
            return status, f"{why}, after {last.sentence}" if last is not None else why
        return ("answered", "") if last is None else (last.result_word, last.sentence)

    def _waiting(self, wait: e.WaitOpened) -> str:
        call = self._calls.get(wait.call) if wait.call is not None else None
        what = f"{call.tool} waits" if call is not None else "waits"
        by = " or ".join(wait.may_answer)
        return f"{what} for {wait.kind}" + (f" by {by}" if by else "")


def _telling(calls: tuple[Call, ...]) -> Call | None:
    """The call that a run is about: the last one with an effect, else the last that did not go well."""
    refused = ("denied", "declined")
    acts = [call for call in calls if call.effects in ("once", "idempotent") or call.result_word in refused]
    if acts:
        return acts[-1]
    return calls[-1] if calls and calls[-1].outcome not in ("", "ok") else None


def _json(data: bytes | None) -> Any:
    try:
        return None if data is None else msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace") if data is not None else None
