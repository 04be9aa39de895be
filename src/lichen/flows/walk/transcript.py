"""What a plan of a flow says to the customer, and notes for whoever reads the run."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.ports.plan import Plan
from lichen.flows.nodes import frames
from lichen.flows.nodes.frames import Frame, Progress
from lichen.flows.nodes.steps import Failed
from lichen.flows.walk.trail import missing, note

MISSED_MAX: Final = 32  # notes of values that are not there, of one plan
_CODE_CHARS_MAX: Final = 64


class Transcript:
    """For one plan: whatever it comes to be, it takes what was said and noted with it."""

    def __init__(self) -> None:
        self.says: list[str] = []
        self._notes: list[str] = []
        self._missed = 0

    def note(self, frame: Frame, outcome: str) -> None:
        """The node that a frame is at was visited."""
        self._notes.append(note(frame.flow, frame.at, outcome))

    def miss(self, frame: Frame, path: str) -> None:
        """A value was not there that the node's texts read."""
        text = missing(frame.flow, frame.at, path)
        if text not in self._notes and self._missed < MISSED_MAX:
            self._missed += 1
            self._notes.append(text)

    def failed(self, failed: Failed) -> Plan:
        """The flow is over, and so is the run."""
        code = "component_error" if failed.is_foreign else code_of(failed)
        return Plan(failure=code, says=tuple(self.says), notes=tuple(self._notes))

    def paused(self, plan: Plan, progress: Progress) -> Plan:
        """The plan with where the run stands, unless that is too much to be kept."""
        state = frames.encode(progress)
        if state is None:
            return self.failed(Failed("flow_state_too_large"))
        return msgspec.structs.replace(plan, says=tuple(self.says), notes=tuple(self._notes), state=state)

    def answered(self) -> Plan:
        """The flow is over: what was said last is the answer, so that nothing is said twice."""
        answer = self.says.pop() if self.says else ""
        return Plan(answer=answer, says=tuple(self.says), notes=tuple(self._notes))


def code_of(failed: Failed) -> str:
    """The failure's code as it may stand in a record: nothing a stranger wrote."""
    is_plain = failed.code.replace("_", "").replace(".", "").replace("-", "").isalnum() and failed.code.isascii()
    return failed.code if is_plain and len(failed.code) <= _CODE_CHARS_MAX else "failed"
