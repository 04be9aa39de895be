"""What a planner was asked, and what it said."""

from __future__ import annotations

from typing import Literal

import msgspec

from lichen.core.controls.control import Control, Ruling
from lichen.core.ports.call import Effects, ToolRole
from lichen.core.ports.model import Finish
from lichen.core.ports.plan import PlanReason, Resume
from lichen.core.words.ids import CallId, ToolName
from lichen.core.words.limits import Usage


class PlanStarted(Control, frozen=True, array_like=True, gc=False):
    """A planner that costs something was asked, or asks a model: `model` is the last one it asked in this attempt,
    `asked` the requests before it, `used` what those cost, and `reserved` what those under way may cost, this one
    included. Should the attempt be lost, it is billed from here.
    """

    step: int
    attempt: int
    reason: PlanReason
    model: str = ""
    reserved: Usage | None = None
    used: Usage | None = None
    asked: int = 0

    @property
    def key(self) -> str:
        key = f"plan_started/{self.step}/{self.attempt}"
        return f"{key}/{self.asked}" if self.asked else key


class PlannedCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call as planned. Its arguments are content `<id>/args` of the record, its digest is keyed."""

    id: CallId
    tool: ToolName
    effects: Effects
    digest: bytes
    cost: int = 1


class ModelAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One request to a model that a plan took: which model, how it ended (`ok`, or the code of the error), what it
    cost, how often it was tried again, and how long it took. `ruling` is what the gate said of it.

    `tries` counts the requests it took, `first_us` is how long the first piece took (0 where nothing streamed).
    `is_estimate`: nobody said what it cost, and `usage` is what was reserved. `is_unpriced`: no price is known for the
    model. `answered` is what the provider calls the model that answered, where that is a name; `finish` is why the
    reply ended.
    """

    model: str
    outcome: str
    usage: Usage = Usage()
    retries: int = 0
    duration_us: int = 0
    ruling: Ruling | None = None
    tries: int = 1
    first_us: int = 0
    is_estimate: bool = False
    is_unpriced: bool = False
    answered: str = ""
    finish: Finish | Literal[""] = ""


class Planned(Control, frozen=True, array_like=True, gc=False):
    """Contents: `state`, `say/<i>`, `answer`, `<call>/args`, `<call>/terms`, `<call>/redact`, `<call>/hint`, `notes`,
    `failure` (JSON, for operators), `blocks` (what a model's provider wants back with its next request), `value` (JSON:
    an answer that has a type), `summary` (JSON: what it says, and up to which record of the session it stands for
    that), `done` (JSON: the same of the run's own first steps, of how many of them). Beside the words of `say/<i>` and
    `answer` stand their `…/card` and `…/attachments` (JSON). `asked/<i>` is what was sent with the request `i` (JSON,
    without what the run's request before it had sent), `replied/<i>` a reply that did not become the plan.

    `error` names why an attempt gave no plan. `requests` are the model requests it took; before there were those, the
    rulings on them stood alone in `rulings`. `synthesize`: the next plan is asked for without tools, if all comes out
    well. `roles` are those of the calls, where one is another than `work`. `stops`: the answer ends the calls that are
    open. `prompts` names those it was made with: name, version and digest. `access` pins
    the rules of access that its nodes were come to under, where it asked for any. The record's label is that of the
    earlier words the planner was handed.
    """

    step: int
    attempt: int
    reason: PlanReason
    calls: tuple[PlannedCall, ...] = ()
    says: int = 0
    has_answer: bool = False
    has_state: bool = False
    waits: int = 0
    resume: Resume = "all"
    usage: Usage = Usage()
    error: str = ""
    is_final: bool = False  # no further attempt: the run fails with `error`
    rulings: tuple[Ruling, ...] = ()
    requests: tuple[ModelAsked, ...] = ()
    synthesize: bool = False
    roles: tuple[ToolRole, ...] = ()
    stops: bool = False
    prompts: tuple[str, ...] = ()
    has_summary: bool = False
    access: str = ""

    @property
    def key(self) -> str:
        return f"planned/{self.step}/{self.attempt}"

    @property
    def failing_us(self) -> int:
        """How long its requests to models took that gave no reply."""
        return sum(asked.duration_us for asked in self.requests if asked.outcome != "ok")

    def role_of(self, call: int) -> ToolRole:
        """The role of the call of this number."""
        return self.roles[call] if self.roles else "work"
