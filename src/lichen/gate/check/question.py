"""What the gate is asked: a check with all that is known of it before it is decided, or a reason to say no at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from lichen.core.ports.policy import Check, Facts
from lichen.gate.cedar.values import Value
from lichen.gate.check.meters import Claim
from lichen.gate.label.labels import Endorsement
from lichen.gate.rules.schema import ActionView, is_alike, with_tags
from lichen.gate.switches import Stop, Switches

if TYPE_CHECKING:
    from lichen.gate.rules.policies import PolicySet

BEGINS: Final = ("message.send", "model.invoke", "run.start", "secret.use", "session.open")
"""What a stop is for, beside calls."""

PublicText = Literal["denied", "in_doubt", "busy", "stopped"]
"""Which of the runtime's own texts the customer is told."""


class Refused(Exception):
    """A reason to say no before policy is asked."""

    def __init__(self, operator_reason: str, public: PublicText = "denied", *, policies: tuple[str, ...] = ()) -> None:
        super().__init__(operator_reason)
        self.operator_reason = operator_reason
        self.policies = policies
        self.public: PublicText = public


class Question(msgspec.Struct, frozen=True):
    """A check with all that is known of it before facts: everything here stays true while they are read."""

    check: Check
    policies: PolicySet
    view: ActionView
    args: Value = {}
    endorsement: Endorsement = Endorsement({}, {})
    claimed: Mapping[str, Claim] = {}

    @property
    def watched(self) -> list[str]:
        """The keys whose payments would make facts stale: those of which policies read what is pending."""
        names = self.policies.pending
        return [claim.key for name, claim in self.claimed.items() if names is None or name in names]


class Read(Facts, frozen=True, kw_only=True):
    """Facts with the question they were read for, and how many payments its log had seen by then."""

    question: Question
    payments: int


def view_of(check: Check, policies: PolicySet) -> ActionView:
    """What the policies know of the action. They decide about nothing that they were not validated against."""
    view = policies.schema.views.get(check.action)
    if view is None:
        raise Refused(f"action_unknown: the policies were loaded without {check.action}.")
    known, given = view.tool and view.tool.spec, check.tool
    if known is None and given is None:
        return view
    if known is None or given is None or not (known.digest == given.digest or is_alike(known, given)):
        raise Refused(f"tool_changed: the policies were loaded for another version of {check.action}.")
    return view if known.digest == given.digest else with_tags(view, given)


def stop_on(check: Check, switches: Switches) -> Stop | None:
    """The switch that is on for what is asked, if one is that concerns it."""
    if check.tool is None and check.action not in BEGINS:
        return None
    agent = check.actor.id if check.actor.kind == "agent" else None
    if check.action in ("run.start", "session.open"):
        agent = check.resource
    tool = check.tool.name if check.tool is not None else check.hands_to
    return switches.find(check.scope, run=check.run, agent=agent, tool=tool)
