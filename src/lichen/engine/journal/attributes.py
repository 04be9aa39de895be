"""The attributes of a run: what whoever began it said of it, and the channel and language of its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.ports.agent import AgentDef
from lichen.core.words.errors import Invalid
from lichen.engine.journal.journal import Journal

ATTRIBUTES_MAX: Final = 32
NAME_CHARS_MAX: Final = 64
VALUE_CHARS_MAX: Final = 256
OWN: Final = ("files",)  # what the runtime gives to every tool

_ATTRIBUTES = msgspec.json.Decoder(dict[str, str])


def sealed(attributes: Mapping[str, str]) -> bytes:
    """The attributes as the contents of a first record, empty for none. Raises Invalid (`attributes_invalid`)."""
    is_bounded = len(attributes) <= ATTRIBUTES_MAX and all(
        0 < len(name) <= NAME_CHARS_MAX and len(value) <= VALUE_CHARS_MAX for name, value in attributes.items()
    )
    if not is_bounded:
        raise Invalid(
            "The attributes are too many or too long.",
            code="attributes_invalid",
            next_step=f"Give {ATTRIBUTES_MAX} at most, of {NAME_CHARS_MAX} and {VALUE_CHARS_MAX} characters.",
        )
    return msgspec.json.encode(dict(attributes)) if attributes else b""


def check_needs(agent: AgentDef, *given: str) -> None:
    """Raises Invalid (`attributes_missing`) for attributes that tools of an agent need and that are not given: a run
    is not started without them. The runtime's own are always there."""
    needed = (name for tool in agent.tools.values() for name in tool.spec.needs)
    missing = [name for name in dict.fromkeys(needed) if name not in (*given, *OWN)]
    if missing:
        raise Invalid(
            f"Tools of {agent.name} need attributes that are not given: {', '.join(missing)}.",
            code="attributes_missing",
            next_step="Give each of them to the session, or to the run that has none.",
        )


def attributes_of(journal: Journal, state: RunState) -> dict[str, str]:
    """The attributes of a run. Channel and language are the session's, whatever a caller called them."""
    data = journal.attributes_of(state.id)
    own = {} if state.session is None else _of_session(journal.mailbox(state.session))
    return {**(_ATTRIBUTES.decode(data) if data else {}), **own}


def _of_session(mailbox: MailboxState) -> dict[str, str]:
    language = {"language": mailbox.language} if mailbox.language else {}
    return {"channel": mailbox.channel, **language}
