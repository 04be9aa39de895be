"""A server of a stranger behind an agent: pinned as it was first seen, asked about by a person, off once it changed."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Conflict, Denied, Invalid, Unavailable
from lichen.core.words.ids import TENANT_STREAM, run_stream
from lichen.core.words.scope import Actor, Operator, Scope, Service
from lichen.gate.rules.schema import ACTIONS
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.wait import WaitView
from lichen.settings.servers import RESERVED
from tests.cli.projects import Project
from tests.runtime.world import until

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
STRANGE = Path(__file__).parents[1] / "tools/mcp/strange.py"
ASKER = STRANGE.with_name("asker.py")
SETTINGS = f"""
    [lichen]
    agents = ["clerk.py:clerk"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}, {{id = "customer-7", kind = "customer"}}]

    [[mcp]]
    name = "strange"
    command = ["{sys.executable}", "{STRANGE}", "plain"]

    [mcp.tools.add]
    effects = "none"
"""
CLERK = """
    import msgspec
    from lichen import Agent
    from lichen.core.ports.plan import CallRequest, Plan
    from lichen.core.remote.tools import RemoteTools


    class Typist:
        pure, digest = True, "typist"

        async def plan(self, input):
            if input.results:
                found = input.results[0]
                return Plan(answer=f"{found.outcome} {found.code or found.data.decode()}")
            name, _, arguments = input.input[-1].text.partition(" ")
            if name not in {each.name for each in input.tools}:
                return Plan(answer="no tool")
            return Plan(calls=(CallRequest(name, arguments.encode()),))


    clerk = Agent("shop.clerk", planner=Typist(), tools=[RemoteTools("strange", without=("die",))])
"""
POLICY = """
@id("small") forbid (principal is Agent, action == Action::"strange.add", resource) when { context.args.a > 10 };
@id("change") permit (principal is Agent, action == Action::"strange.change", resource);
"""


@asynccontextmanager
async def opened(project: Project) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        yield runtime


async def said(runtime: Runtime, text: str) -> str:
    run = await runtime.runs.start(SCOPE, "shop.clerk", text, OPS)
    return await runtime.runs.result(SCOPE, run, OPS)


def written(runtime: Runtime) -> list[str]:
    """What stands in the tenant's stream of definitions."""
    log = runtime.engine.journal(SCOPE).log
    kinds = (e.Pinned, e.Submitted, e.Reviewed)
    return [f"{r.type} {r.control.name}" for r in log.records(TENANT_STREAM) if isinstance(r.control, kinds)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"lichen.toml": SETTINGS, "clerk.py": CLERK, "policies/shop.cedar": POLICY})


@pytest.mark.req("SYM-61.2")
async def test_what_a_server_offers_is_pinned_with_the_first_look_and_called_as_policy_says(project: Project) -> None:
    async with opened(project) as runtime:
        seen = await runtime.servers.look(SCOPE, "strange")
        assert (seen.waiting, seen.left_out) == ((), {})
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":3}'
        assert (await said(runtime, 'strange.add {"a":11,"b":2}')).startswith("denied")
        assert (await said(runtime, 'strange.say {"text":"x"}')).startswith("denied")
        assert await said(runtime, 'strange.die {"file":"x"}') == "no tool"
        assert "pinned strange.add" in written(runtime)
    async with opened(project) as runtime:  # it stands in the log, so it is there before the server was asked
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":3}'


@pytest.mark.req("SYM-61.2")
async def test_a_tool_that_changed_is_off_and_its_new_definition_waits(project: Project) -> None:
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        await said(runtime, "strange.change {}")
        assert "tool_changed" in await said(runtime, 'strange.add {"a":1,"b":2}')
        assert written(runtime)[-1] == "submitted strange.add"
        standing = runtime.servers.standing(SCOPE)["tool:strange.add"]
        assert standing.pinned
        assert standing.submitted not in ("", standing.pinned)


@pytest.mark.req("SYM-56.2")
async def test_a_project_with_a_server_that_cannot_be_started_starts(project: Project) -> None:
    text = (project.root / "lichen.toml").read_text().replace(sys.executable, "/there/is/no/such/program")
    (project.root / "lichen.toml").write_text(text)
    async with opened(project) as runtime:
        with pytest.raises(Unavailable) as unreachable:
            await runtime.servers.look(SCOPE, "strange")
        assert unreachable.value.code == "server_unreachable"
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == "no tool"


@pytest.mark.req("SYM-68.1")
async def test_a_changed_tool_is_on_again_once_an_operator_accepted_the_definition_that_waits(project: Project) -> None:
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        before = runtime.tools.show(SCOPE, "strange.add", OPS)
        assert (before.standing.state, before.waiting, before.difference) == ("on", None, ())
        await said(runtime, "strange.change {}")
        await said(runtime, 'strange.add {"a":1,"b":2}')
        offer = runtime.tools.show(SCOPE, "strange.add", OPS)
        assert offer.standing.state == "changed"
        assert any(line.startswith("+") and "id_rsa" in line for line in offer.difference)
        with pytest.raises(Conflict, match="definition_changed"):
            await runtime.tools.accept(SCOPE, "strange.add", before.standing.pinned, OPS)
        accepted = await runtime.tools.accept(SCOPE, "strange.add", offer.standing.waiting, OPS, reason="asked them")
        assert accepted.state == "on"
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":-1}'
        assert written(runtime)[-2:] == ["reviewed strange.add", "pinned strange.add"]


@pytest.mark.req("SYM-62.1")
async def test_a_tool_that_was_rejected_is_off_and_not_pinned_again_by_itself(project: Project) -> None:
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        pinned = runtime.tools.show(SCOPE, "strange.add", OPS).standing.pinned
        assert (await runtime.tools.reject(SCOPE, "strange.add", pinned, OPS)).state == "rejected"
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == "no tool"
        assert "strange.add" not in (await runtime.servers.look(SCOPE, "strange")).on
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == "no tool"


@pytest.mark.req("SYM-68.1")
async def test_where_each_tool_is_to_be_judged_none_is_on_before(project: Project) -> None:
    text = (project.root / "lichen.toml").read_text().replace('name = "strange"', 'name = "strange"\ntrust = "review"')
    (project.root / "lichen.toml").write_text(text)
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == "no tool"
        waiting = runtime.tools.show(SCOPE, "strange.add", OPS).standing.waiting
        for actor in (Service("crm", ("operator",)), Actor("agent", "shop.clerk", on_behalf_of=OPS)):
            with pytest.raises(Denied):
                await runtime.tools.accept(SCOPE, "strange.add", waiting, actor)
        await runtime.tools.accept(SCOPE, "strange.add", waiting, OPS)
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":3}'


@pytest.mark.req("SYM-68.2")
async def test_what_the_policies_would_not_load_with_is_not_accepted(project: Project) -> None:
    text = (project.root / "lichen.toml").read_text().replace('name = "strange"', 'name = "strange"\ntrust = "review"')
    (project.root / "lichen.toml").write_text(text)
    policy = project.root / "policies/shop.cedar"
    policy.write_text(policy.read_text().replace("context.args.a ", "context.args.amount "))
    async with opened(project) as runtime:  # it is about a tool that is not there yet
        await runtime.servers.look(SCOPE, "strange")
        waiting = runtime.tools.show(SCOPE, "strange.add", OPS).standing.waiting
        with pytest.raises(Invalid, match="policy_schema"):
            await runtime.tools.accept(SCOPE, "strange.add", waiting, OPS)
        assert runtime.tools.show(SCOPE, "strange.add", OPS).standing.state == "waiting"


@pytest.mark.req("SYM-68.2")
async def test_what_the_policies_would_not_load_with_is_not_pinned_at_first_sight_either(project: Project) -> None:
    policy = project.root / "policies/shop.cedar"
    policy.write_text(policy.read_text().replace("context.args.a ", "context.args.amount "))
    async with opened(project) as runtime:
        seen = await runtime.servers.look(SCOPE, "strange")
        assert seen.waiting == ("strange.add",)
        assert "strange.say" in seen.on
    async with opened(project) as runtime:  # and so the next process starts
        assert runtime.tools.show(SCOPE, "strange.add", OPS).standing.state == "waiting"


@pytest.mark.req("SYM-56.11")
async def test_a_server_that_needs_an_answer_gets_it_over_a_restart(project: Project) -> None:
    text = (project.root / "lichen.toml").read_text()
    asking = text.replace('name = "strange"', 'name = "strange"\nasks = ["form"]')
    (project.root / "lichen.toml").write_text(asking)
    policy = project.root / "policies/shop.cedar"
    lend = '@id("lend") permit (principal is Agent, action == Action::"strange.lend", resource);\n'
    policy.write_text(policy.read_text() + lend)
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        run = await runtime.runs.start(SCOPE, "shop.clerk", 'strange.lend {"title":"Dune"}', OPS)
        await until(lambda: bool(asked(runtime)))
        assert "strange" in asked(runtime)[0].public_text
    answer = ""
    for said in ({"days": 14}, {"town": "Wien"}):
        async with opened(project) as runtime:
            (wait,) = asked(runtime)
            with pytest.raises(Invalid, match="answer_unexpected"):
                await runtime.waits.answer(SCOPE, wait.id, "answered", OPS, body={"result": {"days": "x", "town": 1}})
            await runtime.waits.answer(SCOPE, wait.id, "answered", OPS, body={"result": said})
            if "days" in said:
                await until(lambda: bool(asked(runtime)))
            else:
                answer = await runtime.runs.result(SCOPE, run, OPS)
    assert "Dune for 14 days to Wien" in answer


@pytest.mark.req("GOA-75.5")
async def test_an_agent_reads_the_resources_that_may_be_read_as_policy_says(project: Project) -> None:
    settings, policy = project.root / "lichen.toml", project.root / "policies/shop.cedar"
    settings.write_text(settings.read_text() + '\n[mcp.resources]\nallow_uris = ["book://shelf/*"]\n')
    read = '@id("read") forbid (principal is Agent, action == Action::"strange.resources.read", resource)'
    policy.write_text(f'{policy.read_text()}{read} when {{ context.args.uri == "book://shelf/diary" }};\n')
    async with opened(project) as runtime:
        assert "spice" in await said(runtime, 'strange.resources.read {"uri":"book://shelf/dune"}')
        assert (await said(runtime, 'strange.resources.read {"uri":"book://shelf/diary"}')).startswith("denied")
        assert "resource_denied" in await said(runtime, 'strange.resources.read {"uri":"book://big"}')


@pytest.mark.req("SYM-56.12")
async def test_a_run_that_is_cancelled_while_somebody_is_asked_cancels_the_call_at_its_server(project: Project) -> None:
    settings, policy = project.root / "lichen.toml", project.root / "policies/shop.cedar"
    asking = settings.read_text().replace('"plain"]', '"plain"]\nasks = ["form"]').replace(str(STRANGE), str(ASKER))
    settings.write_text(asking.replace(', "plain"]', "]"))
    policy.write_text('@id("lend") permit (principal is Agent, action == Action::"strange.lend", resource);\n')
    file = project.root / "calls"
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        run = await runtime.runs.start(SCOPE, "shop.clerk", f'strange.lend {{"file":"{file}"}}', OPS)
        await until(lambda: bool(asked(runtime)))
        await runtime.runs.cancel(SCOPE, run, OPS)
        await until(lambda: file.exists() and "cancelled" in file.read_text())
        await until(lambda: len(runtime.waits.list(SCOPE, OPS, kinds=("reconcile",))) == 1)


def asked(runtime: Runtime) -> tuple[WaitView, ...]:
    """The questions that are open."""
    return runtime.waits.list(SCOPE, OPS, kinds=("clarification",))


def test_no_server_has_a_name_with_which_actions_begin() -> None:
    assert {action.partition(".")[0] for action in ACTIONS} | {"tool", "lichen", "person"} == RESERVED


SAMPLING = f"""
    [models]
    keep_requests = true

    [[mcp]]
    name = "strange"
    command = ["{sys.executable}", "{STRANGE}", "plain"]
    sampling = "echo:"

    [mcp.tools.summary]
    effects = "none"
"""


def sampled(project: Project, *policies: str, model: str = "echo:") -> None:
    """The project lets the server ask a model."""
    text = SETTINGS.partition("    [[mcp]]")[0] + SAMPLING.replace("echo:", model)
    (project.root / "lichen.toml").write_text(inspect.cleandoc(text))
    (project.root / "policies/shop.cedar").write_text("\n".join(policies))


@pytest.mark.req("GOA-72.22")
async def test_what_a_server_asks_of_a_model_is_billed_to_the_run_of_the_call(project: Project) -> None:
    sampled(project)
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        run = await runtime.runs.start(SCOPE, "shop.clerk", 'strange.summary {"text":"Sum up."}', OPS)
        assert "Sum up." in await runtime.runs.result(SCOPE, run, OPS)
        shown = runtime.runs.show(SCOPE, run, OPS)
        (request,) = shown.models
        assert (request.place, request.model, request.outcome, request.policies) == (
            "c1/0",
            "echo:",
            "ok",
            ("base.think",),
        )
        assert shown.cost.tokens == request.input_tokens + request.output_tokens > 0
        assert request.prompt is not None
        assert [message.text for message in request.prompt.messages] == ["Sum up."]


@pytest.mark.req("GOA-72.24")
async def test_policy_reads_which_tool_asks_a_model_and_may_forbid_it(project: Project) -> None:
    sampled(
        project,
        """@id("own") forbid (principal, action == Action::"model.invoke", resource)"""
        """ when { context.tool like "strange.*" };""",
    )
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        run = await runtime.runs.start(SCOPE, "shop.clerk", 'strange.summary {"text":"Sum up."}', OPS)
        assert await runtime.runs.result(SCOPE, run, OPS) == "failed sampling_refused"
        records = runtime.engine.journal(SCOPE).log.records(run_stream(run))
        refused = [record.control for record in records if isinstance(record.control, e.Refused)]
        assert [(each.action, each.policies) for each in refused] == [("model.invoke", ("own",))]


@pytest.mark.req("GOA-72.22")
async def test_a_model_for_a_server_that_is_none_stops_the_start_with_its_place(project: Project) -> None:
    sampled(project, model="nobody:x")
    with pytest.raises(Invalid) as invalid:
        async with opened(project):
            pass
    assert (invalid.value.code, invalid.value.place) == ("model_unknown", "mcp.strange.sampling")
