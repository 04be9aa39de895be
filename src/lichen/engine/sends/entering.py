"""Which flows and nodes the plan of a run may come to, and what the log has of those that it may not."""

from __future__ import annotations

from typing import Final

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.policy import Check, Verdict
from lichen.engine.act import Act
from lichen.engine.sends.sends import refusal

ENTER: Final = "flow.enter"
NOTED_MAX: Final = 8  # refusals of one plan


class Entering:
    """For one plan: the rules as they are when it is asked for, whatever is put in force while it is made."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._entries = act.services.gate.entries(act.journal.scope, act.state.team)
        self._refused: dict[str, str] = {}
        self._was_asked = False

    @property
    def digest(self) -> str:
        """Pins the rules that the plan was made under; empty where it asked for none, or none bind it."""
        return self._entries.digest if self._was_asked else ""

    def may(self, name: str, pack: str, flow: str, node: str) -> bool:
        """Whether a flow, or a node of it, may be come to."""
        self._was_asked = True
        why = self._entries.refusal(name, pack, flow, node)
        if why is not None and len(self._refused) < NOTED_MAX:
            self._refused["/".join(part for part in (pack, flow, node) if part)] = why
        return why is None

    def refusals(self) -> moves.Drafts:
        """A record for each that was refused, for the run's own stream."""
        act, drafts = self._act, list[e.Draft]()
        for path, why in self._refused.items():
            check = Check(act.journal.scope, act.actor, ENTER, path, run=act.state.id, session=act.state.session)
            drafts.append(refusal(act, check, Verdict("deny", (), self._entries.digest, operator_reason=why)))
        return tuple(drafts)
