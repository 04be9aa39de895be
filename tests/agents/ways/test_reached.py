"""A model over a network: tried again within its time, in turn with others, and left alone when it is away."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lichen.agents.lanes.lane import TERMS
from lichen.agents.lanes.window import InMemory, Way
from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import Connection, Delta, Deltas, ModelError, ModelReply, ModelRequest
from lichen.core.words.limits import Usage
from lichen.testing.clock import SimulatedClock
from tests.agents.ways.remote import ACME, ASKED, Keys, Remote, away, busy, ways


async def outcome(work: asyncio.Future[ModelReply]) -> str:
    try:
        return (await work).text
    except ModelError as error:
        return error.code


@pytest.mark.req("GOA-65.1")
async def test_a_request_that_fails_is_tried_again_and_all_tries_are_counted_and_paid() -> None:
    with SimulatedClock() as clock:
        paid = ModelError("Cut.", code="model_malformed", usage=Usage(5, 1))
        model = Remote([paid, away(), "Here."])
        asked = asyncio.ensure_future(ways(clock).reach(model, Keys(), ACME).generate(ASKED))
        await clock.advance(60.0)
        reply = await asked
        assert (reply.text, reply.tries, reply.usage, reply.is_estimate) == ("Here.", 3, Usage(15, 3), False)
        assert model.asked_s == [0.0, 0.25, 0.75]  # half of 0.5 s, then half of 1 s


@pytest.mark.req("GOA-65.1")
async def test_a_request_is_tried_so_often_as_its_connection_says_and_then_fails_with_all_it_took() -> None:
    with SimulatedClock() as clock:
        paid = ModelError("Cut.", code="model_malformed", usage=Usage(5, 1))
        model = Remote([paid])
        keys = Keys(Connection(identity="key-1", tries=3))
        asked = asyncio.ensure_future(ways(clock).reach(model, keys, ACME).generate(ASKED))
        await clock.advance(60.0)
        with pytest.raises(ModelError) as failure:
            await asked
        assert (failure.value.code, failure.value.tries, failure.value.usage) == ("model_malformed", 3, Usage(15, 3))
        assert failure.value.retryable


@pytest.mark.req("GOA-65.1")
@pytest.mark.parametrize("code", ["model_auth", "model_refused", "model_context_too_long", "model_request_invalid"])
async def test_what_will_fail_again_is_not_tried_again(code: str) -> None:
    with SimulatedClock() as clock:
        model = Remote([ModelError("No.", code=code)])
        with pytest.raises(ModelError):
            await ways(clock).reach(model, Keys(), ACME).generate(ASKED)
        assert len(model.asked_s) == 1


@pytest.mark.req("GOA-65.1")
async def test_a_try_that_hangs_ends_at_its_time_and_what_it_cost_is_an_estimate() -> None:
    with SimulatedClock() as clock:
        model = Remote([1_000.0, "Here."])
        keys = Keys(Connection(identity="key-1", timeout_s=20.0))
        asked = asyncio.ensure_future(ways(clock).reach(model, keys, ACME).generate(ASKED))
        await clock.advance(60.0)
        reply = await asked
        assert (reply.text, reply.tries, reply.is_estimate) == ("Here.", 2, True)
        assert model.in_flight == 0
        assert [request.time_s for request in model.requests] == [20.0, 20.0]


@pytest.mark.req("GOA-65.8")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.floats(0.1, 200.0),
            st.sampled_from(["away", "said"]),
            st.floats(0.0, 90.0).map(busy),
            st.just(busy()),
        ),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.5, 120.0),
    st.floats(0.0, 1.0, exclude_max=True),
)
async def test_all_tries_together_never_take_longer_than_they_may(
    lines: list[float | str | ModelError], time_s: float, chance: float
) -> None:
    with SimulatedClock() as clock:
        model = Remote([away() if line == "away" else line for line in lines])
        keys = Keys(Connection(identity="key-1", tries=8, timeout_s=50.0))
        loop, ended_s = asyncio.get_running_loop(), list[float]()
        request = ModelRequest("Help.", (), time_s=time_s)
        asked = asyncio.ensure_future(ways(clock, chance).reach(model, keys, ACME).generate(request))
        asked.add_done_callback(lambda _: ended_s.append(loop.time()))
        await clock.advance(time_s + 1.0)
        await outcome(asked)
        assert ended_s[0] <= time_s + 1e-6
        assert model.in_flight == 0
        assert len(model.asked_s) <= 8


@pytest.mark.req("GOA-65.3")
async def test_what_the_provider_asks_for_is_waited_for_by_everybody_on_that_way_and_by_nobody_else() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([busy(10.0), "Here."]), ways(clock)
        first = asyncio.ensure_future(around.reach(model, Keys(), ACME).generate(ASKED))
        await clock.advance(1.0)
        second = asyncio.ensure_future(around.reach(model, Keys(), ACME).generate(ASKED))
        other_key = around.reach(model, Keys(Connection(identity="key-2")), ACME)
        assert (await other_key.generate(ASKED)).text == "Here."
        assert model.asked_s == [0.0, 1.0]
        await clock.advance(30.0)
        await asyncio.gather(first, second)
        assert model.asked_s == [0.0, 1.0, 10.0, 10.25]


@pytest.mark.req("GOA-65.3")
async def test_a_pause_that_ends_after_the_time_of_the_request_is_not_begun() -> None:
    with SimulatedClock() as clock:
        model = Remote([busy(400.0)])
        with pytest.raises(ModelError) as failure:
            await ways(clock).reach(model, Keys(), ACME).generate(ASKED)
        assert (failure.value.code, failure.value.retry_after_s) == ("model_rate_limited", 400.0)
        assert asyncio.get_running_loop().time() == 0.0


@pytest.mark.req("GOA-65.2")
@pytest.mark.parametrize("code", ["model_rate_limited", "model_overloaded"])
async def test_a_provider_that_has_enough_gets_less_until_it_answers_again(code: str) -> None:
    with SimulatedClock() as clock:
        windows, carries = InMemory(), 8

        class Small(Remote):
            """A provider that carries so much at once, and takes a second."""

            async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
                if self.in_flight >= carries:
                    raise ModelError("Too much.", code=code)
                return await super().generate(request, deltas)

        model, around = Small([1.0]), Ways(clock.now_us, lambda: 0.5, windows=windows)
        reached = around.reach(model, Keys(Connection(identity="key-1", tries=100)), ACME)
        crowd = [asyncio.ensure_future(reached.generate(ASKED)) for _ in range(12)]
        await clock.advance(0.1)
        narrow = windows.of(Way("key-1", "far:one")).size
        assert narrow <= 6.0
        await clock.advance(200.0)
        ends = {await outcome(one) for one in crowd}
        assert ends <= {"late", "model_unavailable", code}
        for _ in range(60):
            one = asyncio.ensure_future(reached.generate(ASKED))
            await clock.advance(31.0)
            await one
        assert windows.of(Way("key-1", "far:one")).size > narrow


@pytest.mark.req("SYM-81.4")
async def test_a_way_that_fails_all_the_time_is_left_alone_and_then_tried_by_one() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([away()]), ways(clock)
        keys = Keys(Connection(identity="key-1", tries=1))
        for _ in range(TERMS.failures):
            with pytest.raises(ModelError):
                await around.reach(model, keys, ACME).generate(ASKED)
        with pytest.raises(ModelError) as failure:
            await around.reach(model, keys, ACME).generate(ModelRequest("Help.", (), time_s=5.0))
        assert (failure.value.code, failure.value.tries) == ("model_unavailable", 0)
        assert len(model.asked_s) == TERMS.failures
        await clock.advance(TERMS.open_s)
        model.__init__([2.0])
        crowd = [asyncio.ensure_future(around.reach(model, keys, ACME).generate(ASKED)) for _ in range(6)]
        await clock.advance(0.5)
        assert model.in_flight == 1
        await clock.advance(60.0)
        assert {await outcome(one) for one in crowd} == {"late"}
        assert around.lane(Way("key-1", "far:one")).breaker.phase == "closed"


@pytest.mark.req("SYM-81.4")
async def test_a_request_waits_for_a_way_that_is_left_alone_if_it_has_the_time() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([away()] * TERMS.failures + ["Here."]), ways(clock)
        keys = Keys(Connection(identity="key-1", tries=20))
        asked = asyncio.ensure_future(around.reach(model, keys, ACME).generate(ASKED))
        await clock.advance(100.0)
        assert (await asked).tries == TERMS.failures + 1
        assert model.asked_s[-1] - model.asked_s[-2] >= TERMS.open_s


@pytest.mark.req("SYM-81.4")
async def test_who_is_cancelled_leaves_the_way_as_it_was() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([1_000.0]), ways(clock)
        asked = asyncio.ensure_future(around.reach(model, Keys(), ACME).generate(ASKED))
        await clock.advance(1.0)
        asked.cancel()
        await clock.settle()
        lane = around.lane(Way("key-1", "far:one"))
        assert (lane.limiter.in_flight, lane.breaker.recent, model.in_flight) == (0, 0, 0)


@pytest.mark.req("GOA-65.9")
async def test_pieces_of_a_try_that_came_to_nothing_are_followed_by_a_piece_that_says_so() -> None:
    async def breaks(deltas: Deltas | None) -> ModelReply:
        assert deltas is not None
        deltas(Delta("Your refu"))
        raise ModelError("Cut.", code="model_unavailable")

    with SimulatedClock() as clock:
        model, seen = Remote([away(), breaks, "Here."]), list[Delta]()
        asked = asyncio.ensure_future(ways(clock).reach(model, Keys(), ACME).generate(ASKED, seen.append))
        await clock.advance(60.0)
        reply = await asked
        assert seen == [Delta("Your refu"), Delta("", "again"), Delta("Here.")]
        assert reply.is_estimate  # nobody said what the pieces cost


@pytest.mark.req("GOA-65.10")
async def test_where_another_model_may_answer_nothing_is_waited_for_long() -> None:
    hasty = ModelRequest("Help.", (), is_patient=False)
    with SimulatedClock() as clock:
        around = ways(clock)
        for number, line in enumerate((busy(3.0), 1_000.0)):
            keys = Keys(Connection(identity=f"key-{number}", timeout_s=20.0))
            model = Remote([line])
            asked = asyncio.ensure_future(around.reach(model, keys, ACME).generate(hasty))
            await clock.advance(21.0)
            assert await outcome(asked) in ("model_rate_limited", "model_timed_out")
            assert len(model.asked_s) == 1


@pytest.mark.req("GOA-65.10")
async def test_a_short_pause_is_made_also_where_another_model_may_answer() -> None:
    with SimulatedClock() as clock:
        model = Remote([busy(), "Here."])
        asked = asyncio.ensure_future(
            ways(clock).reach(model, Keys(), ACME).generate(ModelRequest("Help.", (), is_patient=False))
        )
        await clock.advance(2.0)
        assert (await asked).tries == 2


@pytest.mark.req("GOA-65.4")
async def test_ways_that_nobody_is_on_are_forgotten_when_there_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lichen.agents.ways.ways.WAYS_MAX", 8)
    with SimulatedClock() as clock:
        around = ways(clock)
        lanes = [around.lane(Way(f"key-{number}", "far:one")) for number in range(9)]
        assert around.lane(Way("key-8", "far:one")) is lanes[8]
        assert around.lane(Way("key-0", "far:one")) is not lanes[0]


@pytest.mark.req("GOA-65.20")
async def test_who_cannot_wait_as_long_as_the_provider_asks_fails_at_once_and_so_does_whoever_comes_meanwhile() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([busy(7_200.0)]), ways(clock)
        for _ in range(3):
            with pytest.raises(ModelError) as failure:
                await around.reach(model, Keys(), ACME).generate(ModelRequest("Help.", (), time_s=120.0))
            assert failure.value.code == "model_rate_limited"
        assert model.asked_s == [0.0]
        assert asyncio.get_running_loop().time() == 0.0


@pytest.mark.req("GOA-65.21")
async def test_an_address_that_refuses_is_tried_three_times_and_the_next_who_comes_is_told_of_it_at_once() -> None:
    with SimulatedClock() as clock:
        refused = ModelError("far:one: 127.0.0.1:9 refused the connection.", code="model_unavailable", is_refused=True)
        model, around, loop = Remote([refused]), ways(clock), asyncio.get_running_loop()
        failures, took_s = list[ModelError](), list[float]()
        for _ in range(4):
            began_s = loop.time()
            asked = asyncio.ensure_future(around.reach(model, Keys(), ACME).generate(ASKED))
            asked.add_done_callback(lambda _, began_s=began_s: took_s.append(loop.time() - began_s))
            await clock.advance(10.0)
            with pytest.raises(ModelError, match=r"127\.0\.0\.1:9 refused") as failure:
                await asked
            failures.append(failure.value)
        assert [(each.code, each.retryable) for each in failures] == [("model_unavailable", False)] * 4
        assert [each.tries for each in failures] == [3, 2, 0, 0]
        assert max(took_s) < 3.0
