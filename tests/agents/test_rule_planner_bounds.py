"""Whatever customers write and tools return: a rule planner gives one valid plan, always the same."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.progress import Progress
from lichen.agents.rules.rules import Call, Intent, Slot
from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import STATE_BYTES_MAX, CallResult, History, Message, Plan, PlanInput, WaitAnswer
from lichen.core.speech.saying import text_of
from lichen.core.words.ids import CallId, ToolName, WaitId
from lichen.core.words.wait import WaitOutcome
from lichen.testing.models import plan_input
from tests.agents.shop import shop_planner

PLANNER = shop_planner()
WORDS = [
    "where is my order",
    "refund",
    "1042",
    "80 EUR",
    "80",
    "thanks",
    "broken",
    "{order_id}",
    "\x00",
    "€",
    "-",
    "order status",
]
TEXTS = st.text(max_size=50) | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "status", "receipt", "text", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
DATA = JSON.map(msgspec.json.encode) | st.binary(max_size=20)
STATES = st.binary(max_size=40) | st.builds(
    Progress,
    intent=st.sampled_from(["order_status", "refund", "thanks", "gone"]),
    slots=st.dictionaries(st.sampled_from(["order_id", "amount", "gone"]), st.text(max_size=5) | st.integers(0, 99)),
    values=st.dictionaries(st.sampled_from(["lookup.status", "result.status", "refund"]), st.text(max_size=5)),
    made=st.integers(-3, 5),
    asked=st.sampled_from(["", "order_id", "amount", "gone"]),
    asks=st.integers(-1, 5),
    later=TEXTS,
).map(msgspec.msgpack.encode)
RESULTS = st.builds(
    CallResult,
    call=st.just(CallId("c1")),
    tool=st.just(ToolName("orders.lookup")),
    args=st.just(b"{}"),
    outcome=st.sampled_from(get_args(Outcome)),
    data=DATA,
    code=st.sampled_from(["", "order_unknown", "x"]),
    reason=TEXTS,
)
ANSWERS = st.builds(
    WaitAnswer,
    wait=st.just(WaitId("w1")),
    kind=st.just("clarification"),
    outcome=st.sampled_from(get_args(WaitOutcome)),
    body=DATA | TEXTS.map(lambda text: msgspec.json.encode({"text": text})),
)


def made(said: list[str], earlier: list[Message], **given: Any) -> PlanInput:
    return plan_input(*said, history=History(tuple(earlier)), **given)


INPUTS = st.builds(
    made,
    st.lists(TEXTS, max_size=3),
    st.lists(st.builds(Message, st.sampled_from(["customer", "agent"]), TEXTS), max_size=3),
    reason=st.sampled_from(["start", "resume", "finalize"]),
    session=st.sampled_from(["ses-1", None]),
    results=st.lists(RESULTS, max_size=2),
    answers=st.lists(ANSWERS, max_size=2),
    state=STATES,
    limit=st.sampled_from([None, "calls"]),
)


def check(plan: Plan, input: PlanInput) -> None:
    assert (plan.answer is not None) != bool(plan.calls or plan.waits)
    assert plan.answer is None or text_of(plan.answer).strip()
    assert len(plan.calls) + len(plan.waits) <= 1
    assert len(plan.state) <= STATE_BYTES_MAX
    assert all(isinstance(msgspec.json.decode(call.args), dict) for call in plan.calls)
    assert input.reason != "finalize" or plan.answer is not None
    assert input.run.session is not None or not plan.waits
    msgspec.json.encode(plan)


@pytest.mark.req("LIC-23.4")
@given(INPUTS)
async def test_a_plan_never_raises_whatever_was_written_returned_or_stored(input: PlanInput) -> None:
    check(await PLANNER.plan(input), input)


@pytest.mark.req("LIC-23.4")
@given(INPUTS)
async def test_the_same_input_gives_the_same_plan_to_every_planner_with_these_rules(input: PlanInput) -> None:
    assert PLANNER.pure
    assert await PLANNER.plan(input) == await shop_planner().plan(input)


@given(st.lists(TEXTS, min_size=1, max_size=12), st.integers(0, 2**32), DATA)
async def test_a_conversation_ends_or_asks_and_its_calls_stay_few(texts: list[str], cut: int, data: bytes) -> None:
    state, calls, texts = b"", 0, list(texts)
    given: dict[str, Any] = {"reason": "start"}
    said = [texts.pop()]
    for _ in range(100):
        input = plan_input(*said, state=state, **given)
        plan = await PLANNER.plan(input)
        check(plan, input)
        if plan.answer is not None or (plan.waits and not texts):
            break
        state, said = plan.state, []
        calls += len(plan.calls)
        given = {
            "reason": "resume",
            "results": [CallResult(CallId("c"), c.tool, c.args, "ok", data) for c in plan.calls],
        }
        if plan.waits:
            body = msgspec.json.encode(texts.pop())
            given["answers"] = [WaitAnswer(WaitId("w1"), "clarification", "answered", body)]
    else:
        raise AssertionError("the conversation does not end")
    assert calls <= 2


def full_planner() -> RulePlanner:
    slots = [Slot(f"s{i}", ask="?", pattern=f"s{i}=(.+)$", optional=True) for i in range(16)]
    calls = [Call("a.b", {"x": "{last.v0}" if i else "1"}, name=f"c{i}" if i else "last") for i in range(16)]
    values = " ".join(f"{{last.v{i}}}" for i in range(100))
    return RulePlanner(intents=[Intent("full", phrases=["go"], slots=slots, calls=calls, answer=values)], fallback="?")


@pytest.mark.parametrize("size", [10, 4_000, 5_000])
async def test_the_state_stays_within_its_bound_however_much_there_is_to_keep(size: int) -> None:
    planner = full_planner()
    text = "go " + "\n".join(f"s{i}=" + "€" * 200 for i in range(16))
    plan = await planner.plan(plan_input(text, *[f"s{i}=" + "€" * 500 for i in range(6)]))
    data = msgspec.json.encode({f"v{i}": "€" * (size // 3) for i in range(100)})
    result = CallResult(CallId("c1"), ToolName("a.b"), b"{}", "ok", data)
    plan = await planner.plan(plan_input("x€" * 5_000, reason="resume", state=plan.state, results=[result]))
    assert plan.calls
    assert len(plan.state) <= STATE_BYTES_MAX


@pytest.mark.parametrize(
    "text",
    [
        "0" * 200_000,
        "1.000" * 20_000,
        "where is " * 20_000,
        "where is a order " * 9_000,
        " " * 200_000,
        "order#" * 40_000,
    ],
)
async def test_a_hostile_text_takes_no_time(text: str) -> None:
    import time

    started = time.process_time()
    await PLANNER.plan(plan_input(text))
    assert time.process_time() - started < 0.5
