from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.reminders import EXPLANATION, Reminder, checked, due, noted, reminded
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelCall, ModelMessage
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.testing.models import plan_input, transcript_faults

USER, ANSWER = ModelMessage("user", "Hi"), ModelMessage("assistant", "Hello!")
CALLING = ModelMessage("assistant", calls=(ModelCall("c1", ToolName("orders.lookup"), b"{}"),))
RESULT = ModelMessage("tool", "{}", result_of="c1")


def turns(reminder: Reminder, upto: int = 8) -> list[int]:
    return [turn for turn in range(upto) if reminder.is_due(turn)]


@pytest.mark.req("GOA-60.1")
def test_a_cap_holds_for_guidance_and_never_for_safety() -> None:
    assert turns(Reminder("a", "x", max_per_run=2)) == [0, 1]
    assert turns(Reminder("a", "x", max_per_run=2, tier="safety"), 4) == [0, 1, 2, 3]
    assert turns(Reminder("a", "x"), 4) == [0, 1, 2, 3]


@pytest.mark.req("GOA-60.2")
def test_spacing_holds_for_both_tiers_and_counts_with_the_cap() -> None:
    assert turns(Reminder("a", "x", turns_between=3)) == [0, 3, 6]
    assert turns(Reminder("a", "x", turns_between=3, tier="safety", max_per_run=1)) == [0, 3, 6]
    assert turns(Reminder("a", "x", turns_between=3, max_per_run=2)) == [0, 3]


TIERS = st.sampled_from(["safety", "guidance"])


@pytest.mark.req("GOA-60.3")
@given(st.lists(TIERS, max_size=12), st.integers(0, 6))
def test_safety_comes_first_and_is_never_dropped_to_make_room(tiers: list[Any], most: int) -> None:
    every = checked(Reminder(f"r{i}", "x", tier) for i, tier in enumerate(tiers))
    now = due(every, 0, most=most)
    safety = [each for each in every if each.tier == "safety"]
    assert list(now[: len(safety)]) == safety
    assert len(now) == max(len(safety), min(most, len(every)))
    assert [each.id for each in now] == [each.id for each in every][: len(now)]


@pytest.mark.req("GOA-60.4")
def test_reminders_of_a_turn_stand_before_the_customers_newest_words_and_those_of_the_start_in_front() -> None:
    start, turn = Reminder("a", "Be kind.", attach="run_start"), Reminder("b", "Be brief.")
    told = reminded((USER, ANSWER, USER), checked([turn, start]))
    assert [(message.role, message.text) for message in told] == [
        ("system", "<system-reminder>Be kind.</system-reminder>"),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("system", "<system-reminder>Be brief.</system-reminder>"),
        ("user", "Hi"),
    ]


@pytest.mark.req("GOA-60.4")
def test_reminders_never_stand_between_a_call_and_its_result() -> None:
    told = reminded((USER, CALLING, RESULT), [Reminder("b", "Be brief.")])
    assert [message.role for message in told] == ["user", "assistant", "tool", "system"]
    assert list(transcript_faults(told)) == []
    assert reminded((ANSWER,), [Reminder("b", "Be brief.")])[-1].role == "system"
    assert reminded((USER,), []) == (USER,)


def test_several_are_one_message_and_none_is_tagged_twice() -> None:
    [message] = noted(["One.", "Two.", "One.", " "])
    assert message.text == "<system-reminder>One.</system-reminder>\n\n<system-reminder>Two.</system-reminder>"
    [tagged] = noted(["<system-reminder>One.</system-reminder>"])
    assert tagged.text.count("<system-reminder>") == 1
    assert noted([]) == ()


@pytest.mark.req("GOA-60.5")
async def test_a_planner_reminds_by_the_number_of_the_plan_so_that_a_restart_changes_nothing() -> None:
    model = ScriptedModel(["a"] * 4)
    planner = LLMPlanner(model, instructions="Help.", reminders=[Reminder("kind", "Be kind.", turns_between=2)])
    for step in (0, 1, 2, 2):
        await planner.plan(plan_input("Hi", step=step))
    said = [any("Be kind." in message.text for message in request.messages) for request in model.requests]
    assert said == [True, False, True, True]
    assert {request.system for request in model.requests} == {f"Help.\n\n{EXPLANATION}"}


@pytest.mark.parametrize(
    "wrong",
    [{"id": "Kind"}, {"text": " "}, {"text": "x" * 2_001}, {"max_per_run": -1}, {"turns_between": -1}],
)
def test_a_reminder_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"id": "kind", "text": "Be kind.", **wrong}
    with pytest.raises(ValueError, match=r"reminder|negative"):
        Reminder(**given)


def test_two_reminders_of_one_id_or_too_many_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        checked([Reminder("a", "x"), Reminder("a", "y")])
    assert caught.value.code == "planner_invalid"
    with pytest.raises(Invalid):
        checked(Reminder(f"r{i}", "x") for i in range(33))


class Upstream:
    """The reminders of a run as Goa-AI's engine counts them: with a sequence of turns, and for each reminder how often
    and when it was emitted last."""

    def __init__(self, reminders: tuple[Reminder, ...]) -> None:
        self.reminders, self.turn = reminders, 0
        self.emitted = dict.fromkeys((each.id for each in reminders), 0)
        self.last = dict.fromkeys(self.emitted, 0)

    def snapshot(self) -> list[str]:
        self.turn += 1
        out = [each for each in self.reminders if self.should_emit(each)]
        for each in out:
            self.emitted[each.id] += 1
            self.last[each.id] = self.turn
        return [each.id for each in sorted(out, key=lambda each: (("safety", "guidance").index(each.tier), each.id))]

    def should_emit(self, each: Reminder) -> bool:
        if each.max_per_run > 0 and self.emitted[each.id] >= each.max_per_run and each.tier != "safety":
            return False
        last = self.last[each.id]
        return not (each.turns_between > 0 and last > 0 and 0 <= self.turn - last < each.turns_between)


REMINDERS = st.lists(st.tuples(TIERS, st.integers(0, 5), st.integers(0, 5)), max_size=8)


@pytest.mark.req("GOA-60.1", "GOA-60.2", "GOA-60.3")
@given(REMINDERS, st.integers(1, 30))
def test_tiers_caps_and_spacing_are_those_of_goa_ai_at_every_plan_of_a_run(
    given_: list[tuple[Any, int, int]], plans: int
) -> None:
    made = [Reminder(f"r{i}", "x", tier, "user_turn", most, gap) for i, (tier, most, gap) in enumerate(given_)]
    upstream, every = Upstream(tuple(made)), checked(made)
    for plan in range(plans):
        assert [each.id for each in due(every, plan, most=len(made))] == upstream.snapshot()
