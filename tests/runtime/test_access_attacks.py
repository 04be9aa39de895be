"""Ways around rules of access: none of them leads anywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lichen.core.words.errors import Denied, LichenError
from lichen.core.words.scope import Customer, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.review import review
from lichen.runtime.review.entries import explained
from tests.runtime.test_access_rules import ACME, ANN, EVERYTHING, HEAD, OPS, Shop, said

__all__ = ("shop",)
NOT_HERE = ["Hello.", "Not here."]
WAITS = f"""id: waits
{HEAD}  ask:
    session.wait: {{text: "What?"}}
    routing: [{{to: told}}, {{status: denied, to: closed}}]
  told:
    messaging.emit: {{text: "Told."}}
    routing: out
  closed:
    messaging.emit: {{text: "Closed."}}
    routing: out
"""
JUMPS = f"""id: jumps
{HEAD}  go:
    flow.goto: {{flow_id: pay, node: done}}
    routing: [{{status: denied, to: caught}}]
  caught:
    messaging.emit: {{text: "Caught."}}
    routing: out
"""
FORKS = f"""id: forks
{HEAD}  both:
    flow.parallel: {{branches: [left, right]}}
    routing: [{{status: on_error, to: caught}}, {{out: true}}]
  left:
    messaging.emit: {{text: "Left."}}
    routing: out
  right:
    messaging.emit: {{text: "Right."}}
    routing: out
  caught:
    messaging.emit: {{text: "Caught."}}
    routing: out
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.req("GRE-72.8")
async def test_another_name_here_is_no_way_around_a_rule(shop: Shop) -> None:
    text = shop.file.read_text().replace('["*/*.ygtc"]', '["*/*.ygtc", {file = "desk/pay.ygtc", name = "free.pass"}]')
    shop.file.write_text(text)
    shop.write("acme.gmap", "_ = public\ndesk/pay = forbidden\nfree/pass = public\nfree = public\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "desk.main") == NOT_HERE
        with pytest.raises(Denied):
            await runtime.sessions.open(ACME, ANN, agent="free.pass")


@pytest.mark.req("GRE-72.8")
async def test_a_jump_into_the_middle_of_a_flow_needs_the_flow_and_the_node(shop: Shop) -> None:
    shop.write("desk/jumps.ygtc", JUMPS)
    for rules in ("desk/pay = forbidden\ndesk/pay/done = public\n", "desk/pay/done = forbidden\n"):
        shop.write("acme.gmap", EVERYTHING + rules)
        async with shop.runtime() as runtime:
            assert (await said(runtime, "desk.jumps"))[-1:] != ["Paid."], rules


@pytest.mark.req("GRE-72.8")
async def test_a_branch_does_not_come_to_a_forbidden_node(shop: Shop) -> None:
    shop.write("desk/forks.ygtc", FORKS)
    shop.write("acme.gmap", EVERYTHING + "desk/forks/right = forbidden\n")
    async with shop.runtime() as runtime:
        told = await said(runtime, "desk.forks")
        assert "Right." not in told
        assert "Caught." in told


@pytest.mark.req("GRE-72.8")
@pytest.mark.parametrize("pack", ["Desk", "DESK", "dеsk", "desk.", "other", "desk2"])
async def test_what_looks_like_the_pack_opens_nothing_of_it(shop: Shop, pack: str) -> None:
    shop.write("acme.gmap", f"_ = forbidden\n{pack} = public\n")
    async with shop.runtime() as runtime:
        with pytest.raises(Denied):
            await runtime.sessions.open(ACME, ANN, agent="desk.main")
    if pack != "other":
        flaws = [(flaw.code, flaw.place) for flaw in review(load(shop.file, environ={}))]
        assert ("access_unmatched", "acme.gmap:2") in flaws


@pytest.mark.req("GRE-72.8")
async def test_two_packs_with_flows_of_one_id_are_told_apart(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = forbidden\nother/main = public\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "other.main") == ["The other."]
        with pytest.raises(Denied):
            await runtime.sessions.open(ACME, ANN, agent="desk.main")


@pytest.mark.req("GRE-72.8")
async def test_rules_of_one_tenant_bind_no_other(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = forbidden\n")
    async with shop.runtime() as runtime:
        assert await runtime.sessions.open(Scope("globex", "dev"), ANN, agent="desk.main")
        with pytest.raises(Denied):
            await runtime.sessions.open(ACME, ANN, agent="desk.main")


# -- teams -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-72.9")
async def test_a_session_keeps_its_team_and_in_another_one_it_is_another_session(shop: Shop) -> None:
    shop.write("sales.gmap", "desk/pay = forbidden\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "desk.main", team="sales") == NOT_HERE
        assert await said(runtime, "desk.main") == ["Hello.", "Paying.", "Paid."]
        own = await runtime.sessions.open(ACME, ANN, agent="desk.main", key="k", team="sales")
        assert (await runtime.sessions.open(ACME, ANN, agent="desk.main", key="k")).id != own.id
        scoped = Scope("acme", "dev", "sales")
        assert (await runtime.sessions.open(scoped, ANN, agent="desk.main", key="k")).id == own.id
        with pytest.raises(LichenError, match="scope_invalid"):
            await runtime.sessions.open(ACME, ANN, agent="desk.main", team="../sales")


@pytest.mark.req("GRE-72.9")
async def test_a_run_keeps_its_team_for_all_that_it_does(shop: Shop) -> None:
    shop.write("sales.gmap", "desk/pay/done = forbidden\n")
    async with shop.runtime() as runtime:
        run = await runtime.runs.start(ACME, "desk.pay", "Hi", OPS, team="sales")
        await runtime.runs.rest(ACME, run, OPS)
        assert runtime.runs.outcome(ACME, run, OPS).code == "access_forbidden"
        records = [record.type for record in runtime.runs.show(ACME, run, OPS).records]
        assert "refused" in records


@pytest.mark.req("GRE-72.9")
def test_a_team_that_nobody_comes_as_is_told(shop: Shop) -> None:
    flaws = [(flaw.code, flaw.place) for flaw in review(load(shop.file, environ={}))]
    assert ("team_unreached", "lichen.toml: tenants.acme.team.sales") in flaws
    chat = '[tenants.acme.webchat]\nteam = "sales"\n'
    shop.file.write_text(shop.file.read_text().replace("[tenants.globex]", f"{chat}\n[tenants.globex]"))
    assert not [flaw for flaw in review(load(shop.file, environ={})) if flaw.code == "team_unreached"]
    shop.file.write_text(shop.file.read_text().replace('team = "sales"', 'team = "sale"'))
    assert "team_unknown" in shop.codes()


# -- changes while it runs ---------------------------------------------------------------------------------------


@pytest.mark.req("GRE-72.10")
async def test_a_reload_binds_runs_that_wait_and_a_broken_file_leaves_the_old_rules_in_force(shop: Shop) -> None:
    shop.write("desk/waits.ygtc", WAITS)
    async with shop.runtime() as runtime:
        session = await runtime.sessions.open(ACME, ANN, agent="desk.waits")
        turn = await session.say("Hi")
        async with asyncio.timeout(10):
            while not await session.pending():
                await session.news()
        shop.write("acme.gmap", "_ = public\ndesk/waits/ask = forbiden\n*\n")
        reloaded = await runtime.reload(ACME, OPS)
        assert [broken.code for broken in reloaded.broken] == ["access_verdict", "access_verdict"]
        assert not reloaded.are_policies_new
        shop.write("acme.gmap", "_ = public\ndesk/waits/ask = forbidden\n")
        reloaded = await runtime.reload(ACME, OPS)
        assert (reloaded.are_policies_new, reloaded.broken) == (True, ())
        await session.say("An answer.")
        async with asyncio.timeout(10):
            await turn.result()
        assert [each.text for each in await session.pending()][-1] == "Closed."


@pytest.mark.req("GRE-72.10")
async def test_a_plan_is_replayed_under_the_rules_that_it_was_made_under(shop: Shop) -> None:
    shop.write("acme.gmap", EVERYTHING + "desk/pay/done = forbidden\n")
    async with shop.runtime() as runtime:
        run = await runtime.runs.start(ACME, "desk.main", "Hi", OPS)
        await runtime.runs.rest(ACME, run, OPS)
        shop.write("acme.gmap", EVERYTHING)
        assert (await runtime.reload(ACME, OPS)).are_policies_new
        assert (await runtime.runs.replay(ACME, run, OPS)).same is True
    async with shop.runtime() as runtime:  # which never saw those rules
        plans = (await runtime.runs.replay(ACME, run, OPS)).plans
        assert [plan.not_replayed for plan in plans] == ["access_gone"]


# -- what people are told ----------------------------------------------------------------------------------------


@pytest.mark.req("GRE-72.11")
def test_why_names_the_rule_with_its_line_and_of_a_node_the_flow_too(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = public\n\ndesk/pay = forbidden\n")
    shop.write("sales.gmap", "desk/pay/done = public\n")
    project = load(shop.file, environ={})
    assert explained(project, "acme", "desk/pay/done", team="sales") == [
        {
            "path": "desk/pay", "outcome": "forbidden", "rule": "desk/pay = forbidden", "place": "acme.gmap:3",
            "why": "`desk/pay = forbidden` of acme.gmap:3 decides about desk/pay",
        },
        {
            "path": "desk/pay/done", "outcome": "public", "rule": "desk/pay/done = public", "place": "sales.gmap:1",
            "why": "`desk/pay/done = public` of sales.gmap:1 decides about desk/pay/done",
        },
    ]  # fmt: skip
    for tenant, path, team in (("acme", "desk/..", ""), ("nobody", "_", ""), ("acme", "_", "nobody")):
        with pytest.raises(LichenError):
            explained(project, tenant, path, team=team)


@pytest.mark.req("GRE-72.11")
def test_rules_that_are_about_nothing_and_targets_that_are_closed_are_told(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = public\ndesk/pai = forbidden\ndesk/pay/don = forbidden\nagents = forbidden\n")
    flaws = {(flaw.code, flaw.place): flaw for flaw in review(load(shop.file, environ={}))}
    assert flaws["access_unmatched", "acme.gmap:2"].mend.startswith("Name one of: pay")
    assert flaws["access_unmatched", "acme.gmap:3"].mend.startswith("Name one of: done")
    assert ("access_closed", "lichen.toml: tenants.acme.agent") in flaws


@pytest.mark.req("GRE-72.11")
async def test_a_customer_hears_no_more_than_of_any_refusal(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = forbidden\n")
    async with shop.runtime() as runtime:
        with pytest.raises(Denied) as told:
            await runtime.sessions.open(ACME, Customer("eve"), agent="desk.main")
        assert str(told.value).startswith("denied: This is not allowed.")
        assert "gmap" not in str(told.value)
