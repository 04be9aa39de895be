"""What each kind of actor may ask of the runtime.

This table decides first, and by default; policy can only take away from it. What agents may do to the world is for
policies alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lichen.core.words.scope import Actor, ActorKind
from lichen.gate.rules.schema import Action

_TALK: Final[tuple[Action, ...]] = (
    "agent.list", "health.read", "run.result", "run.start", "session.close", "session.open", "session.read",
    "session.say", "tool.login", "wait.answer",
)  # fmt: skip
_LOOK: Final[tuple[Action, ...]] = (
    "agent.list", "agent.read", "channel.read", "eval.list", "eval.read", "health.read", "letter.read", "policy.check",
    "run.read", "run.result", "schedule.read", "session.list", "session.read", "stop.read", "wait.read",
)  # fmt: skip
_RUN: Final[tuple[Action, ...]] = ("agent.create", "process.stop", "run.pause", "run.resume")
_SEE: Final[tuple[Action, ...]] = ("run.contents",)
_STEER: Final[tuple[Action, ...]] = ("run.cancel", "run.pause", "run.resume")
_ACT: Final[tuple[Action, ...]] = ("message.send", "model.invoke", "run.start", "secret.use")
_TICK: Final[tuple[Action, ...]] = ("schedule.pause", "schedule.replay", "schedule.resume", "schedule.run")
_MEND: Final[tuple[Action, ...]] = ("letter.drop", "letter.replay")
_BEGIN: Final[tuple[Action, ...]] = ("schedule.fire", "session.tell")
_PROVE: Final[tuple[Action, ...]] = ("log.backup", "log.export", "log.read", "log.verify")
_KEEP: Final[tuple[Action, ...]] = (
    "channel.check", "channel.register", "channel.test",
    "key.issue", "key.read", "key.revoke", "policy.read", "policy.reload", "secret.read", "secret.remove", "secret.set",
    "tool.look", "tool.read",
)  # fmt: skip
_OFFER: Final[tuple[Action, ...]] = ("tool.submit",)
_GOVERN: Final[tuple[Action, ...]] = (
    "log.erase", "run.declassify", "session.declassify", "stop.clear", "stop.set", "tool.review",
)  # fmt: skip

MAY: Final[Mapping[ActorKind, frozenset[Action]]] = {
    "customer": frozenset((*_TALK, "run.cancel")),
    "operator": frozenset(
        (*_TALK, *_LOOK, *_SEE, *_STEER, *_TICK, *_BEGIN, *_MEND, *_PROVE, *_KEEP, *_OFFER, *_GOVERN)
    ),
    "service": frozenset((*_TALK, *_LOOK, *_STEER, *_OFFER, *_BEGIN, "secret.use")),
    "system": frozenset((*_LOOK, *_SEE, *_PROVE, *_KEEP, *_OFFER, *_RUN)),
    "agent": frozenset((*_ACT, "session.tell")),
}
"""What each kind of actor may ask for. Customers see what is theirs alone: that is no matter of kinds."""

_ANSWERS: Final[Mapping[ActorKind, tuple[str, ...]]] = {
    "customer": ("clarification", "confirmation", "external"),
    "service": ("clarification", "confirmation", "external", "handover", "pause", "preempt"),
}


def may(actor: Actor, action: Action, resource: str = "") -> bool:
    """Whether actors of this kind may ask for this. Whom somebody acts for gives them nothing.

    Of waits, whose resource is their kind, only operators answer those that are about effects.
    """
    if action == "wait.answer" and resource and actor.kind in _ANSWERS:
        return resource in _ANSWERS[actor.kind]
    return action in MAY[actor.kind]
