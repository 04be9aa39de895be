"""One plan of a flow: from where it stands, node by node, until something from outside is needed or it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never, cast

import msgspec

from lichen.core.ports.plan import Message, Plan, PlanInput, WaitRequest
from lichen.flows.nodes.ask import WAIT_EXPIRES_S, ended
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.frames import Frame, Output, Progress
from lichen.flows.nodes.steps import Done, Enter, Event, Failed, Heard, Invoke, Jump, Leave, Step, Wait
from lichen.flows.text.expr import holds
from lichen.flows.text.rendering import RenderError
from lichen.flows.walk import routing
from lichen.flows.walk.compiled import Ready, ReadyFlow
from lichen.flows.walk.entry import body_of, entry_of, said
from lichen.flows.walk.position import Position
from lichen.flows.walk.transcript import Transcript, code_of
from lichen.flows.walk.underway import again, call_of, given, overdue, wait_of

VISITS_MAX: Final = 1_000  # nodes of one plan
JUMPS_MAX: Final = 3  # `flow.goto` of one plan, as upstream
PARKED_MAX: Final = 16  # messages in a row that fit no route
SAYS_MAX: Final = 100  # messages of one plan


class Walk:
    """Used for one plan and thrown away. `tools` are the names of the tools by what nodes call them."""

    def __init__(self, flows: Mapping[str, ReadyFlow], root: str, tools: Mapping[str, str], input: PlanInput) -> None:
        self._input = input
        self._transcript = Transcript()
        self._position = Position(flows, input, self._transcript.miss)
        self._root = root
        self._tools = tools
        self._visits = 0
        self._jumps = 0

    def plan(self) -> Plan:
        """What follows."""
        step = self._first()
        while not isinstance(step, Plan):
            if step is None and self._visits == VISITS_MAX:
                return self._transcript.failed(Failed("flow_too_long"))
            step = self._take(step if step is not None else self._visit())
        if self._input.reason == "finalize" and step.answer is None:
            return self._transcript.failed(Failed(f"limit_{self._input.limit}"))
        return step

    # -- beginning -----------------------------------------------------------------------------------------------

    def _first(self) -> Step | Plan | None:
        if not self._input.state:
            return self._begin(entry_of(self._input.input))
        try:
            return self._resume()
        except RenderError as error:
            return Failed(error.code, error.message)

    def _begin(self, entry: dict[str, Any]) -> Failed | None:
        self._position.progress = Progress([])
        return self._position.enter(self._root, entry)

    def _resume(self) -> Step | Plan | None:
        """Goes on with what the node at the top waited for."""
        if not self._position.resume():
            return self._transcript.failed(Failed("flow_state_invalid"))
        progress = self._position.progress
        meanwhile = said(self._input.input)
        progress.later = "\n".join(text for text in (progress.later, meanwhile) if text)
        frame = progress.frames[-1]
        ready = self._position.ready(frame)
        if ready is None:
            return self._transcript.failed(Failed("flow_changed", "The node it waited at is not there any more."))
        if (failed := overdue(self._position)) is not None:
            return failed
        answer = self._input.answers[-1] if self._input.answers else None
        result = self._input.results[-1] if self._input.results else None
        if answer is not None:
            return self._heard(frame, ready, Heard(answer.outcome, body_of(answer.body)))
        if result is not None and ready.kind.ended is not None:
            return ready.kind.ended(self._position.visited(frame, ready), result)
        return Failed("interrupted", "", "cancelled")

    def _heard(self, frame: Frame, ready: Ready, heard: Heard) -> Step | Plan | None:
        if heard.outcome == "answered":
            self._position.progress.hear(dict(heard.body))
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
        try:
            return ready.kind.begin(self._position.visited(frame, ready))
        except RenderError as error:
            return Failed(error.code, error.message)

    # -- what a step means ---------------------------------------------------------------------------------------

    def _take(self, step: Step) -> Step | Plan | None:
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
                return self._over(payload, text_of(payload), is_said=False)
            case _:
                assert_never(step)

    def _called(self, frame: Frame, flow: str, entry: dict[str, Any]) -> Failed | None:
        """A frame for the flow that a node calls, due when the node's time is over."""
        ready = self._position.ready(frame)
        failed = self._position.enter(flow, entry)
        if failed is None and ready is not None and ready.node.timeout_s is not None:
            self._position.frames[-1].due_us = self._input.run.now_us + int(ready.node.timeout_s * 1e6)
        return failed

    def _invoke(self, frame: Frame, args: Any) -> Step | Plan | None:
        ready = self._position.ready(frame)
        assert ready is not None
        tool = self._tools.get(ready.target)
        if tool is None:
            return Failed("tool_unavailable", ready.target)
        self._transcript.note(frame, "calls")
        if not any(spec.name == tool and spec.effects in ("none", "idempotent") for spec in self._input.tools):
            self._position.progress.fix()
        request = call_of(self._position, ready, tool, args)
        return self._transcript.paused(Plan(calls=(request,)), self._position.progress)

    def _ask(self, request: WaitRequest) -> Plan:
        if request.kind != "timer":
            self._position.progress.fix()
        return self._transcript.paused(Plan(waits=(wait_of(self._position, request),)), self._position.progress)

    def _jump(self, frame: Frame, jump: Jump) -> Step | None:
        self._jumps += 1
        if self._jumps > JUMPS_MAX:
            return Failed("goto_too_often", f"It jumps more than {JUMPS_MAX} times at once.")
        self._transcript.note(frame, "ok")
        if jump.flow and jump.flow != frame.flow:
            return self._position.replace(frame, jump.flow, _entry(jump.entry), jump.node)
        if jump.node not in self._position.flows[frame.flow].nodes:
            return Failed("node_unknown", jump.node)
        frame.go(jump.node)
        return None

    # -- leaving a node ------------------------------------------------------------------------------------------

    def _done(self, frame: Frame, done: Done) -> Step | Plan | None:
        ready = self._position.ready(frame)
        assert ready is not None
        self._transcript.says += done.says
        if done.says:
            self._position.progress.fix()
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

    def _failed(self, frame: Frame, failed: Failed) -> Step | Plan | None:
        ready = self._position.ready(frame)
        if ready is None:
            return self._transcript.failed(failed)
        self._transcript.note(frame, f"error:{code_of(failed)}")
        if (pause := again(frame, ready, failed)) is not None:
            return pause
        output = Output(failed.payload, failed.event, code_of(failed), failed.message, failed.is_foreign)
        roots = {"error": {"code": output.code, "message": failed.message, "event": failed.event}}
        if ready.errors is None:
            return self._leave(frame, ready, output, failed.event)
        try:
            values = self._position.context(frame, roots)
            output.payload = ready.errors.fill(self._position.filling(frame, values, roots["error"]))
        except RenderError as error:
            return self._uncaught(Failed(error.code, error.message))
        return self._leave(frame, ready, output, failed.event)

    def _leave(self, frame: Frame, ready: Ready, output: Output, event: Event | None) -> Step | Plan | None:
        """Keeps the output and takes the way that fits. A failure with a mapping of errors counts as dealt with where
        no route is about it."""
        output.input = frame.local.get("input")
        frame.nodes[frame.at], frame.prev = output, frame.at
        way = routing.way(self._position, frame, ready, output, event)
        if isinstance(way, routing.Nowhere) and ready.errors is not None:
            way = routing.way(self._position, frame, ready, output)
        return self._go(frame, ready, output, way)

    def _go(self, frame: Frame, ready: Ready, output: Output, way: routing.Way) -> Step | Plan | None:
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

    def _park(self, frame: Frame, ready: Ready, output: Output) -> Step | Plan | None:
        """The node's text is the question; the next message is tried on its routes."""
        frame.parked += 1
        if frame.parked > PARKED_MAX or self._input.run.session is None:
            return self._uncaught(Failed("route_unmatched", "No route fits."))
        text = "" if frame.said else text_of(output.payload)
        frame.said = True
        self._transcript.note(frame, "waits")
        expires_s = WAIT_EXPIRES_S if ready.node.timeout_s is None else ready.node.timeout_s
        return self._ask(WaitRequest("clarification", text, expires_s=expires_s))

    def _unparked(self, frame: Frame, ready: Ready, heard: Heard) -> Step | Plan | None:
        if heard.outcome != "answered":
            frame.parked = 0
            return ended(heard)
        output = frame.nodes.get(frame.at, Output())
        self._transcript.note(frame, "ok")
        way = routing.way(self._position, frame, ready, output, heard=heard.body)
        return self._go(frame, ready, output, way)

    # -- ending --------------------------------------------------------------------------------------------------

    def _over(self, payload: Any, text: str, *, is_said: bool) -> Step | Plan | None:
        """The top flow is over: its caller's node gets the payload, or the run its answer.

        What this plan said last is the answer where there is no other text, so that nothing is said twice. What was
        said to the flow while it was busy begins it anew.
        """
        try:
            payload, text = given(self._position, payload, text, has_said=bool(self._transcript.says))
        except RenderError as error:
            return self._uncaught(Failed(error.code, error.message))
        ended = self._position.frames.pop()
        if self._position.frames:
            if is_said and text:
                self._transcript.says.append(text)
                self._position.progress.fix()
            self._position.frames[-1].said = ended.said or (is_said and bool(text))
            return Done(payload)
        if text.strip():
            self._transcript.says.append(text)
        later = self._position.take_later()
        if later:
            return self._begin(entry_of((Message("customer", later),)))
        return self._transcript.answered()

    def _uncaught(self, failed: Failed) -> Step | Plan | None:
        """No route is about this failure: the flow fails, and with it the node that called it."""
        if len(self._position.frames) > 1:
            left = self._position.frames.pop()
            self._position.frames[-1].local["fixed"] = left.is_fixed
            return failed
        if failed.code == "wait_expired":  # nobody is there to be told
            return self._over(None, "", is_said=False)
        return self._transcript.failed(failed)


def _entry(value: Any) -> dict[str, Any]:
    return entry_of((), msgspec.json.encode(value))
