"""The file of a trace: upstream's fields, and under `lichen` what it takes to walk the run again.

Source: greentic-runner, trace/model.rs (`trace_version` 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.ports.call import Effects
from lichen.core.ports.plan import CallResult, Message, PlanReason, RunContext, WaitAnswer
from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid, NotFound

VERSION: Final = 1
ALGORITHM: Final = "blake3"
BYTES_MAX: Final = 64 * 1024 * 1024
STEPS_MAX: Final = 100_000


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a trace. What is not known in one is left alone: other runners write more, and less."""


class Hash(Part, frozen=True):
    """The hash of a value: BLAKE3 over its canonical JSON."""

    algorithm: str
    value: str


class Issue(Part, frozen=True):
    """Something that a node's texts read and that was not there."""

    code: str
    path: str
    message: str


class StepError(Part, frozen=True):
    """How a node failed. The message is left out where contents are."""

    code: str
    message: str = ""
    details: Any = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A visit of a node, in the order in which they began. There is no `output_hash` where it is not over.

    `flow`, `status` and `output_json` are Lichen's own; the JSON is there where contents are.
    """

    node_id: str
    component_id: str
    operation: str
    input_hash: Hash
    duration_ms: int = msgspec.field(default_factory=int)
    validation_issues: tuple[Issue, ...] = ()
    invocation_json: Any = None
    output_hash: Hash | None = None
    output_json: Any = None
    state_delta_hash: Hash | None = None
    error: StepError | None = None
    flow: str = ""
    status: str = ""


class Asked(Part, frozen=True):
    """What the planner was asked once, and how many `calls` and `waits` it asked for then. `forbidden` are flows and
    nodes that rules of access did not let it come to, each as `flow/node`."""

    reason: PlanReason
    step: int
    now_us: int
    input: tuple[Message, ...] = ()
    results: tuple[CallResult, ...] = ()
    answers: tuple[WaitAnswer, ...] = ()
    limit: str | None = None
    has_tools: bool = True
    calls_made: int = 0
    waits_made: int = 0
    calls: int = 0
    waits: int = 0
    forbidden: tuple[str, ...] = ()


class Recorded(Part, frozen=True):
    """A run: how many of the steps are its own, and the digest of every node of its flows. Where contents are, also
    what its planner was asked and the effects of its tools."""

    agent: str
    steps: int
    nodes: Mapping[str, Mapping[str, str]]
    run: RunContext | None = None
    effects: Mapping[str, Effects] = {}
    plans: tuple[Asked, ...] = ()

    @property
    def has_contents(self) -> bool:
        """Whether it can be walked again."""
        return self.run is not None


class Own(Part, frozen=True):
    """What Lichen adds: the runs, the oldest first."""

    runs: tuple[Recorded, ...] = ()


class Pack(Part, frozen=True):
    """The pack that the flow lies in."""

    pack_ref: str
    resolved_digest: str | None = None


class FlowRef(Part, frozen=True):
    """The flow: its id, and the digest of its document as its version."""

    id: str
    version: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A whole trace."""

    trace_version: int
    pack: Pack
    flow: FlowRef
    steps: tuple[Step, ...]
    runner_version: str | None = None
    lichen: Own = Own()

    def encoded(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read_trace(path: Path) -> Trace:
    """The trace of a file. Raises NotFound (`trace_missing`), Invalid (`trace_invalid`)."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        message = f"The trace {path} cannot be read: {error.strerror}."
        step = "Write one: `lichen flow run FILE --trace TRACE.json --contents`."
        raise NotFound(message, code="trace_missing", place=str(path), next_step=step) from None
    if len(data) > BYTES_MAX:
        raise _invalid(f"The file is larger than {BYTES_MAX} bytes.", str(path))
    try:
        trace = msgspec.json.decode(data, type=Trace)
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise _invalid(f"{found.message}.", f"{path}#{found.pointer}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _invalid("The file is no JSON.", str(path)) from None
    if trace.trace_version != VERSION:
        raise _invalid(f"Its version is {trace.trace_version}; {VERSION} is known.", f"{path}#/trace_version")
    if len(trace.steps) > STEPS_MAX or sum(run.steps for run in trace.lichen.runs) > len(trace.steps):
        raise _invalid("Its runs have other steps than it has.", f"{path}#/steps")
    return trace


def _invalid(message: str, place: str) -> Invalid:
    step = "Name a file that `--trace` or `lichen flow trace` wrote."
    return Invalid(message, code="trace_invalid", place=place, next_step=step)
