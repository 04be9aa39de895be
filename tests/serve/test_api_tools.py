"""An API that an OpenAPI document describes, behind an agent: our own, with its own document, asked with a real key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from lichen import Secret
from lichen.core.deciders import events as e
from lichen.core.remote.api import Api
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime.project.loading import examine, load
from lichen.runtime.project.project import Project as Loaded
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.openapi import document
from lichen.serve.site import make_site
from lichen.tools.openapi.document import parsed
from lichen.tools.openapi.toolset import listed
from tests.cli.projects import Project
from tests.declared import declaring
from tests.serve.browser import issue
from tests.serve.test_events import asked

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
SETTINGS = """
    [lichen]
    agents = ["clerk.toml"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "customer-7", kind = "customer"}]

    [[openapi]]
    name = "shop"
    document = "shop.json"
    url = "URL"
    secrets = { key = "shop.key" }
"""
CLERK = """
    name = "shop.clerk"
    tools = ["shop.*"]

    [rules]
    fallback = "Say look."

    [[rules.intents]]
    name = "look"
    phrases = ["look"]
    slots = [{ name = "run", pattern = 'look ([a-z0-9-]+)', ask = "At which?" }]
    calls = [{ tool = "shop.runs_show", args = { run = "{run}" } }]
    answer = "It is {runs_show.status}."

    [[rules.intents]]
    name = "start"
    phrases = ["start"]
    calls = [{ tool = "shop.runs_start", args = { agent = "shop.support", input = "x" } }]
    answer = "Started."
"""
POLICY = """
@id("talk") permit (
    principal, action in [Action::"session.open", Action::"run.start", Action::"message.send"], resource
);
@id("operate") permit (principal in Role::"operator", action, resource);
@id("look") permit (principal is Agent, action in Action::"tool.call.none", resource);
@id("key") permit (principal == Agent::"shop.clerk", action == Action::"secret.use", resource == Secret::"shop.key");
@id("ask") @approval("operator") @expires("1h") @public("Please wait.") @reason("acts elsewhere")
permit (principal is Agent, action in Action::"tool.call.once", resource);
"""


@asynccontextmanager
async def served(shop: Loaded, home: Path) -> AsyncGenerator[tuple[str, str, str]]:
    """The demo shop on a port: its URL, a key of an operator there, and a run that is finished."""
    async with Runtime.of(declaring(shop, home=home)) as runtime:
        run = await asked(runtime)
        async with listening(make_site(runtime), "127.0.0.1", 0) as port:
            yield f"http://127.0.0.1:{port}", issue(runtime), run


def written(folder: Path, url: str, **files: str) -> Project:
    own = msgspec.json.encode(document()).decode()
    said = {"lichen.toml": SETTINGS.replace("URL", url), "clerk.toml": CLERK, "policies/shop.cedar": POLICY}
    return Project(folder, {**said, "shop.json": own, **files})


async def said(runtime: Runtime, text: str) -> str:
    session = await runtime.sessions.open(SCOPE, Customer("customer-7"))
    return (await (await session.say(text)).result()).text


async def ended(runtime: Runtime, text: str) -> tuple[str, str]:
    """How the one call ended that a message led to."""
    known = {run.id for run in runtime.runs.list(SCOPE, OPS)}
    await said(runtime, text)
    (run,) = [run.id for run in runtime.runs.list(SCOPE, OPS) if run.id not in known]
    controls = [record.control for record in runtime.engine.journal(SCOPE).log.records(run_stream(run))]
    (finished,) = [control for control in controls if isinstance(control, e.CallFinished)]
    return finished.outcome, finished.code


@pytest.mark.req("LIC-20.30")
def test_every_operation_of_our_own_api_that_ends_is_a_tool() -> None:
    own = parsed(msgspec.json.encode(document()), "own")
    found = listed(own, Api("shop", url="http://127.0.0.1:1", secrets={"key": "k"}))
    assert set(found.left_out.values()) <= {"Its answer is a stream, which does not end."}
    assert len(found.tools) > 40


@pytest.mark.req("LIC-20.33")
async def test_an_agent_asks_an_api_with_a_secret_that_no_record_holds(shop: Loaded, tmp_path: Path) -> None:
    async with served(shop, tmp_path / "theirs") as (url, key, run):
        project = written(tmp_path / "ours", url)
        async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
            assert await ended(runtime, f"look {run}") == ("failed", "secret_unknown")
            await runtime.secrets.set(SCOPE, "shop.key", Secret(key), OPS)
            assert await said(runtime, f"look {run}") == "It is completed."
            assert await ended(runtime, "look run-0") == ("failed", "not_found")
            home = runtime.home
        stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
        assert key.encode() not in stored


@pytest.mark.req("LIC-20.31")
def test_a_project_names_what_is_wrong_with_an_api_at_its_place(tmp_path: Path) -> None:
    project = written(tmp_path, "http://127.0.0.1:1", **{"shop.json": "{}"})
    text = (project.root / "lichen.toml").read_text()
    (error,) = examine(project.root / "lichen.toml", environ={}).errors[:1]
    assert (error.code, error.place) == ("openapi_invalid", str(project.root / "shop.json"))
    for wrong, code in (
        (text.replace('"http://127.0.0.1:1"', '"http://api.example.com"'), "settings_invalid"),
        (text.replace('name = "shop"', 'name = "run"'), "settings_invalid"),
        (text + '\n[[openapi]]\nname = "shop"\ndocument = "shop.json"\nurl = "https://a.example"\n', "api_twice"),
    ):
        (project.root / "lichen.toml").write_text(wrong)
        assert code in {each.code for each in examine(project.root / "lichen.toml", environ={}).errors}, wrong
    with pytest.raises(Invalid):
        load(project.root / "lichen.toml", environ={})
