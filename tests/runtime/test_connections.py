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
from lichen.core.ports.model import Connection, ModelError
from lichen.core.ports.secrets import Secrets
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
