"""The flows of a plan that are under way: how long each may take, whether it may be tried again, and what it gives.

A node that calls a flow may say how long that takes (`timeout`) and how often it is tried (`retry`). The time is that
of the run's records, and shortens every call and wait within. A flow in which something was done or said that is not
done twice is not tried again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lichen.core.ports.plan import Plan, WaitRequest
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.frames import Frame
from lichen.flows.nodes.steps import Failed, Wait
from lichen.flows.text.rendering import RenderError, written
from lichen.flows.walk.compiled import Ready
from lichen.flows.walk.stage import Stage

OUTPUT_CHARS_MAX: Final = 64_000  # of a result that is said as JSON


class Underway(Stage):
    """What holds for a flow as a whole, while it is walked."""

    def _late(self) -> Failed | None:
        """The failure of a node that called a flow whose time is over: whatever that flow was at is left."""
        depth = next(
            (i for i, frame in enumerate(self._progress.frames) if 0 < frame.due_us <= self._input.run.now_us), None
        )
        if depth is None:
            return None
        left = self._progress.frames[depth:]
        del self._progress.frames[depth:]
        self._progress.frames[-1].local["fixed"] = any(frame.is_fixed for frame in left)
        return Failed("timeout", "The flow took too long.", "timeout")

    def _again(self, frame: Frame, ready: Ready, failed: Failed) -> Wait | None:
        """The pause before the flow that the node calls is tried again, if it is: nothing may have happened in it that
        is not done twice."""
        retry, tried = ready.node.retry, frame.local.get("tries", 1)
        is_over = tried >= retry.attempts or (retry.on and failed.code not in retry.on)
        if ready.kind.target != "flow" or is_over or frame.local.pop("fixed", True):
            return None
        frame.local["tries"] = tried + 1
        return Wait(WaitRequest("timer", may_answer=(), expires_s=max(0.001, retry.backoff_s * 2 ** (tried - 1))))

    def _ask(self, request: WaitRequest) -> Plan:
        """Waits, no longer than the flows under way may take."""
        if request.kind != "timer":
            self._fix()
        return self._pause(Plan(waits=(msgspec.structs.replace(request, expires_s=self._within(request.expires_s)),)))

    def _within(self, seconds: float | None) -> float | None:
        """So many seconds, or as many as are left to the flow that has the least."""
        left = [(frame.due_us - self._input.run.now_us) / 1e6 for frame in self._progress.frames if frame.due_us]
        return min((time_s for time_s in (seconds, *left) if time_s is not None), default=None)

    def _fix(self) -> None:
        """Something is done or said that is not done again: no flow under way is tried again."""
        for frame in self._progress.frames:
            frame.is_fixed = True

    def _given(self, frame: Frame, payload: Any, text: str) -> tuple[Any, str]:
        """What a flow gives and says in the end: its `outputs`, if it has some. Where nobody talks to the run, what
        has no words is said as JSON."""
        outputs = self._flows[frame.flow].outputs
        if outputs is not None:
            payload = outputs.fill(self._filling(frame, self._context(frame)))
            text = text_of(payload)
        is_last = len(self._progress.frames) == 1 and self._input.run.session is None
        if is_last and not text.strip() and not self._says and payload not in (None, "", {}, []):
            text = written(payload)
            if len(text) > OUTPUT_CHARS_MAX:
                raise RenderError("output_too_large", f"The result has more than {OUTPUT_CHARS_MAX} characters.")
        return payload, text
