"""One plan of a flow: from where it stands, node by node, until something from outside is needed or it is over.

Several strands may be under way: those that something came for are walked in turn, each until it waits or is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from itertools import pairwise
from typing import Any, Final, assert_never, cast

import msgspec

from lichen.core.ports.plan import CallResult, Message, Plan, PlanInput, WaitAnswer, WaitRequest
from lichen.flows.nodes import fork
from lichen.flows.nodes.ask import WAIT_EXPIRES_S, ended
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.control import controlled
from lichen.flows.nodes.frames import FRAMES_MAX, Frame, Output, Strand
from lichen.flows.nodes.steps import (
    Done,
    Enter,
    Event,
    Failed,
    Fork,
    Heard,
    Invoke,
    Jump,
    Leave,
    Respond,
    Step,
    Wait,
    forbidden,
)
from lichen.flows.text.expr import holds
from lichen.flows.text.rendering import RenderError
from lichen.flows.walk import routing
from lichen.flows.walk.compiled import Ready, ReadyFlow
from lichen.flows.walk.entry import body_of, entry_of, said
from lichen.flows.walk.meddling import Meddling, Point
from lichen.flows.walk.position import Position
from lichen.flows.walk.strands import Above, Strands
from lichen.flows.walk.transcript import Transcript, code_of
from lichen.flows.walk.underway import Overdue, again, call_of, given, is_overdue, overdue, wait_of
from lichen.flows.walk.watching import Watcher

VISITS_MAX: Final = 1_000  # nodes of one plan
VISITS_ON_MAX: Final = 20_000  # of plans that follow each other with nothing from outside
COMPONENT: Final = "component"  # the tag of tools that are components
JUMPS_MAX: Final = 3  # `flow.goto` of one plan, as upstream
PARKED_MAX: Final = 16  # messages in a row that fit no route
SAYS_MAX: Final = 100  # messages of one plan
AT_ONCE_S: Final = 0.001


class Pause(Enum):
    """A strand is walked no further by this plan."""

    PAUSE = "pause"


PAUSE: Final = Pause.PAUSE
ON: Final = "on"  # what a run waits for that only rests
Move = Step | Plan | Pause | None
"""What follows on a strand: a step, the end of the run, a pause, or the visit of the node that it is at."""


class Walk:
    """Used for one plan and thrown away. `tools` are the names of the tools by what nodes call them, `paths` what rules
    of access call the flows."""

    def __init__(
        self,
        flows: Mapping[str, ReadyFlow],
        root: str,
        tools: Mapping[str, str],
        input: PlanInput,
        paths: Mapping[str, tuple[str, str]],
        watcher: Watcher | None = None,
        meddling: Meddling | None = None,
    ) -> None:
        self._input = input
        self._transcript = Transcript()
        self._position = Position(flows, input, self._miss, paths)
        self._watcher, self._meddling = watcher, meddling
        self._strands = Strands(input)
        self._ready: deque[tuple[Strand, Above, Callable[[], Move]]] = deque()
        self._root = root
        self._tools = tools
        self._visits = 0
        self._jumps = 0

    def plan(self) -> Plan:
        """What follows."""
        plan = self._walk() or self._paused()
        if self._input.reason == "finalize" and plan.answer is None:
            return self._transcript.failed(Failed(f"limit_{self._input.limit}"))
        return plan

    def _walk(self) -> Plan | None:
        """Walks every strand that can go on. The plan that ends the run, None when something is waited for."""
        if (plan := self._start()) is not None:
            return plan
        while self._ready:
            strand, above, first = self._ready.popleft()
            if not _is_wanted(strand, above):
                continue
            self._position.stand_on(strand, above)
            if (plan := self._along(first())) is not None:
                return plan
        return None

    def _along(self, move: Move) -> Plan | None:
        """Walks the strand it stands on until it pauses. The plan that ends the run, if that is what it comes to."""
        while move is not PAUSE:
            if isinstance(move, Plan):
                return move
            if move is None and self._visits == VISITS_MAX:
                return self._rested()
            move = self._take(move if move is not None else self._visit())
        return None

    def _rested(self) -> Plan:
        """A plan that asks for nothing: the next one goes on, so that others have their turn. Branches do not rest."""
        progress, strand = self._position.progress, self._position.strand
        progress.visits += self._visits
        if self._position.above or self._ready or progress.visits >= VISITS_ON_MAX:
            return self._transcript.failed(Failed("flow_too_long"))
        strand.waits_for = ON
        return self._transcript.paused(Plan(blocks=ON.encode(), withdraws=self._strands.withdraws), progress)

    def _paused(self) -> Plan:
        position = self._position
        for strand, above, request in self._strands.held(position.progress):
            position.stand_on(strand, above)
            self._strands.ask(position.progress, strand, wait_of(position, request))
        self._strands.wind(position.progress)
        return self._transcript.paused(self._strands.plan(position.progress), position.progress)

    # -- beginning -----------------------------------------------------------------------------------------------

    def _start(self) -> Plan | None:
        if not self._input.state:
            self._begin_with(entry_of(self._input.input))
            return None
        if not self._position.resume():
            return self._transcript.failed(Failed("flow_state_invalid"))
        progress = self._position.progress
        meanwhile = said(self._input.input)
        progress.later = "\n".join(text for text in (progress.later, meanwhile) if text)
        if progress.trunk.waits_for == ON:
            progress.trunk.waits_for = ""
            self._ready.append((progress.trunk, (), lambda: None))
        else:
            progress.visits = 0
        self._end_overdue()
        for result in self._input.results:
            self._wake(result.call, result)
        for answer in self._input.answers:
            self._wake(answer.wait, answer)
        if not (self._ready or self._input.results or self._input.answers):
            self._ready.append((progress.trunk, (), lambda: Failed("interrupted", "", "cancelled")))
        return None

    def _end_overdue(self) -> None:
        """Strands that have yet to ask for something, and whose time is over by now, do not ask for it any more."""
        for strand, above in list(self._position.progress.strands()):
            self._position.stand_on(strand, above)
            if strand.held is not None and is_overdue(self._position):
                strand.held = None
                self._ready.append((strand, above, self._ended_late))
        self._position.stand_on(self._position.progress.trunk, ())

    def _ended_late(self) -> Move:
        late = overdue(self._position)
        assert late is not None
        return self._back_at(late)

    def _begin_with(self, entry: dict[str, Any]) -> None:
        self._position.begin()
        trunk = self._position.progress.trunk
        failed = self._meddled("PackResolve", self._root, "")
        self._ready.append((trunk, (), lambda: failed or self._position.enter(self._root, entry)))

    def _wake(self, id: str, came: CallResult | WaitAnswer) -> None:
        """The strand that waits for this goes on with it. What nobody waits for any more is left."""
        found = self._strands.waiting_for(self._position.progress, id)
        if found is not None:
            strand, above = found
            strand.waits_for, strand.takes_talk = "", False
            self._ready.append((strand, above, lambda: self._resumed(came)))

    def _resumed(self, came: CallResult | WaitAnswer) -> Move:
        """Goes on with what the node at the top of the strand waited for."""
        frame = self._position.frames[-1]
        ready = self._position.ready(frame)
        if ready is None:
            return self._transcript.failed(Failed("flow_changed", "The node it waited at is not there any more."))
        if (late := overdue(self._position)) is not None:
            return self._back_at(late)
        try:
            if isinstance(came, WaitAnswer):
                if not self._position.may_enter(frame.flow, frame.at):
                    return forbidden()
                return self._heard(frame, ready, Heard(came.outcome, body_of(came.body)))
            if ready.kind.ended is not None:
                return self._led(frame, came, ready.kind.ended(self._position.visited(frame, ready), came))
        except RenderError as error:
            return Failed(error.code, error.message)
        return Failed("interrupted", "", "cancelled")

    def _led(self, frame: Frame, came: CallResult, step: Step) -> Step:
        """Where a component leads the flow, if it was one that was asked and it says so."""
        if not isinstance(step, Done) or not any(
            spec.name == came.tool and COMPONENT in spec.tags for spec in self._input.tools
        ):
            return step
        return controlled(step, frame.flow, self._position.flows, frame.entry)

    def _heard(self, frame: Frame, ready: Ready, heard: Heard) -> Move:
        if heard.outcome == "answered":
            self._position.hear(dict(heard.body))
        if frame.parked:
            return self._unparked(frame, ready, heard)
        if ready.kind.heard is None:
            return Failed("flow_changed", "The node does not wait any more.")
        return ready.kind.heard(self._position.visited(frame, ready), heard)

    # -- visiting ------------------------------------------------------------------------------------------------

    def _visit(self) -> Step:
        self._visits += 1
        frame = self._position.frames[-1]
        ready = self._position.ready(frame)
        if ready is None:
            return Failed("node_unknown", frame.at)
        if ready.when is not None and not holds(ready.when, self._position.context(frame)):
            return Done(None, status="skipped")
        if not self._position.may_enter(frame.flow, frame.at):
            return forbidden()
        if (failed := self._meddled("TemplateRender", frame.flow, frame.at)) is not None:
            return failed
        try:
            visit = self._position.visited(frame, ready)
            if self._watcher is not None:
                self._watcher.came(self._position, frame, visit.payload)
            return ready.kind.begin(visit)
        except RenderError as error:
            return Failed(error.code, error.message)

    def _meddled(self, point: Point, flow: str, node: str) -> Failed | None:
        return None if self._meddling is None else self._meddling(point, flow, node)

    def _miss(self, frame: Frame, path: str) -> None:
        self._transcript.miss(frame, path)
        if self._watcher is not None:
            self._watcher.missed(path)

    def _seen(self, frame: Frame, output: Output) -> None:
        if self._watcher is not None:
            self._watcher.left(self._position, frame, output)

    # -- what a step means ---------------------------------------------------------------------------------------

    def _take(self, step: Step) -> Move:
        frame = self._position.frames[-1] if self._position.frames else None
        if frame is None:  # the flow could not even begin
            return self._transcript.failed(cast(Failed, step))
        match step:
            case Done():
                return self._done(frame, step)
            case Failed():
                return self._failed(frame, step)
            case Wait(request, says):
                self._transcript.note(frame, "waits")
                self._transcript.says.extend(says)
                return self._ask(request)
            case Invoke(args):
                return self._invoke(frame, args)
            case Enter(flow, entry):
                self._transcript.note(frame, "calls")
                return self._called(frame, flow, _entry(entry))
            case Jump():
                return self._jump(frame, step)
            case Leave(payload):
                self._transcript.note(frame, "ok")
                self._seen(frame, Output(payload))
                return self._over(payload, text_of(payload), is_said=False)
            case Respond(payload, text):
                self._transcript.note(frame, "ok")
                return self._over(payload, text, is_said=True)
            case Fork():
                return self._fork(frame, step)
            case _:
                assert_never(step)

    def _called(self, frame: Frame, flow: str, entry: dict[str, Any]) -> Failed | None:
        """A frame for the flow that a node calls, due when the node's time is over."""
        ready = self._position.ready(frame)
        failed = self._meddled("PackResolve", flow, frame.at) or self._position.enter(flow, entry)
        if failed is None and ready is not None and ready.node.timeout_s is not None:
            self._position.frames[-1].due_us = self._input.run.now_us + int(ready.node.timeout_s * 1e6)
        return failed

    def _invoke(self, frame: Frame, args: Any) -> Move:
        ready = self._position.ready(frame)
        assert ready is not None
        tool = self._tools.get(ready.target)
        if tool is None:
            return Failed("tool_unavailable", ready.target)
        self._transcript.note(frame, "calls")
        if not any(spec.name == tool and spec.effects in ("none", "idempotent") for spec in self._input.tools):
            self._position.fix()
        self._strands.call(self._position.strand, call_of(self._position, ready, tool, args))
        return PAUSE

    def _ask(self, request: WaitRequest) -> Pause:
        position = self._position
        if request.kind != "timer":
            position.fix()
            if self._meddled("Timeout", position.frames[-1].flow, position.frames[-1].at) is not None:
                request = msgspec.structs.replace(request, expires_s=AT_ONCE_S)
        self._strands.ask(position.progress, position.strand, wait_of(position, request))
        return PAUSE

    def _jump(self, frame: Frame, jump: Jump) -> Step | None:
        self._jumps += 1
        most = JUMPS_MAX if jump.most is None else min(jump.most, JUMPS_MAX)
        if self._jumps > most:
            return Failed("goto_too_often", f"It jumps more than {most} times at once.")
        self._transcript.note(frame, "ok")
        self._seen(frame, Output())
        if jump.flow and jump.flow != frame.flow:
            if (failed := self._meddled("PackResolve", jump.flow, frame.at)) is not None:
                return failed
            return self._position.replace(frame, jump.flow, _entry(jump.entry), jump.node)
        flow = self._position.flows[frame.flow]
        node = jump.node or flow.flow.start
        if node not in flow.nodes:
            return Failed("node_unknown", node)
        frame.go(node)
        return None

    # -- branches ------------------------------------------------------------------------------------------------

    def _fork(self, frame: Frame, step: Fork) -> Move:
        """The branches of a node begin, and are walked after whatever else can go on."""
        if len(self._position.path) >= FRAMES_MAX:
            return Failed("flow_depth", frame.at)
        self._transcript.note(frame, "forks")
        frame.local |= fork.opened(step)
        self._branch_off(frame)
        return PAUSE

    def _branch_off(self, frame: Frame) -> None:
        ready = self._position.ready(frame)
        timeout_s = None if ready is None else ready.node.timeout_s
        above = (*self._position.above, self._position.strand)
        frame.local.setdefault("due_us", 0 if timeout_s is None else self._input.run.now_us + int(timeout_s * 1e6))
        while (base := fork.next_branch(frame)) is not None:
            base.due_us = frame.local["due_us"]
            strand = Strand([base])
            frame.strands.append(strand)
            self._ready.append((strand, above, lambda: None))

    def _branch_over(self, output: Output) -> Move:
        """The branch it stands on is over: the node that it branched off from is done, fails, or waits for others."""
        position = self._position
        position.strand.output, position.strand.frames = output, []
        position.stand_on(position.above[-1], position.above[:-1])
        frame = position.frames[-1]
        step = fork.joined(frame)
        if step is None:
            self._branch_off(frame)
            return PAUSE
        self._leave_branches(frame)
        return step

    def _back_at(self, late: Overdue) -> Failed:
        """Back at the node whose time is over: nothing of what it began goes on."""
        strands = (*self._position.above, self._position.strand)
        self._position.stand_on(strands[late.strand], strands[: late.strand])
        for frame in (*late.left, self._position.frames[-1]):
            self._leave_branches(frame)
        return Failed("timeout", late.message, "timeout")

    def _leave_branches(self, frame: Frame) -> None:
        for strand in frame.strands:
            if not strand.is_over:
                self._strands.drop(self._position.progress, strand)
        frame.strands = []

    # -- leaving a node ------------------------------------------------------------------------------------------

    def _done(self, frame: Frame, done: Done) -> Move:
        ready = self._position.ready(frame)
        assert ready is not None
        self._transcript.says += done.says
        if done.says:
            self._position.fix()
        if len(self._transcript.says) > SAYS_MAX:
            return self._transcript.failed(Failed("messages_too_many"))
        frame.said = frame.said or bool(done.says) or ready.kind.is_silent
        output = Output(done.payload, done.status)
        if done.status != "skipped":
            try:
                output.payload = self._position.mapped(frame, ready, output)
            except RenderError as error:
                return Failed(error.code, error.message)
        self._transcript.note(frame, done.status)
        return self._leave(frame, ready, output, None)

    def _failed(self, frame: Frame, failed: Failed) -> Move:
        ready = self._position.ready(frame)
        if ready is None:
            return self._transcript.failed(failed)
        self._transcript.note(frame, f"error:{code_of(failed)}")
        if (pause := again(frame, ready, failed)) is not None:
            return pause
        output = _output(failed)
        roots = {"error": {"code": output.code, "message": failed.message, "event": failed.event}}
        if ready.errors is None:
            return self._leave(frame, ready, output, failed.event)
        try:
            values = self._position.context(frame, roots)
            output.payload = ready.errors.fill(self._position.filling(frame, values, roots["error"]))
        except RenderError as error:
            failed = Failed(error.code, error.message)
            self._seen(frame, _output(failed))
            return self._uncaught(failed)
        return self._leave(frame, ready, output, failed.event)

    def _leave(self, frame: Frame, ready: Ready, output: Output, event: Event | None) -> Move:
        """Keeps the output and takes the way that fits. A failure with a mapping of errors counts as dealt with where
        no route is about it."""
        output.input = frame.local.get("input")
        self._position.keep(frame, output)
        self._seen(frame, output)
        way = routing.way(self._position, frame, ready, output, event)
        if isinstance(way, routing.Nowhere) and ready.errors is not None:
            way = routing.way(self._position, frame, ready, output)
        return self._go(frame, ready, output, way)

    def _go(self, frame: Frame, ready: Ready, output: Output, way: routing.Way) -> Move:
        match way:
            case routing.To(node):
                frame.go(node)
                return None
            case routing.Out(is_reply):
                text = "" if frame.said else text_of(output.payload)
                return self._over(output.payload, text, is_said=is_reply)
            case routing.Park():
                return self._park(frame, ready, output)
            case routing.Nowhere():
                event = cast(Event, output.status)
                return self._uncaught(Failed(output.code, output.message, event, is_foreign=output.is_foreign))

    # -- parked nodes --------------------------------------------------------------------------------------------

    def _park(self, frame: Frame, ready: Ready, output: Output) -> Move:
        """The node's text is the question; the next message is tried on its routes."""
        frame.parked += 1
        if frame.parked > PARKED_MAX or self._input.run.session is None:
            return self._uncaught(Failed("route_unmatched", "No route fits."))
        text = "" if frame.said else text_of(output.payload)
        frame.said = True
        self._transcript.note(frame, "waits")
        expires_s = WAIT_EXPIRES_S if ready.node.timeout_s is None else ready.node.timeout_s
        return self._ask(WaitRequest("clarification", text, expires_s=expires_s))

    def _unparked(self, frame: Frame, ready: Ready, heard: Heard) -> Move:
        if heard.outcome != "answered":
            frame.parked = 0
            return ended(heard)
        output = frame.nodes.get(frame.at, Output())
        self._transcript.note(frame, "ok")
        way = routing.way(self._position, frame, ready, output, heard=heard.body)
        return self._go(frame, ready, output, way)

    # -- ending --------------------------------------------------------------------------------------------------

    def _over(self, payload: Any, text: str, *, is_said: bool) -> Move:
        """The top flow is over: its caller's node gets the payload, or the run its answer.

        What this plan said last is the answer where there is no other text, so that nothing is said twice. What was
        said to the flow while it was busy begins it anew.
        """
        try:
            payload, text = given(self._position, payload, text, has_said=bool(self._transcript.says))
        except RenderError as error:
            return self._uncaught(Failed(error.code, error.message))
        ended = self._position.frames.pop()
        if is_said and text and self._position.path:
            self._transcript.says.append(text)
            self._position.fix()
        if self._position.above and not self._position.frames:
            return self._branch_over(Output(payload))
        if self._position.frames:
            self._position.frames[-1].said = ended.said or (is_said and bool(text))
            return Done(payload)
        if text.strip():
            self._transcript.says.append(text)
        later = self._position.take_later()
        if later:
            self._begin_with(entry_of((Message("customer", later),)))
            return PAUSE
        return self._transcript.answered()

    def _uncaught(self, failed: Failed) -> Move:
        """No route is about this failure: the flow fails, and with it the node that called it."""
        if len(self._position.frames) > 1:
            left = self._position.frames.pop()
            self._position.frames[-1].local["fixed"] = left.is_fixed
            return failed
        if self._position.above:
            return self._branch_over(_output(failed))
        if failed.code == "wait_expired":  # nobody is there to be told
            return self._over(None, "", is_said=False)
        return self._transcript.failed(failed)


def _is_wanted(strand: Strand, above: Above) -> bool:
    """Whether a strand is still under way: a node that it branched off from may be done."""
    lines = (*above, strand)
    if any(each.is_over for each in lines):
        return False
    return all(any(each is lower for each in upper.frames[-1].strands) for upper, lower in pairwise(lines))


def _entry(value: Any) -> dict[str, Any]:
    return entry_of((), msgspec.json.encode(value))


def _output(failed: Failed) -> Output:
    return Output(failed.payload, failed.event, code_of(failed), failed.message, failed.is_foreign)
