"""Twelve flows in the shapes, names and routing that public ones have, hosted as they are: from chat and by JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.flows.read.doctor import diagnose
from lichen.log.log import Log
from lichen.runtime import Runtime, Session
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project

PACKS = Path(__file__).parent / "packs"
ACME = Scope("acme", "dev")
ADA = Customer("ada")
OPS = Operator("ops", ("operator",))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "anywhere"
    shutil.copytree(PACKS, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    found = load(root / "lichen.toml", environ={})
    stubs().CALLS.clear()
    stubs().DOWN.clear()
    return found


@pytest.fixture
async def runtime(project: Project) -> AsyncIterator[Runtime]:
    async with Runtime.of(project) as opened:
        yield opened


def stubs() -> Any:
    """The stub tools as the project loaded them."""
    return sys.modules["lichen_project.stubs"]


def calls(name: str) -> list[dict[str, Any]]:
    return [args for tool, args in stubs().CALLS if tool == name]


async def chat(runtime: Runtime, agent: str) -> Session:
    return await runtime.sessions.open(ACME, ADA, agent=agent, channel="webchat")


async def said(session: Session, text: str, **data: Any) -> list[str]:
    """What is said to this: everything that is fetched and confirmed."""
    await (await session.say(text, data=data or None)).result()
    found = await session.pending()
    for message in found:
        await session.delivered(message.id)
    return [message.text for message in found]


async def started(runtime: Runtime, agent: str, **entry: Any) -> str:
    return await runtime.runs.result(ACME, await runtime.runs.start(ACME, agent, "", OPS, input=entry), OPS)


def contents_of(log: Log, run: RunId, n: int) -> list[bytes]:
    """The contents of a run's record; none where there is none."""
    records = log.records(run_stream(run), n, 1)
    return list(log.contents(run_stream(run), n).values()) if records else []


# -- hosting -----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-1.14")
def test_flows_are_hosted_under_names_made_of_their_packs_and_ids(project: Project) -> None:
    assert set(project.flows) == {
        "greetings.hello_flow",
        "qa_demo.qa_orchestrator",
        "qa_demo.qa_answer_flow",
        "messaging_telegram.setup_default",
        "messaging_slack.setup_default",
        "messaging_slack.remove",
        "messaging_slack.update",
        "secrets_vault.vault_read",
        "weather_bot.main",
        "ai.greentic.component_http.gtest",
        "order_events.on_event",
        "incident_desk.incident_triage",
    }


@pytest.mark.req("LIC-1.15")
def test_operations_are_the_tools_that_their_pack_component_or_project_names(project: Project) -> None:
    tools = {str(agent.name): {str(tool) for tool in agent.tools} for agent in project.agents}
    assert tools["messaging_telegram.setup_default"] == {
        "messaging_telegram.describe",
        "messaging_telegram.validate_answers",
        "messaging_telegram.apply",
    }, "one word: of its pack"
    assert "component_adaptive_card.card" in tools["incident_desk.incident_triage"], "of the sidecar's component"
    assert "ops.page" in tools["incident_desk.incident_triage"], "as the project says"
    assert tools["ai.greentic.component_http.gtest"] == {"local.http_client.request"}, "a URL"
    assert tools["order_events.on_event"] == {"component_events2msg.convert", "messaging.slack.send_message"}


@pytest.mark.req("LIC-1.16")
@pytest.mark.parametrize(
    "file", sorted(PACKS.glob("*/flows/*.ygtc")), ids=lambda file: f"{file.parent.parent.name}.{file.stem}"
)
def test_the_doctor_says_what_hosting_does_with_the_names_of_a_flow(file: Path, project: Project) -> None:
    found = diagnose(file, pack=file.parent.parent.name.replace("-", "_"))
    assert found.is_ok
    assert found.name in project.flows
    agent = next(agent for agent in project.agents if agent.name == found.name)
    for need in found.needs:
        mapped = need.name == "Pager.Duty.Page"
        assert need.kind != "tool" or mapped or set(need.names) & set(agent.tools)
    told = {warning.code for warning in found.warnings}
    assert "flow_name" in told


# -- from chat ---------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-1.17")
async def test_hello_greets_whoever_writes(runtime: Runtime) -> None:
    session = await chat(runtime, "greetings.hello_flow")
    assert await said(session, "hi") == ["Hello ada, you wrote: hi"]
    assert await said(session, "hi", name="Ada") == ["Hello Ada, you wrote: hi"]
    assert await started(runtime, "greetings.hello_flow", name="Bob", text="x") == "Hello Bob, you wrote: x"


@pytest.mark.req("LIC-1.17")
async def test_the_orchestrator_asks_calls_its_specialist_and_keeps_the_reasoning(runtime: Runtime) -> None:
    session = await chat(runtime, "qa_demo.qa_orchestrator")
    assert await said(session, "help") == ["Good day, I ask two things.\nWhat is wrong?"]
    assert await said(session, "no sound") == ["Since when?"]
    assert await said(session, "yesterday") == ["Try turning it off and on."]
    (asked,) = calls("llm.openai")
    assert asked["model"] == "small-1"
    assert asked["prompt"] == "Question: no sound\nContext: yesterday\nTier: basic\n"


@pytest.mark.req("LIC-1.17")
async def test_the_weather_bot_lists_days_and_takes_the_route_of_a_servers_error(runtime: Runtime) -> None:
    session = await chat(runtime, "weather_bot.main")
    assert await said(session, "weather please") == ["Which city?"]
    assert await said(session, "bonn") == ["Weather in Bonn:\n- 2026-01-01: 3 °C\n- 2026-01-02: 4 °C\n"]
    await said(session, "again")
    assert await said(session, "Atlantis") == ["I do not know Atlantis: no matching location"]


@pytest.mark.req("LIC-1.17")
async def test_the_incident_desk_branches_on_a_submitted_form(runtime: Runtime) -> None:
    session = await chat(runtime, "incident_desk.incident_triage")
    assert await said(session, "it burns") == ["How bad is it?"]
    form = {"severity": "critical", "metadata": {"severity": "critical", "site": "Bonn"}}
    assert await said(session, "submitted", **form) == ["Paged Grace for critical at Bonn"]
    assert calls("ops.page") == [{"severity": "critical", "where": "Bonn"}]
    assert calls("component_adaptive_card.card")[0]["title"] == "New incident of ada"
    assert await said(session, "again") == ["How bad is it?"]
    assert await said(session, "not so bad") == ["Noted: not so bad"]


@pytest.mark.req("LIC-1.17")
async def test_the_incident_desk_retries_the_pager_alone_and_takes_its_error_route(runtime: Runtime) -> None:
    stubs().DOWN.add("pager")
    session = await chat(runtime, "incident_desk.incident_triage")
    await said(session, "it burns")
    assert await said(session, "yes", severity="critical", metadata={}) == ["Nobody could be paged: pager_down"]
    assert len(calls("ops.page")) == 3
    assert len(calls("component_adaptive_card.card")) == 1


# -- by structured input -----------------------------------------------------------------------------------------


@pytest.mark.req("LIC-1.18")
@pytest.mark.parametrize("provider", ["telegram", "slack"])
async def test_setup_applies_what_the_answers_allow_each_in_its_own_pack(runtime: Runtime, provider: str) -> None:
    answers = {"bot_token": "t"}
    told = await started(runtime, f"messaging_{provider}.setup_default", answers_json=answers, dry_run=False)
    assert told == f"Setup of {provider} is complete: 3 actions."
    assert [name for name, _ in stubs().CALLS] == [
        f"messaging_{provider}.describe",
        f"messaging_{provider}.validate_answers",
        f"messaging_{provider}.apply",
    ]
    (checked,) = calls(f"messaging_{provider}.validate_answers")
    assert checked["spec_json"] == {"questions": ["bot_token"], "id": "setup_default"}
    assert calls(f"messaging_{provider}.apply")[0]["dry_run"] is False


@pytest.mark.req("LIC-1.18")
async def test_setup_with_wrong_answers_applies_nothing_and_says_nothing_of_completion(runtime: Runtime) -> None:
    run = await runtime.runs.start(ACME, "messaging_telegram.setup_default", "", OPS, input={"answers_json": {}})
    assert "complete" not in await runtime.runs.result(ACME, run, OPS)
    assert calls("messaging_telegram.apply") == []
    shown = runtime.runs.show(ACME, run, OPS)
    assert shown.status == "failed"
    assert shown.walk is not None
    assert "error:answers_invalid" in [step.outcome for step in shown.walk.steps]
    assert "state.input.msg.channel" in [each.path for each in shown.walk.missing]


@pytest.mark.req("LIC-1.18")
async def test_a_flow_that_calls_others_hands_each_its_own_input(runtime: Runtime) -> None:
    told = await started(runtime, "messaging_slack.update", dry_run=False, answers_json={"bot_token": "t"})
    assert told == "Removed 1 (dry run: true). Setup of slack is complete: 3 actions."
    removal, setup = calls("messaging_slack.apply")
    assert (removal["dry_run"], setup["dry_run"]) == (True, False)
    assert calls("messaging_telegram.apply") == [], "the flow of the same id in the other pack is not meant"


@pytest.mark.req("LIC-1.18")
async def test_a_removal_is_started_by_itself_with_its_plan(runtime: Runtime) -> None:
    plan = {"actions": [{"kind": "a"}, {"kind": "b"}]}
    assert await started(runtime, "messaging_slack.remove", dry_run=True, plan=plan) == "Removed 2 (dry run: true)."
    assert calls("messaging_slack.apply") == [{"dry_run": True, "plan": plan}]


@pytest.mark.req("GRE-3.4")
async def test_a_flow_of_version_1_runs_in_its_order_and_gives_its_outputs(runtime: Runtime) -> None:
    told = await started(runtime, "secrets_vault.vault_read", config={"addr": "x"}, name="db")
    assert json.loads(told) == {"status": "OK", "name": "db", "value": "s3cr3t-of-acme", "version": 4}
    assert [name for name, _ in stubs().CALLS] == ["vault.validate", "vault.get", "vault.emit_event"]
    assert calls("vault.get") == [{"config": {"addr": "x", "checked": True}, "name": "db", "tenant": "acme"}]
    assert calls("vault.emit_event") == [{"config": {"addr": "x"}, "name": "db"}]


@pytest.mark.req("GRE-3.5")
async def test_what_a_flow_redacts_is_shown_to_no_operator_and_goes_where_the_flow_says(runtime: Runtime) -> None:
    asked = {"config": {"addr": "x"}, "name": "db"}
    run = await runtime.runs.start(ACME, "secrets_vault.vault_read", "", OPS, input=asked)
    assert "s3cr3t-of-acme" in await runtime.runs.result(ACME, run, OPS), "who asks for the secret gets it"
    told = json.dumps(msgspec.to_builtins(runtime.runs.show(ACME, run, OPS)))
    assert "s3cr3t" not in told
    assert told.count("[redacted]") >= 3, "in the result, in what the planner keeps, in the answer"
    assert '"version": 4' in told, "the field beside it is shown"
    log = runtime.engine.journal(ACME).log
    assert any(b"s3cr3t-of-acme" in data for n in range(20) for data in contents_of(log, run, n)), "sealed, not lost"


@pytest.mark.req("LIC-1.18")
@pytest.mark.parametrize(("code", "answer"), [(200, "fine: it works"), (503, "broken: 503"), (404, "odd: 404")])
async def test_conditions_read_the_fields_of_the_node_they_leave(runtime: Runtime, code: int, answer: str) -> None:
    url = f"https://example.com/{code}"
    assert await started(runtime, "ai.greentic.component_http.gtest", method="GET", url=url) == answer
    assert calls("local.http_client.request") == [{"method": "GET", "url": url, "config": {"timeout_ms": 500}}]


@pytest.mark.req("LIC-1.18")
async def test_an_event_reaches_its_flow_with_its_metadata(runtime: Runtime) -> None:
    event = {"order_id": 7, "state": "paid"}
    told = await started(runtime, "order_events.on_event", event=event, metadata={"source": "shop"})
    assert calls("messaging.slack.send_message") == [{"channel": "#orders", "text": "shop: order 7 is paid"}]
    assert json.loads(told) == {"ok": True, "ts": "1.2"}, "nobody talks to the run, so it gives its last result"


@pytest.mark.req("LIC-1.18")
async def test_the_answer_flow_is_started_by_itself_as_well(runtime: Runtime) -> None:
    told = await started(runtime, "qa_demo.qa_answer_flow", model="m", question="why?", profile={"tier": "gold"})
    assert json.loads(told)["messages"][1] == {"channel": "chat", "text": "Try turning it off and on."}
    assert calls("llm.openai")[0]["prompt"] == "Question: why?\nTier: gold\n"


# -- names that do not fit ---------------------------------------------------------------------------------------


def rewritten(project: Project, flows: str) -> Project:
    text = (PACKS / "lichen.toml").read_text()
    before, _, rest = text.partition("flows = [")
    (project.settings.root / "lichen.toml").write_text(before + f"flows = {flows}" + rest.partition("\n]")[2])
    return load(project.settings.root / "lichen.toml", environ={})


@pytest.mark.req("LIC-1.14")
def test_a_name_that_the_project_gives_comes_before_the_one_that_is_made(project: Project) -> None:
    flows = '["greetings/flows/*.ygtc", { file = "weather-bot/flows/main.ygtc", name = "shop.weather" }]'
    assert rewritten(project, flows).flows == ("greetings.hello_flow", "shop.weather")


@pytest.mark.req("LIC-1.14", "LIC-1.15")
@pytest.mark.parametrize(
    ("flows", "code"),
    [
        ('[{ file = "*/flows/setup_default.ygtc", name = "shop.setup" }]', "flows_several"),
        ('[{ file = "weather-bot/flows/main.ygtc", name = "Weather" }]', "flow_id"),
        (
            '["greetings/flows/*.ygtc", { file = "weather-bot/flows/main.ygtc", name = "greetings.hello_flow" }]',
            "flow_twice",
        ),
        ('[{ file = "greetings/flows/*.ygtc", tools = { "apply" = "ops.page" } }]', "flow_mapping"),
        ('["incident-desk/flows/*.ygtc"]', "tool_unknown"),
        ('["none/*.ygtc"]', "flows_missing"),
        ('["messaging-slack/flows/update.ygtc", "*/flows/setup_default.ygtc"]', "flow_unknown"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_to_write(project: Project, flows: str, code: str) -> None:
    with pytest.raises(LichenError) as caught:
        rewritten(project, flows)
    assert caught.value.code == code
    assert caught.value.next_step


@pytest.mark.req("LIC-1.15")
def test_a_flow_that_several_packs_have_is_not_guessed(project: Project) -> None:
    shutil.copytree(project.settings.root / "messaging-slack", project.settings.root / "other")
    (project.settings.root / "other/flows/setup_default.ygtc").unlink()
    with pytest.raises(LichenError) as caught:
        rewritten(project, '["other/flows/*.ygtc", "messaging-*/flows/setup_default.ygtc"]')
    assert caught.value.code == "tool_unknown", "the pack has no tools here"
    flow = project.settings.root / "other/flows/update.ygtc"
    for file in (project.settings.root / "other/flows").iterdir():
        if file != flow:
            file.unlink()
    flow.write_text(flow.read_text().replace("flow_id: remove", "flow_id: setup_default"))
    with pytest.raises(LichenError) as caught:
        rewritten(project, '["other/flows/*.ygtc", "messaging-*/flows/setup_default.ygtc"]')
    assert (caught.value.code, str(caught.value.place).rpartition("/")[2]) == ("flow_ambiguous", "update.ygtc:6:3")
