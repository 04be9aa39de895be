"""Where a plan of a flow stands: on which strand, its frames, and the values around the node that each is at."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lichen.core.ports.plan import PlanInput
from lichen.flows.nodes import frames
from lichen.flows.nodes.context import Context, around
from lichen.flows.nodes.frames import FRAMES_MAX, Frame, Output, Progress, Strand
from lichen.flows.nodes.steps import Failed, Visit, forbidden
from lichen.flows.text.mapping import Filling
from lichen.flows.walk.compiled import Ready, ReadyFlow
from lichen.flows.walk.entry import first_vars


class Position:
    """For one plan, which begins a flow or resumes it. `missed` is told of every value that texts read and that is not
    there."""

    def __init__(
        self,
        flows: Mapping[str, ReadyFlow],
        input: PlanInput,
        missed: Callable[[Frame, str], None],
        paths: Mapping[str, tuple[str, str]],
    ) -> None:
        self.flows = flows
        self._paths = paths
        self.input = input
        self.progress = Progress(Strand([]))
        self.strand = self.progress.trunk
        self.above: tuple[Strand, ...] = ()
        self._around = around(input.run)
        self._missed = missed

    @property
    def frames(self) -> list[Frame]:
        """The flows under way on this strand, the one that is walked last."""
        return self.strand.frames

    @property
    def path(self) -> list[Frame]:
        """The same, behind those of the strands above."""
        return [frame for strand in (*self.above, self.strand) for frame in strand.frames]

    def stand_on(self, strand: Strand, above: tuple[Strand, ...]) -> None:
        """Walks this strand from now on."""
        self.strand, self.above = strand, above

    def begin(self) -> None:
        """Forgets everything but what is still open: the flow begins."""
        open_still = self.progress
        alarm, alarm_us = open_still.alarm, open_still.alarm_us
        self.progress = Progress(Strand([]), stale=tuple(open_still.stale), alarm=alarm, alarm_us=alarm_us)
        self.stand_on(self.progress.trunk, ())

    # -- frames --------------------------------------------------------------------------------------------------

    def resume(self) -> bool:
        """Stands where the plan before left off. False when nothing of that can be read."""
        progress = frames.decode(self.input.state)
        if progress is None or not progress.frames:
            return False
        self.progress = progress
        self.stand_on(progress.trunk, ())
        return True

    def hear(self, body: dict[str, Any]) -> None:
        """Something came in: every flow under way here has it for its input."""
        for frame in self.path:
            frame.latest = body

    def fix(self) -> None:
        """Something is done or said that is not done again: no flow under way here is tried again."""
        for frame in self.path:
            frame.is_fixed = True

    def enter(self, flow: str, entry: dict[str, Any], node: str = "") -> Failed | None:
        """Puts a frame for `flow` on top, at its start or at `node`. Failed when a variable it requires is missing,
        or rules of access do not let the run come there."""
        ready = self.flows.get(flow)
        is_deep = len(self.path) >= FRAMES_MAX
        if ready is None or (node and node not in ready.nodes) or is_deep:
            code = "flow_depth" if is_deep else "flow_unknown"
            return Failed(code, f"{flow} {node}".strip())
        if not self.may_enter(flow):
            return forbidden()
        values, missing = first_vars(ready.flow, entry)
        if missing:
            return Failed("var_missing", missing)
        self.frames.append(Frame(flow, node or ready.flow.start, entry, vars=values))
        return None

    def may_enter(self, flow: str, node: str = "") -> bool:
        """Whether rules of access let the run come to a flow, or a node of it."""
        return self.input.may_enter(flow, *self._paths[flow], node)

    def replace(self, frame: Frame, flow: str, entry: dict[str, Any], node: str) -> Failed | None:
        """Puts a frame for `flow` in the place of the one on top, with its time; leaves that there if it cannot."""
        self.frames.pop()
        failed = self.enter(flow, entry, node)
        if failed is not None:
            self.frames.append(frame)
        else:
            self.frames[-1].due_us, self.frames[-1].is_fixed = frame.due_us, frame.is_fixed
        return failed

    def take_later(self) -> str:
        """What was said meanwhile, once."""
        text, self.progress.later = self.progress.later, ""
        return text

    # -- values --------------------------------------------------------------------------------------------------

    def ready(self, frame: Frame) -> Ready | None:
        """The node that a frame is at, None when it is not there any more."""
        flow = self.flows.get(frame.flow)
        return flow.nodes.get(frame.at) if flow else None

    def visited(self, frame: Frame, ready: Ready) -> Visit:
        """The node with what it is given. Raises RenderError."""
        flow = self.flows[frame.flow]
        payload = ready.input.fill(self.filling(frame, self.context(frame)))
        if flow.keeps_inputs:
            frame.local["input"] = payload
        return Visit(
            node=ready.node,
            payload=payload,
            frame=frame,
            target=ready.target,
            slots=flow.flow.slots,
            has_session=self.input.run.session is not None,
            later=self.take_later,
        )

    def context(self, frame: Frame, extra: Mapping[str, Any] | None = None, spread: Any = None) -> Context:
        """What the node's texts and conditions may read."""
        parameters = self.flows[frame.flow].flow.parameters
        latest = frame.latest or frame.entry
        nodes = self._nodes() if frame.is_branch else None
        return Context(
            frame, self._around, parameters=parameters, latest=latest, extra=extra, spread=spread, nodes=nodes
        )

    def _nodes(self) -> Mapping[str, Output]:
        """What ran on this branch and on those that it branched off from."""
        found = [self.frames[0].nodes]
        for strand in reversed(self.above):
            found.append(strand.frames[-1].nodes)
            if not strand.frames[-1].is_branch:
                break
        return ChainMap(*found)

    def filling(self, frame: Frame, values: Context, result: Any = None) -> Filling:
        """Fills the node's texts with these values."""
        return Filling(values, self.flows[frame.flow].strict, result, partial(self._missed, frame))

    def keep(self, frame: Frame, output: Output) -> None:
        """Keeps the output of the node that a frame is at; what the node before gave only where something reads it."""
        read, before = self.flows[frame.flow].read, frame.prev
        if read is not None and before not in read and before != frame.at:
            frame.nodes.pop(before, None)
        frame.nodes[frame.at], frame.prev = output, frame.at

    def mapped(self, frame: Frame, ready: Ready, output: Output) -> Any:
        """The payload as the node's output mapping has it, after `vars_out` took what they keep. Raises RenderError."""
        result = output.payload
        roots = {"result": result, "output": result, "response": result}
        filling = self.filling(frame, self.context(frame, roots, result), result)
        kept = {name: mapped.fill(filling) for name, mapped in ready.vars_out.items()}
        payload = result if ready.output is None else ready.output.fill(filling)
        frame.vars.update(kept)
        return payload
