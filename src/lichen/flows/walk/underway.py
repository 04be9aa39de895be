"""The flows of a plan that are under way: how long each may take, whether it may be tried again, and what it gives.

A node that calls a flow, or begins branches, may say how long that takes (`timeout`), and one that calls a flow how
often it is tried (`retry`). The time is that of the run's records, and shortens every call and wait within. A flow in
which something was done or said that is not done twice is not tried again.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.ports.call import Retry
from lichen.core.ports.plan import CallRequest, WaitRequest
from lichen.core.words.ids import ToolName
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.frames import Frame
from lichen.flows.nodes.steps import Failed, Wait
from lichen.flows.text.rendering import RenderError, written
from lichen.flows.walk.compiled import Ready
from lichen.flows.walk.position import Position

OUTPUT_CHARS_MAX: Final = 64_000  # of a result that is said as JSON


class Overdue(NamedTuple):
    """A node whose time is over: the number of its strand, the run's own being 0, and the flows that it left behind."""

    strand: int
    left: tuple[Frame, ...]
    message: str


def is_overdue(position: Position) -> bool:
    """Whether the time of a node is over that called a flow or began branches."""
    return any(0 < frame.due_us <= position.input.run.now_us for frame in position.path)


def overdue(position: Position) -> Overdue | None:
    """The node whose time is over that is farthest out, which called a flow or began branches."""
    now_us, strands = position.input.run.now_us, (*position.above, position.strand)
    for number, strand in enumerate(strands):
        depth = next((i for i, frame in enumerate(strand.frames) if 0 < frame.due_us <= now_us), None)
        if depth == 0:
            return Overdue(number - 1, (), "The branches took too long.")
        if depth is not None:
            left = tuple(strand.frames[depth:])
            del strand.frames[depth:]
            strand.frames[-1].local["fixed"] = any(frame.is_fixed for frame in left)
            return Overdue(number, left, "The flow took too long.")
    return None


def again(frame: Frame, ready: Ready, failed: Failed) -> Wait | None:
    """The pause before the flow that the node calls is tried again, if it is: nothing may have happened in it that
    is not done twice."""
    retry, tried = ready.node.retry, frame.local.get("tries", 1)
    is_over = tried >= retry.attempts or (retry.on and failed.code not in retry.on)
    if ready.kind.target != "flow" or is_over or frame.local.pop("fixed", True):
        return None
    frame.local["tries"] = tried + 1
    return Wait(WaitRequest("timer", may_answer=(), expires_s=max(0.001, retry.backoff_s * 2 ** (tried - 1))))


def call_of(position: Position, ready: Ready, tool: str, args: Any) -> CallRequest:
    """The call that a node makes, which takes no longer than the flows under way may."""
    wanted = ready.node.retry
    retry = Retry(wanted.attempts, wanted.backoff_s, wanted.on) if wanted.attempts > 1 else None
    timeout_s = _within(position, ready.node.timeout_s)
    return CallRequest(ToolName(tool), msgspec.json.encode(args), timeout_s, retry, ready.redact)


def wait_of(position: Position, request: WaitRequest) -> WaitRequest:
    """The wait that a node asks for, no longer than the flows under way may take."""
    return msgspec.structs.replace(request, expires_s=_within(position, request.expires_s))


def _within(position: Position, seconds: float | None) -> float | None:
    """So many seconds, or as many as are left to the flow that has the least."""
    left = [(frame.due_us - position.input.run.now_us) / 1e6 for frame in position.path if frame.due_us]
    return min((time_s for time_s in (seconds, *left) if time_s is not None), default=None)


def given(position: Position, payload: Any, text: str, *, has_said: bool) -> tuple[Any, str]:
    """What the flow on top gives and says in the end: its `outputs`, if it has some. Where nobody talks to the run,
    what has no words is said as JSON. Raises RenderError."""
    frame = position.frames[-1]
    outputs = position.flows[frame.flow].outputs
    if frame.is_branch:
        return payload, text
    if outputs is not None:
        payload = outputs.fill(position.filling(frame, position.context(frame)))
        text = text_of(payload)
    is_last = len(position.path) == 1 and position.input.run.session is None
    if is_last and not text.strip() and not has_said and payload not in (None, "", {}, []):
        text = written(payload)
        if len(text) > OUTPUT_CHARS_MAX:
            raise RenderError("output_too_large", f"The result has more than {OUTPUT_CHARS_MAX} characters.")
    return payload, text
