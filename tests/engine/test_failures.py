"""What failing tools, planners and gates say: all of it sealed in the record, none of it in the process's log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import NoReturn

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, NotDone, Retry
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.ports.policy import NO_FACTS, Check, Facts, Verdict
from lichen.core.words.errors import ContentErased
from lichen.core.words.failure import Failure
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Environment
from lichen.engine.sends.failures import LOGGER
from lichen.testing.clock import SimulatedClock
from lichen.tools.failure import MESSAGE_BYTES_MAX, TRACEBACK_BYTES_MAX, failure_of
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, FakeTool, World, agent, calls, outcomes

SECRET = "database is down: password=hunter2 for customer Ada"


async def breaks(meta: CallMeta) -> bytes:
    raise RuntimeError(SECRET)


async def refuses(meta: CallMeta) -> bytes:
    raise NotDone(SECRET, code="busy")


def cannot_plan(input: PlanInput) -> NoReturn:
    raise KeyError(SECRET)


def failures(world: World, run: RunId, kind: type[e.Control]) -> list[Failure]:
    stream = run_stream(run)
    events = (event for event in world.log.events(stream) if isinstance(event.control, kind))
    found = (world.log.contents(stream, event.n) for event in events)
    return [msgspec.json.decode(parts["failure"], type=Failure) for parts in found if "failure" in parts]


@pytest.mark.req("LIC-28.1")
async def test_what_a_failing_tool_says_is_sealed_in_the_record_of_its_call(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.break"), outcomes], [FakeTool("shop.break", does=breaks)]))
    run = await world.start()
    (failure,) = failures(world, run, e.CallFinished)
    assert (failure.exception, failure.message) == ("RuntimeError", SECRET)
    assert failure.file == __file__
    assert "in breaks" in failure.traceback


@pytest.mark.req("LIC-28.1")
async def test_what_a_tool_said_goes_when_the_person_it_was_about_is_erased(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.break"), outcomes], [FakeTool("shop.break", does=breaks)]))
    run = await world.start()
    await world.log.erase(world.log.name(CUSTOMER), "erasure-1", by="ops")
    with pytest.raises(ContentErased):
        failures(world, run, e.CallFinished)


@pytest.mark.req("LIC-28.1")
async def test_each_attempt_keeps_what_it_said(make_world: MakeWorld, clock: SimulatedClock) -> None:
    tool = FakeTool("shop.busy", does=refuses, retry=Retry(3, 0.5))
    world = await make_world(agent("shop.bot", [calls("shop.busy"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(60)
    assert [failure.message for failure in failures(world, run, e.CallProgressed)] == [SECRET] * 2
    assert [failure.message for failure in failures(world, run, e.CallFinished)] == [SECRET]


@pytest.mark.req("LIC-28.1")
async def test_a_call_in_doubt_keeps_what_the_tool_said(make_world: MakeWorld) -> None:
    tool = FakeTool("shop.pay", "once", does=breaks)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    assert [failure.message for failure in failures(world, run, e.CallProgressed)] == [SECRET]


@pytest.mark.req("LIC-28.1")
async def test_a_tool_that_was_cut_off_keeps_where_it_hung(make_world: MakeWorld, clock: SimulatedClock) -> None:
    async def hangs(meta: CallMeta) -> bytes:
        await asyncio.sleep(1_000)
        return b"{}"

    tool = FakeTool("shop.slow", does=hangs, timeout_s=5)
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(6)
    (failure,) = failures(world, run, e.CallFinished)
    assert "in hangs" in failure.traceback


@pytest.mark.req("LIC-28.2")
async def test_what_a_failing_planner_says_is_sealed_in_each_attempt(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [cannot_plan]))
    run = await world.start()
    await clock.advance(60)
    found = failures(world, run, e.Planned)
    assert len(found) == 3
    assert {failure.exception for failure in found} == {"KeyError"}
    assert "in cannot_plan" in found[0].traceback


@pytest.mark.req("LIC-28.2")
async def test_a_plan_that_is_refused_says_why(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(agent("shop.bot", [Plan()]))
    run = await world.start()
    await clock.advance(60)
    assert all(failure.message.startswith("plan_empty: ") for failure in failures(world, run, e.Planned))
    assert failures(world, run, e.Planned)


@pytest.mark.req("LIC-28.3")
async def test_what_failing_facts_or_a_failing_gate_say_is_sealed_with_the_denial(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))

    def fails(check: Check, facts: Facts = NO_FACTS) -> Verdict:
        if check.tool is None:
            return Verdict("allow", (), "policy")
        return Verdict("deny", (), "policy", "Not here.", "facts_unavailable", failure=Failure("OSError", SECRET))

    world.gate.decide = fails
    run = await world.start()
    assert [failure.message for failure in failures(world, run, e.CallFinished)] == [SECRET]


@pytest.mark.req("LIC-28.4")
async def test_the_log_of_the_process_gets_one_line_without_the_text(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.break"), outcomes], [FakeTool("shop.break", does=breaks)]))
    with caplog.at_level(logging.INFO, LOGGER):
        run = await world.start()
    (record,) = caplog.records
    line = record.getMessage()
    assert "\n" not in line
    place = f"at={__file__}:{breaks.__code__.co_firstlineno + 1}"
    expected = ("code=exception_RuntimeError", "exception=RuntimeError", place, f"run={run}", "tenant=acme", "env=dev")
    assert all(part in line for part in expected)
    assert not any(word in caplog.text for word in ("hunter2", "Ada", "database"))


@pytest.mark.req("LIC-28.4")
async def test_a_code_that_is_no_word_does_not_reach_the_log(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async def names(meta: CallMeta) -> bytes:
        raise NotDone("no", code=SECRET, retryable=False)

    world = await make_world(agent("shop.bot", [calls("shop.name"), outcomes], [FakeTool("shop.name", does=names)]))
    await world.start()
    assert "hunter2" not in caplog.text
    assert "code=unspeakable" in caplog.text


@pytest.mark.req("LIC-28.5")
async def test_an_environment_for_development_may_have_the_text_in_the_log(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world(
        agent("shop.bot", [calls("shop.break"), outcomes], [FakeTool("shop.break", does=breaks)]),
        environment=Environment(is_development=True, error_text=True),
    )
    await world.start()
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert f"message={json.dumps(SECRET)}" in record.getMessage()


@pytest.mark.req("LIC-28.6")
def test_however_much_an_exception_says_its_record_stays_small() -> None:
    def deep(n: int) -> NoReturn:
        if n:
            deep(n - 1)
        raise ValueError("x" * 1_000_000)

    with pytest.raises(ValueError, match="x") as caught:
        deep(500)
    failure = failure_of(caught.value)
    assert len(failure.message.encode()) <= MESSAGE_BYTES_MAX
    assert len(failure.traceback.encode()) <= TRACEBACK_BYTES_MAX


@pytest.mark.req("LIC-28.6")
def test_an_exception_that_cannot_say_anything_is_a_failure_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    failure = failure_of(Mute())
    assert failure.exception == "Mute"
    assert "RuntimeError" in failure.message
