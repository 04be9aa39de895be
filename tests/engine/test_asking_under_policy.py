"""What policy says of a request to a model binds it: caps make it smaller, an approval makes its run wait."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.model import Model, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.ports.policy import NO_FACTS, AtMost, Check, Facts, Verdict
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import Denied
from lichen.core.words.ids import RunId, ToolName, run_stream
from lichen.core.words.limits import Usage
from lichen.testing.clock import SimulatedClock
from tests.engine.asking import Asks, Rates, Slow
from tests.engine.conftest import MakeWorld
from tests.engine.test_asks import READ, asked, begin, let, planned
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, World, agent

HELPER = FakeTool("shop.helper", "child", agent="shop.helper", timeout_s=10_000)
LENGTH = READ + 7  # of a request of `Asks`, in tokens


def cap(world: World, *caps: AtMost) -> None:
    """Policy lets every request to a model bring its meters to these, and no further."""
    decide = world.gate.decide

    def capped(check: Check, facts: Facts = NO_FACTS) -> Verdict:
        verdict = decide(check, facts)
        is_model = check.action == "model.invoke" and verdict.outcome == "allow"
        return msgspec.structs.replace(verdict, caps=caps) if is_model else verdict

    world.gate.decide = capped  # type: ignore[method-assign]


def used(world: World, run: RunId) -> Mapping[str, int]:
    """What policy could read when the run asked a model last."""
    check = next(c for c in reversed(world.gate.checked) if c.action == "model.invoke" and c.run == run)
    assert check.asking is not None
    return check.asking.used()  # type: ignore[return-value]


# -- caps --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-28.3")
async def test_a_cap_of_policy_makes_a_request_as_small_as_it_says(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    world = await make_world(agent("shop.bot", Asks(model)), prices=Rates())
    cap(world, AtMost("run_tokens", LENGTH + 40), AtMost("day_micro_usd", LENGTH + 2 * 25))
    run = await begin(world, model)
    assert [request.max_tokens for request in model.requests] == [25]
    await let(world, model)
    assert await world.answer(run) == "Here you are."
    assert [each.ruling.policies for each in asked(world, run) if each.ruling] == [("allow",)]


@pytest.mark.req("GOA-28.3")
async def test_a_run_whose_cap_is_used_up_answers_with_what_it_has(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    first, second = Slow(Usage(10, 20)), Slow()
    world = await make_world(agent("shop.bot", Asks(first, second)))
    cap(world, AtMost("run_tokens", LENGTH + 20))
    run = await begin(world, first)
    await let(world, first)
    await clock.advance(1)
    assert second.requests == []
    assert await world.answer(run) == Texts().model_budget
    assert world.controls(run)[-1] == e.RunFinished("completed", "limit_tokens", Usage(10, 20))
    n = world.log.find(run_stream(run), planned(world, run)[0].key) or 0
    assert (
        f"run_tokens <= {LENGTH + 20} (allow): 19 tokens are left".encode()
        in world.log.contents(run_stream(run), n)["failure"]
    )


@pytest.mark.req("GOA-28.3")
@pytest.mark.parametrize("meter", ["session_tokens", "day_tokens"])
async def test_a_cap_on_session_or_day_refuses_what_does_not_fit(make_world: MakeWorld, meter: str) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model)))
    cap(world, AtMost(meter, LENGTH))
    run = await world.start()
    assert model.requests == []
    assert [(plan.error, plan.is_final) for plan in planned(world, run)] == [("model_budget_exceeded", True)]


# -- what is counted ---------------------------------------------------------------------------------------------


class Twice:
    """Asks a model that answers on the spot, twice, in one plan."""

    pure = False
    digest = "twice"

    def __init__(self, model: Model) -> None:
        self._model = model

    async def plan(self, input: PlanInput) -> Plan:
        reply = ModelReply("")
        for _ in range(2):
            request = ModelRequest("Be kind.", (), max_tokens=100)
            reply = await input.model(self._model, request)
        return Plan(answer=reply.text)


@pytest.mark.req("GOA-28.2")
async def test_what_was_answered_on_the_spot_counts_for_the_next_request_of_the_same_plan(
    make_world: MakeWorld,
) -> None:
    model = Slow(Usage(10, 20), Usage(10, 20))
    model.open.set()
    world = await make_world(agent("shop.bot", Twice(model)))
    cap(world, AtMost("run_tokens", 60))
    run = await world.start()
    length = 3 + 8
    assert [request.max_tokens for request in model.requests] == [60 - length, 60 - 30 - length]
    assert await world.answer(run) == "Here you are."


class Delegates:
    """Calls another agent, and asks its own model once that has answered."""

    pure = False
    digest = "delegates"

    def __init__(self, model: Model) -> None:
        self._model = model

    async def plan(self, input: PlanInput) -> Plan:
        if not input.results:
            return Plan(calls=(CallRequest(ToolName("shop.helper"), b'{"message": "go"}'),))
        reply = await input.model(self._model, ModelRequest("Be kind.", (), max_tokens=100))
        return Plan(answer=reply.text)


@pytest.mark.req("GOA-28.2")
async def test_run_meters_count_what_a_run_and_all_below_it_used_and_reserved(make_world: MakeWorld) -> None:
    own, below = Slow(Usage(1, 2)), Slow(Usage(10, 20))
    helper = agent("shop.helper", Asks(below))
    world = await make_world(agent("shop.bot", Delegates(own), [HELPER]), helper, prices=Rates())
    session = await world.session()
    await session.say("Well?")
    await world.clock.settle()
    child = next(check.run for check in reversed(world.gate.checked) if check.action == "model.invoke")
    assert child is not None
    reserved = LENGTH + 100
    assert used(world, child)["run_tokens"] == used(world, child)["session_tokens"] == reserved
    await let(world, below)
    root = RunId(child.partition(".")[0])
    length = 3 + 8
    assert used(world, root) == {
        "run_tokens": 30 + length + 100,
        "run_micro_usd": 50 + length + 200,
        "session_tokens": 30 + length + 100,
        "session_micro_usd": 50 + length + 200,
        "customer_tokens": 30 + length + 100,
        "customer_micro_usd": 50 + length + 200,
        "day_tokens": 30 + length + 100,
        "day_micro_usd": 50 + length + 200,
    }
    await let(world, own)
    assert world.state(root).tokens_used == 33


# -- approvals ---------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-28.4")
async def test_a_run_waits_until_a_person_agrees_that_a_model_is_asked(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Slow(Usage(10, 20), Usage(10, 20))
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model, model)))
    world.gate.held.add("model.invoke")
    session = await world.session()
    await session.say("Well?")
    await clock.settle()
    assert model.requests == []
    assert world.said(session) == ["Please wait."]
    (wait,) = world.waits.list(SCOPE, OPS)
    assert wait.asked.title == "shop.bot asks slow:"
    assert [each.name for each in wait.asked.meters][:2] == ["run_tokens", "run_micro_usd"]
    assert (wait.asked.reason, wait.asked.policies) == ("ask", ("ask",))
    await clock.advance(1_000)  # its time stands still
    await world.approve()
    assert len(model.requests) == 2, "it is for the rest of the run"
    assert world.said(session) == ["Please wait.", "Here you are."]
    assert [plan.error for plan in planned(world, wait.run)] == ["model_held", ""]


@pytest.mark.req("GOA-28.4")
async def test_what_a_person_agreed_to_survives_a_crash_and_so_does_the_wait(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    world = await make_world(agent("shop.bot", Asks(model)))
    world.gate.held.add("model.invoke")
    run = await world.start()
    await world.log.durable()
    await world.reopen()
    assert model.requests == []
    await world.approve()
    assert len(model.requests) == 1
    await world.log.durable()
    await world.reopen()
    await let(world, model)
    assert world.state(run).outcome == "completed"
    assert len(model.requests) == 2, "the one that was lost is asked again, and nobody else"


@pytest.mark.req("GOA-28.4")
@pytest.mark.parametrize("denies", [True, False])
async def test_a_run_whose_model_nobody_agrees_to_fails_and_asks_nothing(
    make_world: MakeWorld, clock: SimulatedClock, denies: bool
) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model)))
    world.gate.held.add("model.invoke")
    run = await world.start()
    (wait,) = world.waits.list(SCOPE, OPS)
    if denies:
        await world.waits.deny(SCOPE, wait.id, OPS)
    else:
        await clock.advance(3_601)
    await clock.settle()
    assert model.requests == []
    assert world.controls(run)[-1] == e.RunFinished("failed", "model_denied")


@pytest.mark.req("GOA-28.4")
async def test_who_spoke_for_the_run_does_not_agree_that_it_asks_a_model(make_world: MakeWorld) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model)))
    world.gate.held.add("model.invoke")
    await world.start()
    (wait,) = world.waits.list(SCOPE, OPS)
    with pytest.raises(Denied):
        await world.waits.approve(SCOPE, wait.id, CUSTOMER)


@pytest.mark.req("GOA-28.4")
async def test_a_run_that_is_cancelled_asks_nobody_any_more(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model)))
    world.gate.held.add("model.invoke")
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await world.clock.settle()
    assert world.waits.list(SCOPE, OPS) == ()
    assert (world.state(run).outcome, model.requests) == ("cancelled", [])


class Swallows:
    """Makes something up where its model fails."""

    pure = False
    digest = "swallows"

    def __init__(self, model: Model) -> None:
        self._model = model

    async def plan(self, input: PlanInput) -> Plan:
        try:
            reply = await input.model(self._model, ModelRequest("Be kind.", ()))
        except Exception:  # noqa: BLE001 - as somebody's own code may
            return Plan(answer="I made this up.")
        return Plan(answer=reply.text)


@pytest.mark.req("GOA-28.4")
async def test_code_that_swallows_the_hold_does_not_get_around_it(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    model.open.set()
    world = await make_world(agent("shop.bot", Swallows(model)))
    world.gate.held.add("model.invoke")
    run = await world.start()
    assert world.state(run).outcome == ""
    await world.approve()
    assert await world.answer(run) == "Here you are."
