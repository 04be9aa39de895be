"""Approvals in the console: what the approver sees, what the answer is bound to, and that it counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Customer, tool
from lichen.core.ports.plan import CallRequest, Plan
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import SYSTEM
from lichen.runtime.operations.waits import parse
from lichen.runtime.runtime import Runtime
from lichen.testing.models import scripted_planner
from tests.serve.console import ACME, OPS, answer, held, signed_in


@pytest.mark.req("LIC-12.31")
async def test_the_page_shows_the_call_its_origins_facts_reason_and_what_was_told(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        shown = (await client.get(f"/console/approvals/{wait}.json")).json()
        page = (await client.get(f"/console/approvals/{wait}")).text
    asked = shown["wait"]["asked"]
    details = {detail["name"]: detail for detail in asked["details"]}
    assert (details["amount"]["value"], details["amount"]["text"]) == (8000, "80.00 EUR")
    assert all(detail["is_vouched"] for detail in asked["details"])
    assert {fact["name"]: fact["text"] for fact in asked["facts"]} == {
        "owner": "customer-7",
        "price": "120.00 EUR",
        "refunded": "0.00 EUR",
    }
    for text in (
        "payments.refund",
        "80.00 EUR",
        "the customer’s own words",
        "120.00 EUR",
        "refunded_today",
        asked["reason"],
        shown["wait"]["digest"],
    ):
        assert text in page
    assert shown["wait"]["public_text"] in page


async def test_the_inbox_has_what_waits_for_a_person(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        (line,) = (await client.get("/console/approvals.json")).json()["waits"]
        assert (line["id"], line["asked"]["title"]) == (wait, "payments.refund")
        assert (line["customer_name"], line["summary"]) == ("customer-7", "amount 80.00 EUR  order_id 1042")
        assert line["expires_at_us"] > line["opened_at_us"]
        assert '<span class="count">1' in (await client.get("/console/runs")).text


@pytest.mark.req("LIC-12.32")
@pytest.mark.parametrize(("outcome", "done"), [("approved", "ok"), ("denied", "denied")])
async def test_an_answer_is_given_with_its_note_and_leads_to_the_run(runtime: Runtime, outcome: str, done: str) -> None:
    wait = await held(runtime)
    run = wait.rpartition(".")[0]
    async with signed_in(runtime) as client:
        answered = await answer(client, wait, outcome, note="I looked at it.")
        assert (answered.status_code, answered.headers["location"]) == (303, f"/console/runs/{run}")
        await runtime.idle()
        shown = (await client.get(f"/console/runs/{run}.json")).json()
    finished = [each for each in shown["records"] if each["type"] == "call_finished"]
    closed = [each for each in shown["records"] if each["type"] == "wait_closed"]
    assert [record["control"]["outcome"] for record in finished] == [done]
    assert closed[0]["contents"]["body"]["note"] == "I looked at it."


@pytest.mark.req("LIC-12.33")
async def test_an_answer_is_bound_to_what_was_shown(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        for digest in ("", "not hex", "00" * 16):
            refused = await answer(client, wait, "approved", digest=digest)
            assert refused.status_code in (400, 409), digest
    assert [each.id for each in runtime.waits.list(ACME, SYSTEM)] == [wait]


@pytest.mark.req("LIC-12.34")
async def test_a_second_answer_is_told_kindly_who_was_first(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        fields = await answer(client, wait, "denied", note="Not today.")
        assert fields.status_code == 303
        for late in (await answer(client, wait, "approved"), await client.get(f"/console/approvals/{wait}")):
            assert late.status_code == 409
            assert "This was answered already." in late.text
            assert "Not today." in late.text
            assert ">ops<" in late.text
            assert "80.00 EUR" in late.text


@pytest.mark.req("LIC-12.24")
async def test_what_was_decided_is_listed_with_who_decided_when_and_why(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        await answer(client, wait, "denied", note="Not today.")
        await runtime.idle()
        await runtime.log(ACME).durable()
        (line,) = (await client.get("/console/approvals.json")).json()["decided"]
        page = (await client.get("/console/approvals")).text
    decision = line["decision"]
    assert (line["id"], line["summary"]) == (wait, "amount 80.00 EUR  order_id 1042")
    assert (decision["outcome"], decision["by_name"], decision["note"]) == ("denied", "ops", "Not today.")
    assert "Not today." in page
    (told,) = runtime.waits.history(ACME, OPS)
    assert told.decision is not None
    assert told.decision.by == runtime.log(ACME).name(OPS)


async def test_an_outcome_that_no_form_offers_is_refused(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        assert (await answer(client, wait, "expired")).status_code == 400
        assert (await answer(client, wait, "happened")).status_code in (400, 409)
    assert [each.id for each in runtime.waits.list(ACME, SYSTEM)] == [wait]


async def test_the_answer_of_an_operator_is_in_the_log_under_their_pseudonym(runtime: Runtime) -> None:
    wait = await held(runtime)
    run, _ = parse(wait)
    async with signed_in(runtime) as client:
        await answer(client, wait, "denied")
    (closed,) = [record for record in runtime.runs.show(ACME, run, SYSTEM).records if record.type == "wait_closed"]
    assert closed.actor == runtime.log(ACME).name(OPS)


@tool(name="parcels.print", effects="once")
async def print_label(sku: str) -> dict[str, str]:
    """Prints a label, or so it seems."""
    raise RuntimeError("the line went dead")


@pytest.mark.req("LIC-12.35")
@pytest.mark.parametrize("result", ['{"label": "L-1"}', ""])
async def test_what_nobody_can_tell_is_settled_by_a_person(tmp_path: Path, result: str) -> None:
    plans = (Plan(calls=(CallRequest(ToolName("parcels.print"), b'{"sku": "1042"}'),)), Plan(answer="Printed."))
    courier = Agent("shop.courier", planner=scripted_planner(plans), tools=[print_label])
    async with Runtime.open(tmp_path / "home", agents=[courier]) as runtime:
        run = await runtime.runs.start(ACME, "shop.courier", "Print it.", Customer("customer-7"))
        await runtime.idle()
        await runtime.waits.approve(ACME, f"{run}.w1", OPS)
        await runtime.idle()
        async with signed_in(runtime) as client:
            page = (await client.get(f"/console/approvals/{run}.w2")).text
            assert "Did this happen?" in page
            assert "1042" in page
            refused = await answer(client, f"{run}.w2", "happened", result="not JSON")
            assert refused.status_code == 400
            await answer(client, f"{run}.w2", "happened", result=result)
            await runtime.idle()
            shown = (await client.get(f"/console/runs/{run}.json")).json()
    assert (shown["status"], shown["answer"]) == ("completed", "Printed.")
    lane = next(lane for lane in shown["timeline"]["lanes"] if lane["name"] == "parcels.print")
    assert [span["outcome"] for span in lane["spans"]][-1] == "ok"
