"""How a runtime reaches models: over its tenants' connections, with keys that nothing else ever shows."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lichen import Customer, Scope, Secret
from lichen.agents.providers import clients, transport
from lichen.core.ports.model import Connection, HeldKey, ModelError
from lichen.core.ports.secrets import Secrets
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Operator
from lichen.runtime import Runtime
from lichen.runtime.given.connections import Reaching
from lichen.runtime.project.loading import load
from lichen.settings.providers import ProviderTable
from tests.agents.wire.relay import Relay, serving
from tests.cli.projects import Project

ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
KEYS = {"acme": "sk-acme-never-shown-4711", "globex": "sk-globex-never-shown-0815"}
OPS = Operator("ops", ("operator",))
SHOP = """
    from lichen import Agent
    from lichen.agents import LLMPlanner

    support = Agent("shop.support", planner=LLMPlanner("openai-compatible:tiny"))
"""


@pytest.fixture
def api() -> Generator[Relay]:
    """An OpenAI-compatible server that says by whose key it was asked, by the last sign of it."""

    async def answer(request: Request) -> Response:
        await request.body()
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        by = f"by {request.headers.get('authorization', '?')[-1]}"
        choices: tuple[dict[str, Any], ...] = (
            {"delta": {"content": by}, "finish_reason": None},
            {"delta": {}, "finish_reason": "stop"},
        )
        lines = [{**head, "choices": [{"index": 0, **choice}]} for choice in choices]
        body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
        return Response(f"{body}data: [DONE]\n\n", media_type="text/event-stream")

    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["POST"])])
    with serving(app) as url, Relay(url).serving() as relay:
        yield relay


def project_of(folder: Path, api: Relay, fault: str = "none") -> Project:
    settings = f"""
        [lichen]
        agents = ["shop.py:support"]

        [models.openai-compatible]
        key = "secret:model.key"
        base_url = "{api.url}/{folder.name}/{fault}/v1"
        tries = 1

        [tenants.acme]

        [tenants.globex]
    """
    return Project(folder, {"lichen.toml": settings, "shop.py": SHOP})


class KeyOf:
    """A key for each tenant."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = dict(keys)

    async def get(self, scope: Scope, name: str) -> Secret:
        if scope.tenant not in self.keys:
            raise NotFound("There is no such secret.", code="secret_unknown")
        return Secret(self.keys[scope.tenant])


async def said(runtime: Runtime, scope: Scope) -> str:
    session = await runtime.sessions.open(scope, Customer("customer-7"))
    return (await (await session.say("Hello.")).result()).text


def opened(project: Project, secrets: Secrets) -> Runtime:
    loaded = load(project.root / "lichen.toml", environ={"LICHEN_HOME": str(project.root / "home")})
    return Runtime.of(loaded, secrets=secrets)


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.req("GOA-62.21")
async def test_each_tenants_runs_ask_with_their_own_key_as_it_is_now(tmp_path: Path, api: Relay) -> None:
    secrets = KeyOf(KEYS)
    async with opened(project_of(tmp_path, api), secrets) as runtime:
        assert [await said(runtime, scope) for scope in (ACME, GLOBEX)] == ["by 1", "by 5"]
        secrets.keys["acme"] = "sk-acme-rotated-0009"
        assert await said(runtime, ACME) == "by 9"


@pytest.mark.req("GOA-62.24")
@pytest.mark.parametrize("fault", ["unauthorized", "refused", "garbled", "broken"])
async def test_a_key_is_in_no_log_no_trace_and_no_error(
    tmp_path: Path, api: Relay, fault: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    project = project_of(tmp_path, api, fault)
    async with opened(project, KeyOf(KEYS)) as runtime:
        await said(runtime, ACME)
        runs = [row.id for row in runtime.runs.list(ACME, OPS)]
        seen = [repr(runtime.runs.show(ACME, run, OPS)) for run in runs]
    assert runs
    bodies = api.heads[tmp_path.name]
    assert any(KEYS["acme"] in head.get("authorization", "") for head in bodies), "the server was not asked"
    out = capfd.readouterr()
    everything = [all_bytes(tmp_path / "home"), caplog.text, out.out, out.err, *seen]
    everything += [repr(record.__dict__) for record in caplog.records]
    for each in everything:
        assert KEYS["acme"] not in (each.decode("latin-1") if isinstance(each, bytes) else each)


@pytest.mark.req("GOA-62.24")
def test_a_connection_shows_its_address_and_nothing_else() -> None:
    connection = Connection(KEYS["acme"], "https://example.com", "id", {"token": KEYS["globex"]})
    shown = f"{connection!r} {connection} {list(connection.__rich_repr__())}"
    assert "https://example.com" in shown
    assert not any(key in shown for key in KEYS.values())


@pytest.mark.req("GOA-62.25")
async def test_a_key_that_is_not_to_be_had_names_what_would_set_it() -> None:
    tables = {
        "openai": ProviderTable("secret:model.key"),
        "anthropic": ProviderTable("env:ACME_CLAUDE"),
    }
    reaching = Reaching(lambda scope, name: tables[name], KeyOf({}), {}, lambda: bytes(32))
    for provider, mend in (
        ("openai", "lichen secrets set model.key --tenant acme --env dev"),
        ("anthropic", "ACME_CLAUDE"),
    ):
        with pytest.raises(ModelError) as caught:
            await reaching.of(provider, ACME)
        assert (caught.value.code, caught.value.tries) == ("model_key_missing", 0)
        assert mend in str(caught.value)


@pytest.mark.req("GOA-62.26")
async def test_who_shares_key_and_address_is_counted_together_and_nobody_else() -> None:
    tables = {
        "acme": ProviderTable("env:A", "https://example.com"),
        "globex": ProviderTable("env:B", "https://example.com"),
        "initech": ProviderTable("env:A", "https://example.com", tries=1),
        "umbrella": ProviderTable("env:A", "https://example.org"),
    }
    environ = {"A": KEYS["acme"], "B": KEYS["globex"]}
    salt = os.urandom(32)
    reaching = Reaching(lambda scope, name: tables[scope.tenant], KeyOf({}), environ, lambda: salt)
    acme, globex, initech, umbrella = [(await reaching.of("openai", Scope(name, "dev"))).identity for name in tables]
    assert acme == initech
    assert len({acme, globex, umbrella}) == 3
    assert KEYS["acme"] not in acme
    beside = Reaching(lambda scope, name: tables["acme"], KeyOf({}), environ, lambda: salt)
    assert (await beside.of("openai", ACME)).identity == acme
    elsewhere = Reaching(lambda scope, name: tables["acme"], KeyOf({}), environ, lambda: os.urandom(32))
    assert (await elsewhere.of("openai", ACME)).identity != acme


@pytest.mark.req("GOA-62.27")
async def test_clients_are_kept_from_request_to_request_and_closed_with_the_runtime(
    tmp_path: Path, api: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[httpx2.AsyncClient] = []

    def http_client(*, timeout_s: float) -> httpx2.AsyncClient:
        made.append(transport.http_client(timeout_s=timeout_s))
        return made[-1]

    monkeypatch.setattr(clients, "http_client", http_client)
    async with opened(project_of(tmp_path, api), KeyOf(KEYS)) as runtime:
        for scope in (ACME, ACME, GLOBEX):
            await said(runtime, scope)
        assert [client.is_closed for client in made] == [False, False]
    assert [client.is_closed for client in made] == [True, True]


PERMITS = {
    "models": 'permit (principal, action == Action::"model.invoke", resource);',
    "talk": "permit (principal, action, resource) when { principal is Operator || principal is Customer };",
    "says": 'permit (principal, action == Action::"message.send", resource);',
}
THE_KEY = """permit (principal is Agent, action == Action::"secret.use", resource == Secret::"model.key")
when { context.tool == "openai-compatible:tiny" && context.environment == "dev" };"""


def governed(folder: Path, api: Relay, *policies: str) -> Project:
    """The project with policies of acme's own."""
    project = project_of(folder, api)
    settings = (folder / "lichen.toml").read_text()
    (folder / "lichen.toml").write_text(settings.replace("[tenants.acme]", '[tenants.acme]\npolicies = "rules"'))
    rewrite(folder, *policies)
    return project


def rewrite(folder: Path, *policies: str) -> None:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "all.cedar").write_text("\n".join((*PERMITS.values(), *policies)))


@pytest.mark.req("GOA-62.41")
async def test_a_key_that_policy_lets_go_is_kept_back_as_soon_as_policies_are_read_again(
    tmp_path: Path, api: Relay
) -> None:
    async with opened(governed(tmp_path, api, THE_KEY), KeyOf(KEYS)) as runtime:
        assert [await said(runtime, ACME) for _ in range(2)] == ["by 1", "by 1"]
        rewrite(tmp_path)
        await runtime.policies.reload(ACME, OPS)
        asked = len(api.heads[tmp_path.name])
        assert await said(runtime, ACME) == Texts().model_broken
        assert len(api.heads[tmp_path.name]) == asked
        rewrite(tmp_path, THE_KEY)
        await runtime.policies.reload(ACME, OPS)
        assert await said(runtime, ACME) == "by 1"


@pytest.mark.req("GOA-62.39")
async def test_the_log_of_each_tenant_tells_of_its_own_key_and_where_it_went(tmp_path: Path, api: Relay) -> None:
    async with opened(project_of(tmp_path, api), KeyOf(KEYS)) as runtime:
        for scope in (ACME, ACME, GLOBEX):
            await said(runtime, scope)
        told = {
            scope.tenant: [
                record.control
                for row in runtime.runs.list(scope, OPS)
                for record in runtime.runs.show(scope, row.id, OPS).records
                if record.type == "secret_used"
            ]
            for scope in (ACME, GLOBEX)
        }
    assert {name: len(uses) for name, uses in told.items()} == {"acme": 1, "globex": 1}
    (acme,), (globex,) = told["acme"], told["globex"]
    assert acme["host"] == globex["host"] == api.url.removeprefix("http://")
    assert acme["version"] != globex["version"]


# -- where a key may go ------------------------------------------------------------------------------------------


def reaching(table: ProviderTable, environ: Mapping[str, str]) -> Reaching:
    return Reaching(lambda scope, name: table, KeyOf(KEYS), environ, lambda: bytes(32))


@pytest.mark.req("GOA-62.42")
@pytest.mark.parametrize(
    ("provider", "options", "variable"),
    [
        ("openai", {}, "OPENAI_BASE_URL"),
        ("openai-chat", {}, "OPENAI_BASE_URL"),
        ("anthropic", {}, "ANTHROPIC_BASE_URL"),
        ("google", {}, "GOOGLE_GEMINI_BASE_URL"),
        ("google", {"vertex": "true"}, "GOOGLE_VERTEX_BASE_URL"),
        ("bedrock", {}, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
        ("bedrock", {}, "AWS_ENDPOINT_URL"),
        ("mistral", {}, "MISTRAL_BASE_URL"),
        ("azure", {}, "AZURE_OPENAI_ENDPOINT"),
        ("ollama", {}, "OLLAMA_BASE_URL"),
        ("openai-compatible", {}, "OPENAI_COMPATIBLE_BASE_URL"),
    ],
)
async def test_a_secret_does_not_go_where_the_environment_says(
    provider: str, options: dict[str, str], variable: str
) -> None:
    environ, table = {variable: "https://elsewhere.example"}, ProviderTable("secret:model.key", options=options)
    with pytest.raises(ModelError) as caught:
        await reaching(table, environ).of(provider, ACME)
    assert (caught.value.code, caught.value.tries) == ("model_key_elsewhere", 0)
    assert variable in str(caught.value)
    assert f"[models.{provider}]" in str(caught.value)
    assert "elsewhere.example" not in str(caught.value)
    named = ProviderTable("secret:model.key", "https://api.acme.example/v1", options)
    connection = await reaching(named, environ).of(provider, ACME)
    assert (connection.key, connection.base_url) == (KEYS["acme"], "https://api.acme.example/v1")
    assert connection.held == HeldKey("model.key", "", "api.acme.example")
    for own in (ProviderTable(options=options), ProviderTable("env:MY_KEY", options=options)):
        connection = await reaching(own, {**environ, "MY_KEY": "sk-mine"}).of(provider, ACME)
        assert connection.held is None


@pytest.mark.req("GOA-62.42")
async def test_the_address_of_another_kind_of_google_is_nothing_to_a_key() -> None:
    table = ProviderTable("secret:model.key")
    connection = await reaching(table, {"GOOGLE_VERTEX_BASE_URL": "https://elsewhere.example"}).of("google", ACME)
    assert connection.held == HeldKey("model.key", "", "generativelanguage.googleapis.com")
