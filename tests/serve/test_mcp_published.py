"""The official conformance suite and the official inspector against our server, as they are published.

The suite asks for things by names of its own. A shim before our site gives those of its names that stand for something
we have the names they have here, and the key that the suite cannot send. What is left out is what no server has that
serves agents: pictures and sounds as results, sampling, forms of fixed fields, and completion.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from lichen.core.words.scope import Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from lichen.settings.file import Serve, ServeMcp
from tests.declared import declaring
from tests.serve.mcp import key, served
from tests.serve.mcp_clients import conformance, inspector
from tests.served import LICHEN

ACME = Scope("acme", "dev")
READABLE: Final[tuple[Any, ...]] = ("agents", "agent", "agents.md", "runs", "run", "records")
SUITE_S: Final = 180.0

AS_OPERATOR: Final = (
    "server-initialize",
    "logging-set-level",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-with-logging",
    "tools-call-error",
    "tools-call-with-progress",
    "server-sse-multiple-streams",
    "resources-list",
    "resources-read-text",
    "resources-subscribe",
    "resources-unsubscribe",
    "prompts-list",
    "dns-rebinding-protection",
)
AS_CUSTOMER: Final = ("tools-call-elicitation",)
"""What passes, by the key it is asked with: who asks for elicitation is somebody that an agent asks."""


class Shim:
    """Sends the key along, and calls things what they are called here."""

    def __init__(self, app: ASGIApp, key: str, names: Mapping[str, Any]) -> None:
        self._app, self._key, self._names = app, key, names

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        scope["headers"] = [*headers, (b"authorization", f"Bearer {self._key}".encode())]
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        waiting = [{"type": "http.request", "body": self._renamed(body), "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)

    def _renamed(self, body: bytes) -> bytes:
        try:
            message = json.loads(body)
            params = message["params"]
        except (ValueError, KeyError, TypeError):
            return body
        if params.get("name") in self._names:
            params["name"], params["arguments"] = self._names[params["name"]]
        elif params.get("uri") in self._names:
            params["uri"] = self._names[params["uri"]]
        return json.dumps(message).encode()


@asynccontextmanager
async def shop(project: Project) -> AsyncGenerator[Runtime]:
    readable = declaring(project, serve=Serve(mcp=ServeMcp(allow=READABLE)))
    async with Runtime.of(readable) as runtime:
        yield runtime


async def passed(runtime: Runtime, key: str, scenarios: tuple[str, ...]) -> dict[str, bool]:
    """Which of the scenarios pass, each of all its checks."""
    where = {"text": "Where is order 1042?"}
    run = await runtime.runs.start(ACME, "shop.support", where["text"], _customer())
    await runtime.idle()
    names = {
        "test_simple_text": ("shop.support", where),
        "test_tool_with_logging": ("shop.support", where),
        "test_tool_with_progress": ("shop.support", where),
        "test_error_handling": ("shop.support", {"text": 7}),
        "test_elicitation": ("shop.support", {"text": "I want a refund"}),
        "test://static-text": "lichen://agents.md",
        "test://watched-resource": f"lichen://runs/{run}",
    }
    site = make_site(runtime)
    site.add_middleware(Shim, key=key, names=names)
    found: dict[str, bool] = {}
    async with listening(site, "127.0.0.1", 0) as port:
        for scenario in scenarios:
            url = f"http://127.0.0.1:{port}/mcp"
            code, out, err = await ran([*conformance(), "server", "--url", url, "--scenario", scenario])
            told = re.search(r"(\d+) passed, (\d+) failed", f"{out}{err}") or re.search(r"(\d+)/(\d+)", out)
            found[scenario] = code == 0 and told is not None
    return found


def _customer() -> Any:
    from lichen.core.words.scope import Customer

    return Customer("customer-7")


async def ran(command: list[str], **options: Any) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, **options)
    out, err = await asyncio.wait_for(process.communicate(), SUITE_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.req("LIC-20.9")
async def test_the_official_conformance_suite_passes_in_what_a_server_of_agents_has(project: Project) -> None:
    async with shop(project) as runtime:
        found = await passed(runtime, key(runtime, "ops", "operator"), AS_OPERATOR)
        found |= await passed(runtime, key(runtime, "customer-7"), AS_CUSTOMER)
    assert [name for name, is_passed in found.items() if not is_passed] == []


@pytest.mark.req("LIC-20.9")
async def test_the_suite_would_say_if_we_failed(project: Project) -> None:
    async with shop(project) as runtime:
        found = await passed(runtime, key(runtime, "ops", "operator"), ("tools-call-image",))
    assert found == {"tools-call-image": False}


@pytest.mark.req("LIC-20.10")
async def test_the_official_inspector_lists_and_calls_over_http(project: Project, tmp_path: Path) -> None:
    async with shop(project) as runtime, served(runtime) as url:
        header = ["--header", f"Authorization: Bearer {key(runtime, 'customer-7')}", "--transport", "http"]
        at = [*inspector(), url, *header]
        env = {**os.environ, "HOME": str(tmp_path)}
        listed = await ran([*at, "--method", "tools/list"], env=env)
        call = ["--method", "tools/call", "--tool-name", "shop.support", "--tool-arg", "text=Where is order 1042?"]
        called = await ran([*at, *call], env=env)
    assert "shop.support" in [tool["name"] for tool in json.loads(listed[1])["tools"]], listed
    assert "1042" in json.loads(called[1])["content"][0]["text"], called


@pytest.mark.req("LIC-20.10")
async def test_the_official_inspector_starts_the_command_and_calls(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    env = {**kept, "HOME": str(tmp_path), "LICHEN_HOME": str(tmp_path / "home")}
    call = ["--method", "tools/call", "--tool-name", "shop.support", "--tool-arg", "text=Where is order 1042?"]
    started = ["--transport", "stdio", "--", LICHEN, "mcp", "--demo", "--tenant", "acme", "--as", "customer-7"]
    code, out, err = await ran([*inspector(), *call, *started], env=env, cwd=tmp_path)
    assert code == 0, err
    assert "1042" in json.loads(out)["content"][0]["text"]
