"""Who may knock at which door."""

from __future__ import annotations

from typing import get_args

import pytest

from lichen.core.errors import Invalid, NotFound
from lichen.core.scope import SYSTEM, Actor, Customer, Operator, Service
from lichen.gate.identity import Declared, may, may_answer, resolve_declared
from lichen.gate.schema import Action

DECLARED = {
    "anna": Declared("customer", "customer-7"),
    "mia": Declared("operator", "mia", ("manager",)),
    "nobody": Declared("customer", ""),
}
MIA, TOM, ANNA = Operator("mia", ("manager",)), Operator("tom"), Customer("customer-7")
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
    "wait.answer",
}
LOOK = {
    "agent.list",
    "agent.read",
    "health.read",
    "policy.check",
    "run.read",
    "run.result",
    "session.list",
    "session.read",
    "stop.read",
    "wait.read",
}
STEER = {"run.cancel", "run.pause", "run.resume"}
KEEP = {"key.issue", "key.read", "key.revoke", "log.backup", "log.export", "log.read", "log.verify", "policy.reload"}
OWN = {"log.erase", "run.declassify", "session.declassify", "stop.clear", "stop.set"}
MAY: dict[str, set[str]] = {
    "customer": TALK,
    "operator": TALK | LOOK | STEER | KEEP | OWN,
    "service": TALK | LOOK | STEER,
    "system": LOOK | KEEP | {"agent.create", "process.stop", "run.pause", "run.resume"},
    "agent": {"message.send", "model.invoke"},
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


@pytest.mark.req("LIC-12.13")
@pytest.mark.parametrize(
    ("actor", "requester", "role", "answer"),
    [
        (MIA, ANNA, "operator", True),
        (TOM, ANNA, "operator", True),
        (MIA, AGENT, "manager", True),
        (TOM, AGENT, "manager", False),
        (MIA, MIA, "operator", False),
        (MIA, Actor("agent", "shop.support", on_behalf_of=MIA), "manager", False),
        (MIA, Operator("mia"), "manager", False),
        (ANNA, TOM, "operator", False),
        (Service("crm", ("manager",)), ANNA, "manager", False),
        (Actor("agent", "a", on_behalf_of=MIA), ANNA, "manager", False),
        (SYSTEM, ANNA, "operator", False),
    ],
)
def test_only_another_operator_of_the_role_may_answer_an_approval(
    actor: Actor, requester: Actor, role: str, *, answer: bool
) -> None:
    assert may_answer(actor, requester, role=role) is answer


def test_a_declared_name_becomes_an_actor() -> None:
    assert resolve_declared("mia", DECLARED) == Actor("operator", "mia", ("manager",), auth="declared")
    assert resolve_declared("anna", DECLARED, auth="key:1").auth == "key:1"


def test_an_unknown_name_is_refused_without_naming_anybody_else() -> None:
    with pytest.raises(NotFound) as caught:
        resolve_declared("eve", DECLARED)
    assert caught.value.code == "actor_unknown"
    assert "[actors]" in caught.value.next_step
    assert not any(name in str(caught.value) for name in ("anna", "mia", "customer-7", "eve"))


def test_an_unusable_id_is_refused() -> None:
    with pytest.raises(Invalid, match="actor_invalid"):
        resolve_declared("nobody", DECLARED)
