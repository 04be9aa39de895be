"""What a tool gives for people's eyes, in the web chat: whoever has the conversation's token gets it whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from lichen import Agent
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime import Runtime
from lichen.runtime.project.project import Project
from lichen.settings import Settings, Tenant, WebChat
from lichen.tools import Artifact, WithArtifacts, tool
from tests.serve.widget import Client, app_of, code, runtime_of

ROWS = [f"order {i} <script>" for i in range(200)]


@tool(
    name="orders.table",
    effects="none",
    runs="loop",
    artifacts={"table": list[str], "trace": Artifact(str, "internal"), "proof": Artifact(str, "evidence")},
)
def table() -> WithArtifacts[int]:
    """Counts the orders; people are shown all of them."""
    return WithArtifacts(len(ROWS), table=ROWS, trace="for programs", proof="for auditors")


class Counts:
    """Looks, then says how many there are. Keeps what it was given."""

    pure = True
    digest = "counts"

    def __init__(self) -> None:
        self.given: list[PlanInput] = []

    async def plan(self, input: PlanInput) -> Plan:
        self.given.append(input)
        if input.results:
            return Plan(answer=f"There are {input.results[0].data.decode()}.")
        return Plan(calls=(CallRequest(ToolName("orders.table"), b"{}"),))


@pytest.fixture
def planner() -> Counts:
    return Counts()


@pytest.fixture
async def runtime(tmp_path: Path, planner: Counts) -> AsyncGenerator[Runtime]:
    chat = WebChat(title="Acme")
    tenants = {name: Tenant(webchat=chat, agent="shop.echo") for name in ("acme", "globex")}
    bot = Agent("shop.echo", planner=planner, tools=[table])
    async with runtime_of(Project(Settings(tmp_path, tmp_path / "data", tenants), (bot,))) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@pytest.mark.req("GOA-36.3")
async def test_an_answer_brings_what_tools_gave_for_people_whole_to_who_has_the_token(
    app: Starlette, planner: Counts
) -> None:
    ann = await Client(app).open()
    await ann.say("How many?")
    _, told = await ann.heard(2)
    assert told["text"] == "There are 200."
    (shown,) = told["attachments"]  # what is for programs and auditors is for no customer
    assert (shown["contentType"], shown["name"]) == ("application/json", "table.json")
    url = urlsplit(str(shown["contentUrl"]))
    assert (url.scheme, url.netloc) == ("http", "chat.test")
    stranger = Client(app)
    taken = await stranger.send("GET", f"{url.path}?{url.query}")
    assert taken.json() == ROWS
    assert taken.headers["content-type"] == "application/octet-stream"
    assert taken.headers["content-disposition"] == "attachment; filename*=UTF-8''table.json"
    assert taken.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in taken.headers["content-security-policy"]
    again = await ann.say("And now?")
    assert again
    await ann.heard(4)
    for input in planner.given:
        history = await input.history()
        assert "<script>" not in repr((input.results, input.input, history))


@pytest.mark.req("GOA-36.3")
async def test_nobody_else_gets_it_and_nothing_that_is_for_others_is_got(app: Starlette) -> None:
    ann, bob = await Client(app).open(), await Client(app).open("bob")
    await ann.say("How many?")
    _, told = await ann.heard(2)
    url = urlsplit(str(told["attachments"][0]["contentUrl"]))
    place, _ = url.path.rsplit("/", 1)
    assert code(await Client(app).send("GET", url.path)) == (401, "token_missing")
    assert code(await bob.send("GET", url.path)) == (403, "token_conversation")
    for wrong in (f"{place}/1", f"{place}/2", f"{place.rsplit('/', 1)[0]}/1/0", f"{place.rsplit('/', 1)[0]}/9999/0"):
        assert code(await ann.send("GET", wrong)) == (404, "artifact_unknown")


@pytest.mark.req("GOA-36.5")
async def test_who_was_erased_leaves_nothing_of_it(app: Starlette, runtime: Runtime) -> None:
    ann = await Client(app).open()
    await ann.say("How many?")
    _, told = await ann.heard(2)
    url = urlsplit(str(told["attachments"][0]["contentUrl"]))
    assert (await ann.send("GET", url.path)).json() == ROWS
    await runtime.people.erase(Scope("acme", "dev"), Customer("webchat:ann"), Operator("ops", ("operator",)))
    assert code(await ann.send("GET", url.path)) == (404, "content_erased")
