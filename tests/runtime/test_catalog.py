"""Agents, flows and policies that are files: read again without a restart, while runs keep what they began with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen import Agent
from lichen.agents import RulePlanner
from lichen.agents.rules.rules import Intent
from lichen.core.deciders import events as e
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import TENANT_STREAM, RunId
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.cli.projects import Project

SCOPE, CUSTOMER, OPS = Scope("acme", "dev"), Customer("customer-7"), Operator("ops", ("operator",))
SETTINGS = """
    [lichen]
    agents = ["clerk.toml"]
    tools = ["shop.py:lookup"]
    flows = ["*.ygtc"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "customer-7", kind = "customer"}]
"""
CLERK = """
    name = "shop.clerk"
    tools = ["orders.lookup"]

    [rules]
    fallback = "first"

    [[rules.intents]]
    name = "ask"
    phrases = ["ask"]
    slots = [{name = "word", ask = "Which word?"}]
    answer = "first {word}"
"""
FLOW = """
    id: shop.welcome
    type: messaging
    nodes:
      hear:
        session.wait: {}
        routing: [{to: say}]
      say:
        text: first
        routing: out
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"lichen.toml": SETTINGS, "clerk.toml": CLERK, "welcome.ygtc": FLOW})


@asynccontextmanager
async def opened(project: Project) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        yield runtime


async def asked(runtime: Runtime, agent: str = "shop.clerk", text: str = "ask") -> tuple[RunId, str]:
    """A run that waits for the customer's word, and its wait."""
    session = await runtime.sessions.open(SCOPE, CUSTOMER, agent=agent)
    turn = await session.say(text)
    run = await turn.run()
    await runtime.idle()
    await runtime.log(SCOPE).durable()
    waits = runtime.waits.list(SCOPE, SYSTEM, kinds=("clarification",))
    return run, next(wait.id for wait in waits if wait.run == run)


async def answered(runtime: Runtime, run: RunId, wait: str) -> str:
    await runtime.waits.answer(SCOPE, wait, "answered", CUSTOMER, body={"text": "word"})
    return await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10)


async def told(runtime: Runtime, text: str = "hello") -> str:
    """What a run that begins now says."""
    run = await runtime.runs.start(SCOPE, "shop.clerk", text, CUSTOMER)
    return await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10)


def second(project: Project) -> None:
    project.write(**{"clerk.toml": CLERK.replace("first", "second"), "welcome.ygtc": FLOW.replace("first", "second")})


@pytest.mark.req("LIC-32.1")
async def test_new_runs_begin_with_the_new_version_and_the_log_says_so(project: Project) -> None:
    async with opened(project) as runtime:
        assert await told(runtime) == "first"
        second(project)
        reloaded = await runtime.reload(SCOPE, OPS)
        assert (reloaded.agents, reloaded.broken) == (("shop.clerk", "shop.welcome"), ())
        assert await told(runtime) == "second"
        changes = [event.control for event in runtime.log(SCOPE).events(TENANT_STREAM)]
        catalog = {c.name: c.digest for c in changes if isinstance(c, e.Changed) and c.kind == "catalog"}
        assert catalog == {agent.name: agent.digest for agent in runtime.hosted}


@pytest.mark.req("LIC-32.2")
@pytest.mark.parametrize(("agent", "answer"), [("shop.clerk", "first word"), ("shop.welcome", "first")])
async def test_a_run_that_waits_keeps_the_version_it_began_with(project: Project, agent: str, answer: str) -> None:
    async with opened(project) as runtime:
        run, wait = await asked(runtime, agent)
        second(project)
        await runtime.reload(SCOPE, OPS)
        assert await answered(runtime, run, wait) == answer


@pytest.mark.req("LIC-32.2")
@pytest.mark.parametrize(("agent", "answer"), [("shop.clerk", "first word"), ("shop.welcome", "first")])
async def test_a_run_that_waits_over_a_restart_keeps_the_version_it_began_with(
    project: Project, agent: str, answer: str
) -> None:
    async with opened(project) as runtime:
        run, wait = await asked(runtime, agent)
    second(project)
    async with opened(project) as runtime:
        assert await told(runtime) == "second"
        assert await answered(runtime, run, wait) == answer


@pytest.mark.req("LIC-32.3")
async def test_a_run_whose_version_is_gone_is_refused_with_the_reason(project: Project) -> None:
    async with opened(project) as runtime:
        run, wait = await asked(runtime)
    second(project)
    for kept in (project.home / "catalog").iterdir():
        kept.unlink()
    async with opened(project) as runtime:
        await answered(runtime, run, wait)
        detail = runtime.runs.show(SCOPE, run, SYSTEM)
    assert (detail.status, detail.code) == ("failed", "version_gone")


@pytest.mark.req("LIC-32.4")
async def test_a_broken_version_leaves_the_old_in_force_and_says_why(project: Project) -> None:
    async with opened(project) as runtime:
        project.write(**{"clerk.toml": CLERK.replace("first {word}", "first {wrod}"), "welcome.ygtc": "id: ["})
        reloaded = await runtime.reload(SCOPE, OPS)
        assert reloaded.agents == ()
        places = [(broken.place or "").removeprefix(f"{project.root}/") for broken in reloaded.broken]
        assert places[0] == "clerk.toml:11:1: /rules/intents/0/answer"
        assert places[1].startswith("welcome.ygtc:")
        assert await told(runtime) == "first"
        assert {agent.name for agent in runtime.hosted} == {"shop.clerk", "shop.welcome"}


@pytest.mark.req("LIC-32.4")
async def test_broken_policies_leave_the_old_in_force_and_good_ones_count_at_once(project: Project) -> None:
    async with opened(project) as runtime:
        before = runtime.gate.policies(SCOPE).digest
        project.write(**{"policies/more.cedar": "permit (principal, action resource);"})
        broken = await runtime.reload(SCOPE, OPS)
        assert (broken.policies, broken.are_policies_new) == (before, False)
        assert broken.broken[0].code == "policy_syntax"
        project.write(**{"policies/more.cedar": 'forbid (principal, action == Action::"run.start", resource);'})
        assert (await runtime.reload(SCOPE, OPS)).are_policies_new
        with pytest.raises(Exception, match="denied"):
            await told(runtime)


@pytest.mark.req("LIC-32.5")
async def test_python_files_that_changed_are_named_as_needing_a_restart(project: Project) -> None:
    async with opened(project) as runtime:
        assert (await runtime.reload(SCOPE, OPS)).needs_restart == ()
        (project.root / "shop.py").write_text("# changed\n")
        assert (await runtime.reload(SCOPE, OPS)).needs_restart == (str(project.root / "shop.py"),)


@pytest.mark.req("LIC-32.1")
async def test_a_new_flow_file_is_hosted_and_a_removed_one_is_not_offered_any_more(project: Project) -> None:
    async with opened(project) as runtime:
        project.write(**{"other.ygtc": FLOW.replace("shop.welcome", "shop.other")})
        (project.root / "welcome.ygtc").unlink()
        reloaded = await runtime.reload(SCOPE, OPS)
        assert reloaded.agents == ("shop.other", "shop.welcome")
        assert {agent.name for agent in runtime.hosted} == {"shop.clerk", "shop.other"}


def greeter(name: str) -> Agent:
    return Agent(name, planner=RulePlanner(intents=[Intent("hi", phrases=["hi"], answer="hi")], fallback="?"))


@pytest.mark.req("GOA-69.1")
async def test_registration_from_python_closes_at_the_first_run(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[greeter("shop.one")]) as runtime:
        runtime.add(greeter("shop.two"))
        run = await runtime.runs.start(SCOPE, "shop.two", "hi", CUSTOMER)
        assert await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10) == "hi"
        with pytest.raises(Conflict) as closed:
            runtime.add(greeter("shop.three"))
    assert closed.value.code == "registration_closed"
