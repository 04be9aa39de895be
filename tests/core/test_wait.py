"""Who may answer which wait, and what an answer may say."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from lichen.core.words.ids import WaitId
from lichen.core.words.scope import Actor, Customer, Operator, Service
from lichen.core.words.wait import HALTING, OUTCOMES, Wait, WaitKind, WaitOutcome, may_answer

APPROVAL = Wait(WaitId("w1"), "approval", 3, may_answer=("supervisor",), requester="operator_1")


@pytest.mark.req("GOA-38.3", "LIC-12.13")
@pytest.mark.parametrize(
    ("actor", "may"),
    [
        (Operator("bob", ("supervisor",)), True),
        (Service("erp", ("clerk", "supervisor")), False),
        (Customer("eve", ("supervisor",)), False),
        (Actor("agent", "a", ("supervisor",), on_behalf_of=Operator("bob", ("supervisor",))), False),
        (Operator("bob"), False),
        (Customer("ann"), False),
    ],
)
def test_an_approval_is_given_by_whoever_has_the_role(actor: Actor, may: bool) -> None:
    assert may_answer(APPROVAL, actor, "operator_2") is may


@pytest.mark.req("GOA-38.3", "LIC-12.13")
@pytest.mark.parametrize("kind", ["approval", "reconcile"])
def test_nobody_decides_what_they_spoke_for_themselves_unless_the_environment_says_so(kind: WaitKind) -> None:
    bob = Operator("bob", ("supervisor",))
    wait = msgspec.structs.replace(APPROVAL, kind=kind, requesters=("customer_1", "operator_2"))
    assert [may_answer(wait, bob, f"operator_{i}") for i in (1, 2, 3)] == [False, False, True]
    assert may_answer(wait, bob, "operator_2", self_approval=True)
    assert not may_answer(wait, Customer("eve", ("supervisor",)), "customer_1", self_approval=True)


@pytest.mark.req("LIC-12.52")
def test_a_confirmation_is_for_who_wants_it_or_the_channel_that_vouches_for_them() -> None:
    wait = Wait(WaitId("w1"), "confirmation", 3, may_answer=("customer",), requester="customer_1")
    assert may_answer(wait, Customer("ann"), "customer_1")
    assert may_answer(wait, Service("app", ("channel",)), "service_1")
    assert not may_answer(wait, Service("erp"), "service_2")
    assert not may_answer(wait, Customer("eve"), "customer_2")
    assert not may_answer(wait, Operator("bob", ("supervisor",)), "operator_1")


@pytest.mark.req("GOA-39.3")
def test_a_question_is_answered_by_whom_it_is_put_to_even_if_they_caused_it() -> None:
    question = Wait(WaitId("w1"), "clarification", 3, may_answer=("customer",), requester="customer_1")
    assert may_answer(question, Customer("ann"), "customer_1")
    assert not may_answer(question, Operator("bob"), "operator_1")


def test_a_wait_that_names_nobody_is_answered_by_nobody() -> None:
    assert not may_answer(Wait(WaitId("w1"), "timer", 3), Operator("bob", ("supervisor",)), "operator_1")


def test_every_kind_of_wait_says_what_an_answer_may_be() -> None:
    assert set(OUTCOMES) == set(get_args(WaitKind))
    assert set(HALTING) < set(OUTCOMES)


def test_expiry_and_cancellation_are_never_answers() -> None:
    answers = {outcome for outcomes in OUTCOMES.values() for outcome in outcomes}
    assert answers == set(get_args(WaitOutcome)) - {"expired", "cancelled"}
