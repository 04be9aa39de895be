"""What a planner may look back on: the conversation so far, runs that still wait, this run's own steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import Result
from lichen.core.ports.call import UNAVAILABLE
from lichen.core.ports.plan import CallRequest, CallResult, History, Message, Step, Summary, WaitAnswer
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import CallId, RunId, ToolName, root_run, run_stream
from lichen.core.words.label import EMPTY, Label, join, without
from lichen.engine.act import Act, SessionAct
from lichen.engine.brief.contents import inputs, message, results
from lichen.engine.brief.pages import PREFIX, shown_args

_SUMMARY = msgspec.json.Decoder(Summary)


class Handed:
    """What of earlier words one attempt at a plan was given. `label` is that of exactly these."""

    def __init__(self) -> None:
        self.label = EMPTY

    def take(self, label: Label) -> None:
        """Words of this label were handed out."""
        self.label = join(self.label, label)


class Spoken(NamedTuple):
    """A message of a session: where its words lie, whose they are, and the label of what they were made from."""

    n: int
    role: Literal["customer", "agent", "operator", "service"]
    by: str
    label: Label


async def read_history(act: Act, handed: Handed | None = None) -> History:
    """The history of a run as of now. Reads the log; erased contents are left out. `handed` is told of its label."""
    found, spoken = _summary(act), _spoken(act)
    if found is not None:
        spoken = [each for each in spoken if each.n > found.summary.upto]
    if handed is not None:
        handed.take(_joined(spoken) if found is None else join(_joined(spoken), found.label))
    positions = tuple(each.n for each in spoken)
    summary, steps = None if found is None else found.summary, _steps(act)
    closed = tuple(map(_closed, steps))
    return History(_messages(act, spoken), _notes(act), closed, positions, summary, _done(steps))


class Found(NamedTuple):
    """A summary of the conversation, and the label of all that it was made from."""

    summary: Summary
    label: Label


def _summary(act: Act) -> Found | None:
    """The newest summary of the conversation: this run's own, else that of a run before it; none that was erased."""
    state, session = act.state, act.session
    at = session.mailbox.summarised if session is not None else None
    if state.summary_n:
        stream, n = act.stream, state.summary_n
    elif at is not None:
        stream, n = run_stream(at.run), at.n
    else:
        return None
    try:
        data = act.journal.log.contents(stream, n)["summary"]
    except ContentErased:
        return None
    return Found(_SUMMARY.decode(data), act.journal.log.event(stream, n).label)


def customers_words(act: Act) -> tuple[tuple[int, str], ...]:
    """What the customer said last in the session before this run's turn, each with its record: a bounded tail. None
    without a session; erased words are empty."""
    session = act.session
    if session is None:
        return ()
    return tuple([(each.n, _text(session, each.n)) for each in _spoken(act) if each.role == "customer"])


def window_label(act: Act) -> Label:
    """The label of all that `read_history` could hand out beside the run's own steps."""
    found = _summary(act)
    label = _joined(_spoken(act))
    return label if found is None else join(label, found.label)


def _spoken(act: Act) -> list[Spoken]:
    """What was said before this run's turn, without the sources that somebody vouched for since."""
    session = act.session
    if session is None:
        return []
    messages_max = act.services.options.history_messages_max
    found: list[Spoken] = []
    root, is_before = root_run(act.state.id), True
    for event in act.journal.events(session.stream, max(0, session.mailbox.n - 5 * messages_max)):
        match event.control:
            case e.TurnOpened(run=run) if run == root:
                is_before = False
            case e.Declassified(sources=sources):
                found = [each._replace(label=without(each.label, sources)) for each in found]
            case e.MessageReceived(disposition=d, role=role, by=by) if is_before and d != "rejected":
                found.append(Spoken(event.n, role, by, event.label))
            case e.MessageQueued(kind=kind, by=by) if is_before:
                found.append(Spoken(event.n, "operator" if kind == "reply" else "agent", by, event.label))
            case _:
                pass
    return found[-messages_max:]


def _joined(spoken: Sequence[Spoken]) -> Label:
    label = EMPTY
    for each in spoken:
        label = join(label, each.label)
    return label


def _messages(act: Act, spoken: Sequence[Spoken]) -> tuple[Message, ...]:
    session = act.session
    if session is None:
        return ()
    return tuple(_message(session, each) for each in spoken)


def _message(session: SessionAct, spoken: Spoken) -> Message:
    """A message with what came with it, as it was told to its own run; of an erased one nothing is left."""
    if spoken.role == "agent":
        return Message("agent", _text(session, spoken.n), spoken.by)
    try:
        return message(spoken.role, session.contents(spoken.n), spoken.by)
    except ContentErased:
        return Message(spoken.role, "", spoken.by)


def _text(session: SessionAct, n: int) -> str:
    try:
        return session.contents(n).get("text", b"").decode()
    except ContentErased:
        return ""


def _notes(act: Act) -> tuple[str, ...]:
    released = act.session.mailbox.released if act.session is not None else ()
    return tuple(_note(act, run) for run in released if run != act.state.id)


def _note(act: Act, run: RunId) -> str:
    state = act.journal.run(run)
    waits = ", ".join(
        f"{wait.kind} of {state.calls[wait.call].tool}" if wait.call in state.calls and wait.call else wait.kind
        for wait in state.waits.values()
    )
    return f"An earlier request is still open: waiting for {waits or 'its turn'}."


# -- steps -------------------------------------------------------------------------------------------------------


class _Open(msgspec.Struct):
    says: tuple[str, ...]
    calls: dict[CallId, CallRequest]
    results: dict[CallId, CallResult]
    answers: list[WaitAnswer]
    inputs: list[Message]
    blocks: bytes
    done: bytes


def _steps(act: Act) -> list[_Open]:
    """Every plan so far with its results in call order: what came after a plan belongs to it."""
    steps: list[_Open] = []
    planned_n: dict[CallId, int] = {}
    children: dict[CallId, RunId | None] = {}
    for event in act.journal.events(act.stream):
        control = event.control
        if isinstance(control, e.Planned) and not control.error:
            steps.append(_planned(act, event.n, control))
            planned_n.update({call.id: event.n for call in control.calls})
        elif not steps:
            continue
        elif isinstance(control, e.CallStarted):
            children[control.call] = control.child
        elif isinstance(control, e.CallFinished) and control.outcome != "unknown":
            step = next(s for s in steps if control.call in s.calls)
            closed = Result(
                control.call,
                step.calls[control.call].tool,
                control.outcome,
                event.n,
                planned_n[control.call],
                control.code,
                children.get(control.call),
            )
            step.results[control.call] = results(act, (closed,))[0]
        elif isinstance(control, e.Signal) and control.kind == "input":
            steps[-1].inputs.extend(inputs(act, (event.n,)))
        elif isinstance(control, e.WaitClosed) and control.outcome == "answered":
            body = act.contents(event.n).get("body", b"")
            steps[-1].answers.append(WaitAnswer(control.wait, "clarification", control.outcome, body))
    return steps


def _done(steps: Sequence[_Open]) -> Summary | None:
    """The newest summary of the run's own steps."""
    made = next((step.done for step in reversed(steps) if step.done), b"")
    return _SUMMARY.decode(made) if made else None


def _planned(act: Act, n: int, planned: e.Planned) -> _Open:
    contents = act.contents(n)
    calls = {call.id: _request(act, call, contents) for call in planned.calls}
    says = tuple(contents.get(f"say/{i}", b"").decode() for i in range(planned.says))
    return _Open(says, calls, {}, [], [], contents.get("blocks", b""), contents.get("done", b""))


def _request(act: Act, call: e.PlannedCall, contents: Mapping[str, bytes]) -> CallRequest:
    """The call as it was asked for: a tool that is not there, and an action to go on, under the name it was asked for
    by."""
    asked, args = contents.get(f"{call.id}/tool", b"").decode(), contents.get(f"{call.id}/args", b"{}")
    if asked.startswith(PREFIX) and call.tool != UNAVAILABLE:
        return CallRequest(ToolName(asked), b"{}")
    tool = act.agent.tools.get(call.tool) if act.agent is not None else None
    return CallRequest(ToolName(asked) if asked else call.tool, args if tool is None else shown_args(tool.spec, args))


def _closed(step: _Open) -> Step:
    ordered = tuple(step.results[id] for id in step.calls if id in step.results)
    return Step(step.says, tuple(step.calls.values()), ordered, tuple(step.answers), tuple(step.inputs), step.blocks)
