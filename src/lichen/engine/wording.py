"""What the runtime itself says, in the language of the session it is said in."""

from __future__ import annotations

from lichen.core.run import RunState
from lichen.core.wording import Texts
from lichen.engine.journal import Journal
from lichen.engine.ports import Services


def language_of(journal: Journal, state: RunState) -> str:
    """The language of the session that the run belongs to; empty for the tenant's own."""
    return journal.mailbox(state.session).language if state.session is not None else ""


def texts_for(services: Services, journal: Journal, state: RunState) -> Texts:
    """What the runtime itself says in the run's session."""
    return services.wording(journal.scope).of(language_of(journal, state))
