"""Goes through the records of a run, one by one, and tells in the end what became of it."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import UNAVAILABLE, Artifact
from lichen.core.ports.plan import Message
from lichen.core.speech.attached import described, named
from lichen.core.words.failure import PART, Failure
from lichen.core.words.ids import CallId, ToolName
from lichen.core.words.wait import HALTING
from lichen.runtime.views.asked import Setting, fields_of, values_of
from lichen.runtime.views.record import Opened
from lichen.runtime.views.story.call import Call, Handed, Person

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])

UNDOING = ("saga_undone", "saga_stuck")  # how a run fails whose last calls undo what came before


class Story(msgspec.Struct, frozen=True):
    """A run from what was asked to what came out.

    `result` says more than `completed`: `denied`, `declined`, `failed`, `done`, `answered`, `cancelled`, `unknown`, or
    `paused`, `waiting`, `running` while it is open. `asked` and `answer` are None once erased. `failures` are those of
    plans, the last one last. `value` is the answer as JSON where it has a type. `files` came with what was asked;
    `prompts` are those its plans were made with, each as `name@version#digest`.
    """

    result: str
    summary: str
    who: str
    asked: tuple[str, ...] | None
    answer: str | None
    calls: tuple[Call, ...]
    people: tuple[Person, ...]
    failures: tuple[Failure, ...]
    value: Any = None
    files: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


class Teller:
    """Is given every record of a run in order, contents opened, and tells its story."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._calls: dict[CallId, Call] = {}
        self._waits: dict[str, e.WaitOpened] = {}
        self._paused_by = ""
        self._people: list[Person] = []
        self._failures: list[Failure] = []
        self._asked: list[str] | None = []
        self._files: list[str] = []
        self._prompts: dict[str, None] = {}
        self._answer: str | None = None
        self._value: Any = None
        self._who = ""
        self._code = ""
        self._limit = ""
        self._is_cut = False

    @property
    def code(self) -> str:
        """What ended the run, or brings it to its end; empty for nothing."""
        return self._code or self._limit

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The kinds of the open waits, each once."""
        return tuple(dict.fromkeys(wait.kind for wait in self._waits.values()))

    def take(self, each: Opened) -> None:
        """Goes on by one record."""
        record = each.record
        match record.control:
            case e.RunStarted() as control:
                self._who = self._setting.name_of(control.subject)
                self._hear(each)
            case e.Signal(kind="input"):
                self._hear(each)
            case e.Planned() as control:
                self._plan(each, control)
            case e.Decided() as control:
                self._change(
                    control.call,
                    verdict=control.verdict,
                    policies=control.policies,
                    reason=each.text("operator"),
                    public_reason=each.text("public"),
                )
                self._withhold(control.call, control.withheld)
            case e.WaitOpened() as control:
                self._waits[control.wait] = control
                if control.kind in HALTING:
                    self._paused_by = self._setting.name_of(record.actor)
            case e.WaitClosed() as control:
                self._close(each, control)
            case e.CallStarted(child=child) as control if child is not None and control.call in self._calls:
                self._change(control.call, runs=(*self._calls[control.call].runs, child))
            case e.CallProgressed() as control:
                self._change(control.call, failure=_failure(each), attempts=control.attempt)
                self._withhold(control.call, control.withheld)
            case e.SecretUsed() as control:
                self._hand(control)
            case e.CallFinished() as control:
                self._finish(each, control)
            case e.Signal(kind="cancel") as control:
                self._code = control.code or "requested"
            case e.LimitReached() as control:
                self._limit = control.limit
            case e.RunFinished() as control:
                self._code = "" if control.outcome == "completed" else control.code
                self._answer = each.text("answer").strip() if "answer" in (each.parts or {}) else None
                self._value = each.json("value") if "value" in (each.parts or {}) else None
            case _:
                pass

    # -- what each record says ------------------------------------------------------------------------------------

    def _hear(self, each: Opened) -> None:
        if each.parts is None or self._asked is None:
            self._asked = None
        elif "input" in each.parts:
            messages = _MESSAGES.decode(each.parts["input"])
            self._asked += [each.hide(message.text) for message in messages if message.text]
            self._files += [each.hide(described(file)) for message in messages for file in named(message.data)]

    def _plan(self, each: Opened, control: e.Planned) -> None:
        for planned in control.calls:
            tool = planned.tool
            if tool == UNAVAILABLE and (named := each.text(f"{planned.id}/tool")):
                tool = ToolName(named)
            arguments = each.json(f"{planned.id}/args")
            spec = self._setting.spec_of(tool)
            details = values_of(arguments, spec.input_schema if spec else None)
            hint = each.text(f"{planned.id}/hint")
            self._calls[planned.id] = Call(planned.id, tool, planned.effects, arguments, details, hint=hint)
        self._prompts.update(dict.fromkeys(control.prompts))
        if control.has_answer:
            self._is_cut = is_cut(control)
        failure = _failure(each)
        if failure is not None:
            self._failures.append(failure)

    def _close(self, each: Opened, control: e.WaitClosed) -> None:
        opening = self._waits.pop(control.wait, None)
        note = str(fields_of(each.json("body")).get("note") or "")
        name = self._setting.name_of(control.by) if control.by else ""
        kind = opening.kind if opening is not None else ""
        person = Person(control.wait, kind, control.outcome, name, note, each.record.ts_us, control.is_own)
        self._people.append(person)
        if opening is not None and opening.call is not None and (call := self._calls.get(opening.call)) is not None:
            self._calls[opening.call] = msgspec.structs.replace(call, people=(*call.people, person))

    def _hand(self, control: e.SecretUsed) -> None:
        if control.call is not None and (call := self._calls.get(control.call)) is not None:
            handed = Handed(control.name, control.version)
            self._change(control.call, secrets=(*call.secrets, handed))

    def _withhold(self, id: CallId, count: int) -> None:
        if count and id in self._calls:
            self._change(id, withheld=self._calls[id].withheld + count)

    def _finish(self, each: Opened, control: e.CallFinished) -> None:
        self._withhold(control.call, control.withheld)
        failure = _failure(each)
        more: dict[str, Any] = {} if failure is None else {"failure": failure}
        call, result = self._calls.get(control.call), each.json("result")
        spec = self._setting.spec_of(call.tool) if call is not None else None
        self._change(
            control.call,
            outcome=control.outcome,
            code=control.code,
            result=result,
            results=values_of(result, spec.output_schema if spec else None),
            attempts=control.attempt,
            result_hint=each.text("hint"),
            artifacts=msgspec.convert(each.json("artifacts") or (), tuple[Artifact, ...]),
            **more,
        )

    def _change(self, id: CallId, **changes: Any) -> None:
        call = self._calls.get(id)
        if call is not None:
            self._calls[id] = msgspec.structs.replace(call, **changes)

    # -- the end -------------------------------------------------------------------------------------------------

    def told(self, status: str) -> Story:
        """All of it."""
        calls = tuple(
            msgspec.structs.replace(call, result_word=call.word, summary=call.said) for call in self._calls.values()
        )
        result, summary = self._result(status, calls)
        asked = None if self._asked is None else tuple(self._asked)
        people, failures = tuple(self._people), tuple(self._failures)
        said = (result, summary, self._who, asked, self._answer)
        beside = (() if asked is None else tuple(self._files), tuple(self._prompts))
        return Story(*said, calls, people, failures, self._value, *beside)

    def _result(self, status: str, calls: tuple[Call, ...]) -> tuple[str, str]:
        halted = next((wait for wait in self._waits.values() if wait.kind in HALTING), None)
        if halted is not None:
            return "paused", f"paused by {self._paused_by or 'the runtime'}"
        if status in ("running", "waiting"):
            return status, "; ".join(self._waiting(wait) for wait in self._waits.values())
        last = (_failing(calls) if self._code in UNDOING else None) or _telling(calls)
        if status != "completed":
            why = f"{status}: {self._code}" if self._code else status
            return status, f"{why}, after {last.summary}" if last is not None else why
        cut = ("reply_cut: the answer reached max_tokens and is not whole",) if self._is_cut else ()
        result, said = ("answered", ()) if last is None else (last.result_word, (last.summary,))
        return result, "; ".join((*said, *cut))

    def _waiting(self, wait: e.WaitOpened) -> str:
        call = self._calls.get(wait.call) if wait.call is not None else None
        what = f"{call.tool} waits" if call is not None else "waits"
        by = " or ".join(wait.may_answer)
        return f"{what} for {wait.kind}" + (f" by {by}" if by else "")


def _failing(calls: tuple[Call, ...]) -> Call | None:
    """The first call that did not go well: the cause of what was undone after it."""
    return next((call for call in calls if call.outcome not in ("", "ok")), None)


def _telling(calls: tuple[Call, ...]) -> Call | None:
    """The call that a run is about: the last one with an effect, else the last that did not go well."""
    refused = ("denied", "declined")
    acts = [call for call in calls if call.effects in ("once", "idempotent") or call.result_word in refused]
    if acts:
        return acts[-1]
    return calls[-1] if calls and calls[-1].outcome not in ("", "ok") else None


def is_cut(planned: e.Planned) -> bool:
    """Whether the answer of this plan is a reply that ended at its length, and that the model did not bring to its
    end."""
    finishes = [asked.finish for asked in planned.requests if asked.outcome == "ok"]
    return planned.has_answer and "length" in finishes and finishes[-1] != "end"


def _failure(each: Opened) -> Failure | None:
    data = (each.parts or {}).get(PART)
    if data is None:
        return None
    found = msgspec.json.decode(data, type=Failure)
    message, traceback = each.hide(found.message), each.hide(found.traceback)
    return msgspec.structs.replace(found, message=message, traceback=traceback)
