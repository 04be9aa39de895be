"""Who may knock at which door."""

from __future__ import annotations

from typing import get_args

import pytest

from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Service
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action

MIA, ANNA = Operator("mia", ("manager",)), Customer("customer-7")
AGENT = Actor("agent", "shop.support", on_behalf_of=ANNA)

ACTIONS: tuple[Action, ...] = get_args(Action)
TALK = {
    "agent.list",
    "health.read",
    "run.result",
    "run.start",
    "session.close",
    "session.open",
    "session.read",
    "session.say",
    "tool.login",
    "wait.answer",
}
LOOK = {
    "agent.list",
    "agent.read",
    "channel.read",
    "eval.list",
    "eval.read",
    "health.read",
    "letter.read",
    "policy.check",
    "run.read",
    "run.result",
    "schedule.read",
    "session.list",
    "session.read",
    "stop.read",
    "wait.read",
}
SEE = {"run.contents"}
STEER = {"run.cancel", "run.pause", "run.resume"}
KEEP = {
    "channel.check", "channel.register", "channel.test",
    "key.issue", "key.read", "key.revoke", "log.backup", "log.export", "log.read", "log.verify", "policy.read",
    "policy.reload", "secret.read", "secret.remove", "secret.set", "tool.look", "tool.read",
}  # fmt: skip
TICK = {"schedule.pause", "schedule.replay", "schedule.resume", "schedule.run"}
TELL = {"session.tell"}
MEND = {"letter.drop", "letter.replay"}
FIRE = {"schedule.fire"}
OFFER = {"tool.submit"}
OWN = {"log.erase", "run.declassify", "session.declassify", "stop.clear", "stop.set", "tool.review"}
MAY: dict[str, set[str]] = {
    "customer": TALK | {"run.cancel"},
    "operator": TALK | TELL | LOOK | SEE | STEER | TICK | FIRE | MEND | KEEP | OFFER | OWN,
    "service": TALK | TELL | LOOK | STEER | FIRE | OFFER | {"secret.use"},
    "system": LOOK | SEE | KEEP | OFFER | {"agent.create", "process.stop", "run.pause", "run.resume"},
    "agent": {"message.send", "model.invoke", "run.start", "secret.use"} | TELL,
}  # fmt: skip


@pytest.mark.req("LIC-12.13")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("actor", [ANNA, MIA, Service("crm"), SYSTEM, AGENT], ids=lambda actor: actor.kind)
def test_each_kind_of_actor_may_do_what_the_table_says_and_nothing_else(actor: Actor, action: Action) -> None:
    assert may(actor, action) is (action in MAY[actor.kind])


@pytest.mark.req("LIC-12.13")
def test_only_operators_answer_what_is_about_effects() -> None:
    for kind in ("approval", "reconcile"):
        assert may(MIA, "wait.answer", kind)
        assert not may(Service("crm", ("manager",)), "wait.answer", kind)
        assert not may(ANNA, "wait.answer", kind)


@pytest.mark.req("LIC-12.13")
def test_an_agent_gets_nothing_from_whom_it_acts_for() -> None:
    agent = Actor("agent", "ops.helper", on_behalf_of=MIA)
    assert {action for action in ACTIONS if may(agent, action)} == MAY["agent"]
