"""Where a plan of a flow stands: its frames, what it said and noted so far, and the values around each node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.core.ports.plan import Plan, PlanInput
from lichen.flows.nodes import frames
from lichen.flows.nodes.context import Context, around
from lichen.flows.nodes.frames import Frame, Output, Progress
from lichen.flows.nodes.steps import Failed, Visit
from lichen.flows.text.mapping import Filling
from lichen.flows.walk.compiled import Ready, ReadyFlow
from lichen.flows.walk.trail import missing, note

MISSED_MAX: Final = 32  # notes of values that are not there, of one plan
_CODE_CHARS_MAX: Final = 64


class Stage:
    """What a walk stands on. For one plan."""

    def __init__(self, flows: Mapping[str, ReadyFlow], input: PlanInput) -> None:
        self._flows = flows
        self._input = input
        self._around = around(input.run)
        self._progress = Progress([])
        self._says: list[str] = []
        self._notes: list[str] = []
        self._missed = 0

    def _ready(self, frame: Frame) -> Ready | None:
        flow = self._flows.get(frame.flow)
        return flow.nodes.get(frame.at) if flow else None

    def _visited(self, frame: Frame, ready: Ready) -> Visit:
        flow = self._flows[frame.flow]
        payload = ready.input.fill(self._filling(frame, self._context(frame)))
        if flow.keeps_inputs:
            frame.local["input"] = payload
        return Visit(
            node=ready.node,
            payload=payload,
            frame=frame,
            target=ready.target,
            slots=flow.flow.slots,
            has_session=self._input.run.session is not None,
            later=self._later,
            language=self._input.run.attributes.get("language", ""),
        )

    def _later(self) -> str:
        text, self._progress.later = self._progress.later, ""
        return text

    def _context(self, frame: Frame, extra: Mapping[str, Any] | None = None, spread: Any = None) -> Context:
        parameters = self._flows[frame.flow].flow.parameters
        latest = frame.latest or frame.entry
        return Context(frame, self._around, parameters=parameters, latest=latest, extra=extra, spread=spread)

    def _mapped(self, frame: Frame, ready: Ready, output: Output) -> Any:
        """The payload as the node's output mapping has it, after `vars_out` took what they keep."""
        result = output.payload
        roots = {"result": result, "output": result, "response": result}
        filling = self._filling(frame, self._context(frame, roots, result), result)
        kept = {name: mapped.fill(filling) for name, mapped in ready.vars_out.items()}
        payload = result if ready.output is None else ready.output.fill(filling)
        frame.vars.update(kept)
        return payload

    def _filling(self, frame: Frame, values: Context, result: Any = None) -> Filling:
        def missed(path: str) -> None:
            text = missing(frame.flow, frame.at, path)
            if text not in self._notes and self._missed < MISSED_MAX:
                self._missed += 1
                self._notes.append(text)

        return Filling(values, self._flows[frame.flow].strict, result, missed)

    def _note(self, frame: Frame, outcome: str) -> None:
        self._notes.append(note(frame.flow, frame.at, outcome))

    def _fail(self, failed: Failed) -> Plan:
        code = "component_error" if failed.is_foreign else code_of(failed)
        return Plan(failure=code, says=tuple(self._says), notes=tuple(self._notes))

    def _pause(self, plan: Plan) -> Plan:
        """The plan with where the run stands, unless that is too much to be kept."""
        state = frames.encode(self._progress)
        if state is None:
            return self._fail(Failed("flow_state_too_large"))
        return msgspec.structs.replace(plan, says=tuple(self._says), notes=tuple(self._notes), state=state)


def code_of(failed: Failed) -> str:
    """The failure's code as it may stand in a record: nothing a stranger wrote."""
    is_plain = failed.code.replace("_", "").replace(".", "").replace("-", "").isalnum() and failed.code.isascii()
    return failed.code if is_plain and len(failed.code) <= _CODE_CHARS_MAX else "failed"
