"""Conversations with a rule planner."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.agents.rules.dialogue import QUESTIONS_MAX
from lichen.agents.rules.planner import DAY_S, RulePlanner
from lichen.agents.rules.rules import Call, Intent, Slot
from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import CallResult, History, Message, Plan
from lichen.core.words.ids import CallId, ToolName
from lichen.testing.models import plan_input
from tests.agents.shop import FALLBACK, ORDER, REFUND, STATUS, THANKS, shop_planner, shop_tools
from tests.agents.talk import Act, Ended, Talk

ADDRESS = Intent("move", phrases=["move"], slots=[Slot("address", ask="Where to?")], answer="Moved to {address}.")


def talk(planner: RulePlanner | None = None, status: str = "delivered", **tools: Act) -> Talk:
    return Talk(planner or shop_planner(), shop_tools(status, **tools))


def remembering(*texts: str) -> History:
    return History(tuple(Message("customer", text) for text in texts))


# -- recognizing -------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-23.3")
async def test_an_intent_that_has_all_it_needs_makes_its_call_and_answers_from_the_result() -> None:
    run = talk()
    assert await run.say("Where is order 1042?") == "Order 1042 is delivered."
    assert run.calls == [("orders.lookup", {"order_id": "1042"})]


async def test_small_talk_is_answered_without_a_call() -> None:
    run = talk()
    assert await run.say("Thanks!") == "You are welcome."
    assert run.calls == []


async def test_a_message_that_states_no_intent_gets_the_fallback() -> None:
    assert await talk().say("What is the meaning of life?") == FALLBACK


async def test_an_empty_message_gets_the_greeting_or_else_the_fallback() -> None:
    assert await talk().say("  ") == "Hello!"
    assert await talk(shop_planner(greeting="")).say("") == FALLBACK


async def test_of_two_intents_that_fit_the_higher_priority_wins_then_the_first_listed() -> None:
    assert (await talk().say("Where is my order? I want my money back")) == "Which order is it about?"
    twice = [Intent("a", phrases=["x"], answer="first"), Intent("b", phrases=["x"], answer="second")]
    assert await talk(shop_planner(intents=twice)).say("x") == "first"


async def test_several_messages_are_read_as_one_and_the_newest_value_wins() -> None:
    run = talk()
    assert await run.say("where is my order", "1042", "sorry, 1043") == "Order 1043 is delivered."


async def test_a_message_is_read_up_to_its_first_4096_characters() -> None:
    assert await talk().say("x" * 4_096 + " where is order 1042") == FALLBACK
    assert await talk().say("where is order 1042 " + "x" * 100_000) == "Order 1042 is delivered."


async def test_a_child_run_hears_the_agent_that_called_it() -> None:
    plan = await shop_planner().plan(plan_input(Message("agent", '{"message":"Where is order 1042?"}')))
    assert [call.args for call in plan.calls] == [b'{"order_id":"1042"}']


# -- asking ------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-39.11")
async def test_a_missing_slot_is_asked_for_and_the_answer_fills_it() -> None:
    run = talk()
    assert await run.say("Where is my order?") == "Which order is it about?"
    assert run.plan is not None
    [wait] = run.plan.waits
    assert (wait.kind, wait.may_answer, wait.on_expiry, wait.expires_s) == (
        "clarification",
        ("customer",),
        "resume",
        DAY_S,
    )
    assert await run.say("It is 1042") == "Order 1042 is delivered."


async def test_what_was_filled_is_kept_while_the_rest_is_asked_for() -> None:
    run = talk()
    assert await run.say("I want a refund for order 1042") == "How much, for order 1042?"
    assert await run.say("80,50") == "80.50 EUR for order 1042 are on their way (r-1042)."
    assert run.calls[-1] == ("payments.refund", {"order_id": "1042", "amount": 8050})


async def test_an_answer_may_fill_several_slots() -> None:
    run = talk()
    await run.say("refund please")
    assert await run.say("1042, it came late, 12 EUR") == "12.00 EUR for order 1042 are on their way (r-1042)."
    assert run.calls[-1][1]["why"] == "late"


@pytest.mark.req("GOA-39.13")
async def test_a_question_is_repeated_in_other_words_and_given_up_politely() -> None:
    run = talk(shop_planner(asks_max=2, on_gave_up="A colleague will help."))
    await run.say("refund for 1042")
    assert await run.say("dunno") == "In EUR, please?"
    assert await run.say("dunno") == "A colleague will help."
    assert run.calls == []


async def test_a_blank_answer_is_asked_again() -> None:
    run = talk()
    await run.say("Where is my order?")
    assert await run.say(" ") == "Which order is it about?"


@pytest.mark.req("LIC-23.3")
async def test_an_answer_that_states_another_intent_switches_to_it() -> None:
    run = talk()
    await run.say("Where is my order?")
    assert await run.say("I want my money back instead") == "Which order is it about?"
    assert await run.say("1042") == "How much, for order 1042?"
    assert await run.say("thanks, forget it") == "You are welcome."
    assert run.calls == []


async def test_an_answer_that_also_states_another_intent_stays_only_with_the_higher_priority() -> None:
    low = msgspec.structs.replace(STATUS, phrases=["order"], examples=[])
    run = talk(shop_planner(intents=[low, REFUND, THANKS]))
    await run.say("refund")
    assert await run.say("order 1042") == "How much, for order 1042?"
    for priority in (0, 5):
        equal_or_higher = msgspec.structs.replace(REFUND, priority=priority)
        run = talk(shop_planner(intents=[STATUS, equal_or_higher]))
        await run.say("where is my order")
        assert await run.say("a refund for order 1042") == "How much, for order 1042?"


async def test_remembered_slots_go_along_when_the_intent_changes_and_others_do_not() -> None:
    run = talk()
    await run.say("refund for 1042")
    assert await run.say("where is my order by the way") == "Order 1042 is delivered."
    forgetful = Slot("order_id", pattern=ORDER.pattern, ask="Which?")
    intents = [
        Intent(
            "a", phrases=["aa"], slots=[forgetful, Slot("amount", kind="money", ask="How much?")], answer="{order_id}"
        ),
        Intent("b", phrases=["bb"], slots=[forgetful], answer="b {order_id}"),
    ]
    run = talk(shop_planner(intents=intents))
    await run.say("aa 1042")
    assert await run.say("bb") == "Which?"


async def test_free_text_is_taken_whatever_it_says_unless_it_states_something_more_important() -> None:
    run = talk(shop_planner(intents=[ADDRESS, THANKS, REFUND]))
    await run.say("I move")
    assert await run.say("Thanks Street 5") == "Moved to Thanks Street 5."
    run = talk(shop_planner(intents=[ADDRESS, THANKS, REFUND]))
    await run.say("I move")
    assert await run.say("no, a refund") == "Which order is it about?"


async def test_a_slot_that_is_contradicted_is_asked_for_again_rather_than_guessed() -> None:
    run = talk()
    await run.say("refund for order 1042")
    assert await run.say("80 EUR for order 1043") == "Which order is it about?"
    assert await run.say("1043") == "80.00 EUR for order 1043 are on their way (r-1043)."


async def test_remembered_slots_are_taken_from_the_customers_earlier_messages_the_newest_first() -> None:
    history = remembering("where is order 1041?", "and 1042?")
    run = Talk(shop_planner(), shop_tools(), history=history)
    assert await run.say("where is my order now") == "Order 1042 is delivered."
    forgetful = msgspec.structs.replace(STATUS, slots=[msgspec.structs.replace(ORDER, remember=False)])
    run = Talk(shop_planner(intents=[forgetful]), shop_tools(), history=history)
    assert await run.say("where is my order now") == "Which order is it about?"
    theirs = History((Message("agent", "Try order 9999."),))
    assert await Talk(shop_planner(), shop_tools(), history=theirs).say("order status") == "Which order is it about?"


@pytest.mark.req("GOA-39.13")
async def test_the_questions_of_one_run_are_bounded_even_if_the_customer_keeps_changing_the_subject() -> None:
    intents = [
        Intent(name, phrases=[name], slots=[Slot("x", pattern="never", ask="x?")], answer="x") for name in ("aa", "bb")
    ]
    run = talk(shop_planner(intents=intents, on_gave_up="Enough."))
    said = [await run.say("aa")]
    while run.answer is None:
        said.append(await run.say(("bb", "aa")[len(said) % 2 - 1]))
    assert said == ["x?"] * QUESTIONS_MAX + ["Enough."]


async def test_without_a_session_the_question_is_the_answer() -> None:
    plan = await shop_planner().plan(plan_input("Where is my order?", session=None))
    assert plan == Plan(answer="Which order is it about?")


async def test_the_choices_of_a_question_are_offered_but_not_required() -> None:
    slot = Slot("size", kind="choice", choices=["small", "large"], ask="Which size?")
    planner = shop_planner(intents=[Intent("buy", phrases=["buy"], slots=[slot], answer="{size}")])
    plan = await planner.plan(plan_input("buy"))
    assert plan.waits[0].answer_schema["examples"] == ["small", "large"]
    assert "enum" not in plan.waits[0].answer_schema


@pytest.mark.req("GOA-39.12")
async def test_a_question_that_expired_or_was_cancelled_ends_the_run_in_its_own_words() -> None:
    run = talk(shop_planner(on_expired="Too late.", on_cancelled="Stopped."))
    await run.say("Where is my order?")
    assert await run.end_question("expired") == "Too late."
    run = talk(shop_planner(on_expired="Too late.", on_cancelled="Stopped."))
    await run.say("Where is my order?")
    assert await run.end_question("cancelled") == "Stopped."


# -- calling and answering ---------------------------------------------------------------------------------------


async def test_a_later_call_uses_the_result_of_an_earlier_one() -> None:
    run = talk(lookup=lambda args: {"id": f"order-{args['order_id']}", "status": "shipped"})
    await run.say("refund 5 EUR for 1042")
    assert run.calls[1] == ("payments.refund", {"order_id": "order-1042", "amount": 500})


async def test_a_call_whose_condition_fails_is_skipped_and_the_answer_says_so() -> None:
    run = talk(status="cancelled")
    assert await run.say("refund 5 EUR for 1042") == "Order 1042 is cancelled; that cannot be refunded."
    assert [tool for tool, _ in run.calls] == ["orders.lookup"]


async def test_the_first_answer_that_fits_is_given() -> None:
    assert await talk(status="cancelled").say("where is order 1042") == "Order 1042 was cancelled."


async def test_a_missing_optional_slot_leaves_its_argument_out() -> None:
    run = talk()
    await run.say("refund 5 EUR for 1042")
    assert "why" not in run.calls[1][1]
    run = talk()
    await run.say("refund 5 EUR for 1042, it is broken")
    assert run.calls[1][1]["why"] == "broken"


async def test_an_argument_with_a_missing_optional_slot_among_other_words_is_incomplete() -> None:
    calls = [Call("orders.lookup", {"order_id": "{order_id}", "note": ["because {reason_given}"]})]
    planner = shop_planner(
        intents=[msgspec.structs.replace(REFUND, calls=calls, answers=[], answer="ok")], on_incomplete="?"
    )
    assert await talk(planner).say("refund 5 EUR for 1042") == "?"
    run = talk(planner)
    assert await run.say("refund 5 EUR for 1042, broken") == "ok"
    assert run.calls[0][1]["note"] == ["because broken"]


@pytest.mark.req("LIC-23.3")
@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended("denied", "above 50 EUR"), "I may not refund that: above 50 EUR"),
        (Ended("failed", "card expired"), "The refund did not work: card expired"),
        (Ended("cancelled"), "cancelled"),
        (Ended("timed_out"), "timed out"),
        (Ended("unknown"), "unknown"),
    ],
)
async def test_every_outcome_has_its_words_of_the_call_the_intent_or_the_planner(ended: Ended, said: str) -> None:
    planner = shop_planner(on_cancelled="cancelled", on_timed_out="timed out", on_unknown="unknown", on_denied="no")
    assert await talk(planner, refund=lambda _: ended).say("refund 5 EUR for 1042") == said


async def test_a_failure_code_has_its_own_words() -> None:
    gone = Ended("failed", "not in the database", code="order_unknown")
    assert await talk(lookup=lambda _: gone).say("where is order 1042") == "There is no order 1042."


async def test_the_last_words_without_any_text_are_the_planners_default() -> None:
    assert await talk(lookup=lambda _: Ended("denied")).say("where is order 1042") == "I am not allowed to do that."


async def test_a_result_without_the_field_that_is_needed_is_never_half_used() -> None:
    planner = shop_planner(on_incomplete="Something is missing.")
    run = talk(planner, lookup=lambda _: {"status": "shipped"})
    assert await run.say("refund 5 EUR for 1042") == "Something is missing."
    assert [tool for tool, _ in run.calls] == ["orders.lookup"]
    assert await talk(planner, lookup=lambda _: {"status": None}).say("where is order 1042") == "Something is missing."


async def test_a_large_field_can_be_used_at_once_but_is_not_carried_beyond_the_next_call() -> None:
    look = Call("orders.lookup", {"order_id": "1"}, name="a")
    use = Call("payments.refund", {"order_id": "{a.status}"}, name="b")
    intents = [
        Intent("x", phrases=["x"], calls=[look, use], answer="done"),
        Intent("y", phrases=["y"], calls=[look, Call("orders.lookup", {"order_id": "2"}), use], answer="done"),
        Intent("z", phrases=["z"], calls=[look], answer="{a.status}"),
    ]
    planner = shop_planner(intents=intents, on_incomplete="Too much.")
    long = "x" * 5_000
    assert await talk(planner, status=long).say("x") == "done"
    assert await talk(planner, status=long).say("y") == "Too much."
    assert (await talk(planner, status=long).say("z")).startswith("xxx")


async def test_what_is_too_large_to_carry_still_exists() -> None:
    calls = [*REFUND.calls, Call("orders.lookup", {"order_id": "1"}, name="again")]
    planner = shop_planner(intents=[msgspec.structs.replace(REFUND, calls=calls)])
    run = talk(planner, refund=lambda _: {"receipt": "r", "noise": "x" * 9_000})
    assert await run.say("refund 5 EUR for 1042") == "5.00 EUR for order 1042 are on their way (r)."


async def test_a_wish_stated_while_a_call_was_on_its_way_is_next_in_the_same_run() -> None:
    planner = shop_planner()
    first = await planner.plan(plan_input("where is order 1042?"))
    result = CallResult(CallId("c1"), ToolName("orders.lookup"), first.calls[0].args, "ok", b'{"status":"shipped"}')
    plan = await planner.plan(plan_input("thanks", reason="resume", state=first.state, results=[result]))
    assert plan == Plan(answer="You are welcome.", says=("Order 1042 is shipped.",))


async def test_a_call_that_left_no_result_is_never_made_again() -> None:
    first = await shop_planner().plan(plan_input("where is order 1042?"))
    plan = await shop_planner(on_unknown="unknown").plan(plan_input(reason="resume", state=first.state))
    assert plan == Plan(answer="unknown")


# -- at a limit --------------------------------------------------------------------------------------------------


def looked_up(outcome: Outcome = "ok") -> CallResult:
    return CallResult(CallId("c1"), ToolName("orders.lookup"), b"{}", outcome, b'{"id":"1042","status":"shipped"}')


@pytest.mark.req("GOA-24.11")
@pytest.mark.parametrize("said", ["refund 5 EUR for 1042", "refund", "thanks", ""])
async def test_at_a_limit_the_plan_is_an_answer_and_nothing_else(said: str) -> None:
    planner = shop_planner(on_limit="Stopped at {limit}.")
    first = await planner.plan(plan_input(said))
    results = [looked_up()] if first.calls else []
    plan = await planner.plan(plan_input(reason="finalize", limit="calls", state=first.state, results=results))
    assert plan == Plan(answer="Stopped at calls.")


async def test_at_a_limit_an_answer_that_is_complete_is_given() -> None:
    first = await shop_planner().plan(plan_input("where is order 1042?"))
    plan = await shop_planner().plan(
        plan_input(reason="finalize", limit="time", state=first.state, results=[looked_up()])
    )
    assert plan.answer == "Order 1042 is shipped."


async def test_at_a_limit_a_call_of_unknown_outcome_is_told_as_such() -> None:
    planner = shop_planner(on_limit="limit", on_unknown="unknown")
    first = await planner.plan(plan_input("where is order 1042?"))
    given: dict[str, Any] = {"limit": "time", "state": first.state}
    plan = await planner.plan(plan_input(reason="finalize", results=[looked_up("unknown")], **given))
    assert plan.answer == "unknown"
    plan = await planner.plan(plan_input(reason="finalize", results=[looked_up("denied")], **given))
    assert plan.answer == "limit"
