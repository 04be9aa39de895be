"""Who may do what: the one question that every operation asks first.

In this order: may this kind of actor ask for it at all, is there such a thing for them, does policy allow it. Whoever
may not know of a thing is told that it is not there, never that it is not theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lichen.core.deciders.events import Ruling
from lichen.core.deciders.run import RunState
from lichen.core.ports.policy import Check, RunMeter, Verdict
from lichen.core.words.errors import Denied, NotFound
from lichen.core.words.ids import RunId, SessionId
from lichen.core.words.scope import SYSTEM, Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.journal.counts import counted_today
from lichen.engine.journal.journal import Journal
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action
from lichen.runtime.access.openings import Openings, What
from lichen.runtime.access.refusals import Refusals

ALL = "*"


class About(msgspec.Struct, frozen=True):
    """What an act is about. `resource` is what policies see, `what` the kind of thing it is.

    `owner` finds the pseudonym of whose it is; empty for nobody's, None when there is no such thing. `team` is that of
    a session or run that is to begin.
    """

    resource: str
    what: str = ""
    owner: Callable[[Journal], str | None] | None = None
    session: SessionId | None = None
    run: RunId | None = None
    team: str = ""


EVERYTHING = About(ALL)


def of_session(id: SessionId) -> About:
    """A session, which is its customer's."""
    return About(id, "session", lambda journal: journal.mailbox(id).subject or None, session=id)


def of_run(id: RunId) -> About:
    """A run, which is whose it was started for."""
    return About(id, "run", lambda journal: journal.run(id).subject or None, run=id)


def of_request(id: RunId) -> About:
    """A run that somebody asked for, and not one that another run called."""

    def owner(journal: Journal) -> str | None:
        state = journal.run(id)
        return (state.subject or None) if state.parent is None else None

    return About(id, "run", owner, run=id)


def of_state(state: RunState) -> About:
    """A run that was looked up already."""
    return About(state.id, "run", lambda journal: state.subject or None, run=state.id)


class Access:
    """Asks, and sees to it that what is refused and what is opened stand in the log."""

    def __init__(self, engine: Engine) -> None:
        services = engine.services
        self._gate = services.gate
        self._journal_of = engine.journal
        self._clock = services.clock
        self.refusals = Refusals(engine.journal, clock=services.clock, sleep=services.sleep, new_id=services.new_id)
        self.openings = Openings(engine.journal, clock=services.clock, new_id=services.new_id)

    def ask(self, action: Action, scope: Scope, actor: Actor, about: About, *, language: str = "") -> Ruling:
        """What the gate says of an act that it allows. What it refuses is in the log.

        Raises Denied (`role_missing`, `denied`), NotFound (`session_unknown`, `run_unknown`, `wait_unknown`).
        """
        check = Check(scope, actor, action, about.resource, run=about.run, session=about.session, language=language)
        check = msgspec.structs.replace(check, team=about.team) if about.team else check
        if action == "run.start":
            check = msgspec.structs.replace(check, starting=lambda: self._counted(scope, actor))
        if not may(actor, action, about.resource):
            self.refusals.note(check, Verdict("deny", (), "", operator_reason=f"{actor.kind}s never may."))
            raise role_missing(action)
        _find(self._journal_of(scope), actor, about)
        verdict = self._gate.decide(check)
        if verdict.outcome != "allow":
            self.refusals.note(check, verdict)
            raise Denied(verdict.public_reason or "Policy does not allow this.", code="denied")
        return Ruling(action, verdict.policies, verdict.policy_digest)

    def would(self, action: Action, scope: Scope, actor: Actor, about: About) -> bool:
        """Whether an act would be allowed now, for whoever is only shown what they may do: nothing is noted."""
        if not may(actor, action, about.resource):
            return False
        check = Check(scope, actor, action, about.resource, run=about.run, session=about.session, team=about.team)
        return self._gate.decide(check).outcome == "allow"

    def _counted(self, scope: Scope, actor: Actor) -> Mapping[RunMeter, int]:
        journal = self._journal_of(scope)
        return counted_today(journal, journal.log.pseudonym(actor), self._clock())

    def open(self, action: Action, scope: Scope, actor: Actor, about: About, *, what: What, opened: str = "") -> Ruling:
        """Asks, and notes that contents are opened, unless they are the actor's own: those of `about`, or `opened`.

        Raises as `ask`.
        """
        ruling = self.ask(action, scope, actor, about)
        journal = self._journal_of(scope)
        owner = about.owner(journal) if about.owner is not None else None
        if owner is None or owner != journal.log.pseudonym(actor):
            self.openings.note(what, scope, actor, opened or about.resource, ruling)
        return ruling

    def look(self, action: Action, scope: Scope, actor: Actor, about: About, *, what: What) -> bool:
        """Asks, and says whether the actor sees words too, or sizes, labels and digests alone. That they see what is
        not their own is noted.

        Raises as `ask`.
        """
        self.ask(action, scope, actor, about)
        if self.is_own(scope, actor, about):
            return True
        ruling = self.allowed("run.contents", scope, actor, about)
        if ruling is not None:
            self.openings.note(what, scope, actor, about.resource, ruling)
        return ruling is not None

    def sees(self, scope: Scope, actor: Actor, about: About) -> bool:
        """Whether somebody who may read this sees words too: `run.contents` allows it, or it is their own."""
        return self.allowed("run.contents", scope, actor, about) is not None or self.is_own(scope, actor, about)

    def hear(self, scope: Scope, actor: Actor, about: About) -> None:
        """Whether the actor may have what was said: whose it is, a channel that brings it, and who sees words.

        Raises Denied (`role_missing`, `denied`).
        """
        if actor.kind == "customer":
            return  # whoever asked before this was told that others' things are not there
        if not (is_channel(actor) or self.is_own(scope, actor, about)):
            self.ask("run.contents", scope, actor, msgspec.structs.replace(about, resource=about.run or ALL))

    def is_own(self, scope: Scope, actor: Actor, about: About) -> bool:
        """Whether what this is about is the actor's."""
        journal = self._journal_of(scope)
        owner = about.owner(journal) if about.owner is not None else None
        return bool(owner) and owner == journal.log.pseudonym(actor)

    def allowed(self, action: Action, scope: Scope, actor: Actor, about: About) -> Ruling | None:
        """What the gate says of an act that it allows, None where it does not: nobody asked for it, so nothing is
        noted."""
        if not may(actor, action, about.resource):
            return None
        resource = about.resource if action != "run.contents" else about.run or ALL
        check = Check(scope, actor, action, resource, run=about.run, session=about.session, team=about.team)
        verdict = self._gate.decide(check)
        return Ruling(action, verdict.policies, verdict.policy_digest) if verdict.outcome == "allow" else None

    def close(self) -> None:
        """Writes what is outstanding."""
        self.openings.settle()
        self.refusals.close()

    def host(self, scope: Scope, agent: str) -> None:
        """Whether an agent may be at work in a scope at all: the runtime asks, before anybody begins with it.

        Raises Denied.
        """
        self.ask("agent.create", scope, SYSTEM, About(agent))

    def refuse(self, action: Action, scope: Scope, actor: Actor, about: About, *, reason: str) -> None:
        """Notes that an act which policy allowed was refused for another reason."""
        check = Check(scope, actor, action, about.resource, run=about.run, session=about.session)
        self.refusals.note(check, Verdict("deny", (), "", operator_reason=reason))


def is_channel(actor: Actor) -> bool:
    """Whether this is a service through which customers speak and are spoken to."""
    return actor.kind == "service" and "channel" in actor.roles


def role_missing(action: str) -> Denied:
    """The error for a kind of actor that may never ask for this."""
    return Denied(
        f"This actor may not do this ({action}).",
        code="role_missing",
        next_step="Ask somebody who may: operators of the tenant may do everything in it.",
    )


def _find(journal: Journal, actor: Actor, about: About) -> None:
    """Raises NotFound where there is no such thing, or it is another customer's."""
    if about.owner is None:
        return
    owner = about.owner(journal)
    if owner is None or (actor.kind == "customer" and journal.log.pseudonym(actor) != owner):
        raise NotFound(f"There is no such {about.what} for this actor.", code=f"{about.what}_unknown")
