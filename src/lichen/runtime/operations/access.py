"""Who may do what: the one question that every operation asks first.

In this order: may this kind of actor ask for it at all, is there such a thing for them, does policy allow it. Whoever
may not know of a thing is told that it is not there, never that it is not theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lichen.core.errors import Denied, NotFound
from lichen.core.events import Ruling
from lichen.core.ids import RunId, SessionId
from lichen.core.policy import Check, Gate
from lichen.core.scope import Actor, Scope
from lichen.engine.journal import Journal
from lichen.gate.identity import may
from lichen.gate.schema import Action

ALL = "*"


class About(msgspec.Struct, frozen=True):
    """What an act is about. `resource` is what policies see, `what` the kind of thing it is.

    `owner` finds the pseudonym of whose it is; empty for nobody's, None when there is no such thing.
    """

    resource: str
    what: str = ""
    owner: Callable[[Journal], str | None] | None = None
    session: SessionId | None = None
    run: RunId | None = None


EVERYTHING = About(ALL)


def of_session(id: SessionId) -> About:
    """A session, which is its customer's."""
    return About(id, "session", lambda journal: journal.mailbox(id).subject or None, session=id)


def of_run(id: RunId) -> About:
    """A run, which is whose it was started for."""
    return About(id, "run", lambda journal: journal.run(id).subject or None, run=id)


class Access:
    """Asks. `journal_of` opens the journal of a scope."""

    def __init__(self, gate: Gate, journal_of: Callable[[Scope], Journal]) -> None:
        self._gate = gate
        self._journal_of = journal_of

    def ask(self, action: Action, scope: Scope, actor: Actor, about: About, *, language: str = "") -> Ruling:
        """What the gate says of an act that it allows.

        Raises Denied (`role_missing`, `denied`), NotFound (`session_unknown`, `run_unknown`, `wait_unknown`).
        """
        if not may(actor, action, about.resource):
            raise role_missing(action)
        journal = self._journal_of(scope)
        _find(journal, actor, about)
        check = Check(scope, actor, action, about.resource, run=about.run, session=about.session, language=language)
        verdict = self._gate.rule(check)
        if verdict.outcome != "allow":
            raise Denied(verdict.public_reason or "Policy does not allow this.", code="denied")
        return Ruling(action, verdict.policies, verdict.policy_digest)


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
