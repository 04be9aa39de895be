"""What became of a run, where it is listed, shown and explained: who asked for what, who decided, what came out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from lichen import Agent, tool
from lichen.agents import RulePlanner
from lichen.agents.rules.rules import Call, Intent
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.record import read_part
from lichen.runtime.views.run import RunSummary
from tests.serve.asgi import Door
from tests.serve.console import ACME, GLOBEX, LARGE, OPS, held, said, signed_in

SMALL = "I want a refund of 20 EUR for order 1042."
TOO_MUCH = "I want a refund of 200 EUR for order 1042."


def line(runtime: Runtime, run: str) -> RunSummary:
    return next(found for found in runtime.runs.list(ACME, SYSTEM) if found.id == run)


@pytest.mark.req("LIC-31.1")
async def test_a_refund_that_was_denied_does_not_look_like_one_that_was_paid(runtime: Runtime) -> None:
    paid, denied = await said(runtime, SMALL), await said(runtime, TOO_MUCH)
    assert (line(runtime, paid).status, line(runtime, denied).status) == ("completed", "completed")
    assert (line(runtime, paid).result, line(runtime, denied).result) == ("done", "denied")
    assert line(runtime, paid).summary == "payments.refund done"
    assert line(runtime, denied).summary == "payments.refund denied by refund-within-price"


@pytest.mark.req("LIC-31.1")
async def test_a_refund_that_a_person_declined_names_the_person_and_their_note(runtime: Runtime) -> None:
    wait = await held(runtime)
    await runtime.waits.deny(ACME, wait, OPS, note="not this month")
    await runtime.idle()
    run = wait.partition(".")[0]
    assert (line(runtime, run).result, line(runtime, run).summary) == ("declined", "payments.refund declined by ops")
    (person,) = runtime.runs.show(ACME, RunId(run), OPS).story.calls[0].people
    assert (person.name, person.outcome, person.note) == ("ops", "denied", "not this month")


@pytest.mark.req("LIC-31.1")
async def test_a_refund_that_a_person_approved_names_who_approved_it(runtime: Runtime) -> None:
    wait = await held(runtime)
    await runtime.waits.approve(ACME, wait, OPS)
    await runtime.idle()
    assert line(runtime, wait.partition(".")[0]).summary == "payments.refund done, approved by ops"


@pytest.mark.req("LIC-31.2")
async def test_a_row_says_who_asked_for_what_until_they_are_erased(runtime: Runtime) -> None:
    run = await said(runtime, SMALL)
    assert (line(runtime, run).who, line(runtime, run).asked) == ("customer-7", SMALL)
    await runtime.log(ACME).erase(runtime.log(ACME).name(Customer("customer-7")), "erasure-1", by="ops")
    assert line(runtime, run).asked is None
    assert "customer-7" not in line(runtime, run).who


@pytest.mark.req("LIC-31.3")
async def test_the_page_of_a_run_shows_what_was_asked_decided_and_answered(runtime: Runtime) -> None:
    wait = await held(runtime)
    await runtime.waits.deny(ACME, wait, OPS, note="not this month")
    await runtime.idle()
    async with signed_in(runtime) as client:
        page = (await client.get(f"/console/runs/{wait.partition('.')[0]}")).text
        rows = (await client.get("/console/runs")).text
    for text in (LARGE, "payments.refund declined by ops", "not this month", "customer-7"):
        assert text in page
    assert LARGE in rows
    assert "payments.refund declined by ops" in rows
    assert 'class="chip declined"' in rows


@tool(name="shop.look", effects="none", runs="loop")
async def look() -> dict[str, str]:
    """Fails."""
    raise RuntimeError("database is down: <b>db-7</b>")


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncGenerator[Runtime]:
    intent = Intent("look", phrases=["look"], calls=[Call("shop.look")], answer="fine")
    agent = Agent("shop.support", planner=RulePlanner(intents=[intent], fallback="Say look."), tools=[look])
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        yield runtime


@pytest.mark.req("LIC-28.8")
async def test_what_a_tool_said_as_it_failed_is_shown_and_explained_and_escaped(broken: Runtime) -> None:
    run = await broken.runs.start(ACME, "shop.support", "look", Customer("customer-7"))
    await broken.runs.result(ACME, run, SYSTEM)
    failure = broken.runs.show(ACME, run, OPS).story.calls[0].failure
    assert failure is not None
    assert (failure.exception, failure.file) == ("RuntimeError", __file__)
    assert "RuntimeError: database is down" in broken.runs.explain(ACME, run, OPS).summary
    async with signed_in(broken) as client:
        page = (await client.get(f"/console/runs/{run}")).text
    assert "database is down: &lt;b&gt;db-7&lt;/b&gt;" in page
    assert "<b>db-7</b>" not in page


@pytest.mark.req("LIC-31.4")
async def test_a_paused_run_is_explained_as_paused_and_by_whom(runtime: Runtime) -> None:
    run = RunId((await held(runtime)).partition(".")[0])
    await runtime.runs.pause(ACME, run, OPS)
    explained = runtime.runs.explain(ACME, run, OPS)
    assert explained.story.result == "paused"
    assert "paused by ops" in explained.summary
    assert f"lichen runs resume {run}" in explained.summary


@pytest.mark.req("LIC-31.4")
async def test_a_completed_run_is_explained_by_what_came_out(runtime: Runtime) -> None:
    run = RunId(await said(runtime, TOO_MUCH))
    assert "payments.refund denied by refund-within-price" in runtime.runs.explain(ACME, run, OPS).summary


@pytest.mark.req("LIC-31.4")
async def test_cancelling_a_run_that_is_over_says_that_it_is(runtime: Runtime, door: Door) -> None:
    run = await said(runtime, SMALL)
    answer = await door.of("acme", "ops").send("POST", f"runs/{run}/cancel", b"")
    assert (answer.status, answer.code) == (409, "run_finished")


@pytest.mark.req("LIC-31.5")
@pytest.mark.parametrize("text", ["5", "null", "true", '{"a": 1}', "[]", '"quoted"'])
def test_a_text_stays_a_text_whatever_a_customer_writes(text: str) -> None:
    for kind, part in (
        ("message_received", "text"),
        ("run_finished", "answer"),
        ("planned", "say/0"),
        ("planned", "c1/tool"),
        ("decided", "operator"),
        ("decided", "public"),
        ("call_finished", "reason"),
    ):
        assert read_part(kind, part, text.encode()) == text
    assert read_part("call_finished", "result", b"5") == 5


@pytest.mark.req("LIC-31.5")
async def test_an_answer_of_null_is_an_answer(tmp_path: Path) -> None:
    intent = Intent("null", phrases=["null"], answer="null")
    agent = Agent("shop.support", planner=RulePlanner(intents=[intent], fallback="?"))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        run = await runtime.runs.start(ACME, "shop.support", "null", Customer("customer-7"))
        await runtime.runs.result(ACME, run, SYSTEM)
        told = runtime.runs.show(ACME, run, SYSTEM).story
    assert (told.asked, told.answer, told.result) == (("null",), "null", "answered")


@pytest.mark.req("LIC-31.5")
async def test_what_a_planner_keeps_for_itself_is_shown_decoded(runtime: Runtime) -> None:
    run = RunId((await held(runtime)).partition(".")[0])
    records = runtime.runs.show(ACME, run, OPS).records
    states = [record.contents["state"] for record in records if record.contents and "state" in record.contents]
    assert states
    assert all("refund" in msgspec.json.encode(state).decode() for state in states)
    assert all(isinstance(state, dict | list) for state in states)
    assert read_part("planned", "state", b"\xc1\xff") == "(2 bytes)"


@pytest.mark.req("LIC-31.7")
async def test_a_page_of_runs_or_waits_folds_none_of_them(project: Project) -> None:
    async with Runtime.of(project) as runtime:
        wait = await held(runtime)
        await said(runtime, SMALL, Customer("customer-8"))
        await runtime.runs.pause(ACME, RunId(wait.partition(".")[0]), OPS)
        await runtime.idle()
        before = runtime.runs.list(ACME, OPS)
    async with Runtime.of(project) as runtime:
        await runtime.idle()
        in_memory = runtime.log(ACME).streams_in_memory
        after = runtime.runs.list(ACME, OPS)
        (waiting,) = runtime.waits.list(ACME, OPS)
        assert runtime.waits.history(ACME, OPS) == ()
        assert runtime.log(ACME).streams_in_memory == in_memory
    assert waiting.id == wait
    assert [(run.result, run.waits_for) for run in after] == [("denied", ()), ("paused", ("approval", "pause"))]
    assert after == before


async def test_another_tenants_runs_have_no_story(runtime: Runtime) -> None:
    await said(runtime, SMALL)
    assert runtime.runs.list(GLOBEX, SYSTEM) == ()
