"""`lichen mcp`: the SDK's client starts it, as a desktop program does, and speaks to it by lines."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.serve.mcp import MODES, Mode, text_of
from tests.served import LICHEN, Served

PROJECT = """[lichen]
agents = ["loud.py:loud"]

[tenants.acme]
actors = [{ id = "reader", kind = "customer" }]
"""
LOUD = """import sys

from lichen import Agent, tool
from lichen.agents import Call, Intent, RulePlanner

print("loading")


@tool(name="loud.say", effects="none", runs="loop")
async def say() -> dict[str, str]:
    \"\"\"Prints, and reads what nobody typed.\"\"\"
    print("this is no message")
    return {"read": sys.stdin.read()}


shout = Intent("shout", phrases=["shout"], calls=[Call("loud.say", {})], answer="It read '{say.read}'.")
loud = Agent("house.loud", planner=RulePlanner(intents=[shout], fallback="Say shout."), tools=[say])
"""


def started(home: Path, *arguments: str, cwd: Path) -> StdioServerParameters:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    return StdioServerParameters(
        command=LICHEN, args=["mcp", *arguments], env={**kept, "LICHEN_HOME": str(home)}, cwd=cwd
    )


@pytest.mark.req("LIC-20.2")
@pytest.mark.parametrize("mode", MODES)
async def test_a_client_starts_it_and_calls_an_agent(tmp_path: Path, mode: Mode) -> None:
    server = started(tmp_path / "home", "--demo", "--tenant", "acme", "--as", "customer-8", cwd=tmp_path)
    async with Client(server, mode=mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("shop.support", {"text": "Where is order 1052?"})
    assert "shop.support" in tools
    assert "1052" in text_of(result)
    assert result.structured_content["status"] == "completed"


@pytest.fixture
def shop(tmp_path: Path) -> Generator[Served]:
    served = Served(tmp_path)
    served.start()
    yield served
    assert served.stop() == 0


@pytest.mark.req("LIC-20.3")
async def test_it_goes_through_whoever_owns_the_data_and_a_key_decides_alone(shop: Served, tmp_path: Path) -> None:
    server = started(shop.home, "--demo", "--key", shop.key("globex"), cwd=tmp_path)
    async with Client(server, mode="legacy") as client:
        result = await client.call_tool("shop.support", {"text": "Where is order 1052?"})
        run = result.structured_content["run"]
    runs = {tenant: shop.operator(tenant).get("/runs").json() for tenant in ("acme", "globex")}
    assert ([each["id"] for each in runs["globex"]], runs["acme"]) == ([run], [])


@pytest.mark.req("LIC-20.4")
async def test_what_a_tool_prints_is_no_message_and_it_reads_nothing_of_the_client(tmp_path: Path) -> None:
    (tmp_path / "lichen.toml").write_text(PROJECT)
    (tmp_path / "loud.py").write_text(LOUD)
    async with Client(started(tmp_path / "home", "--as", "reader", "--tenant", "acme", cwd=tmp_path)) as client:
        result = await client.call_tool("house.loud", {"text": "shout"})
    assert text_of(result) == "It read ''."


@pytest.mark.req("LIC-20.3")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--tenant", "acme", "--as", "nobody"), "actor_unknown"), (("--key", "lk_wrong"), "key_invalid")],
)
def test_whoever_is_nobody_is_told_so_and_gets_nothing(tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    server = started(tmp_path / "home", "--demo", *arguments, cwd=tmp_path)
    ended = subprocess.run(
        [server.command, *server.args], cwd=tmp_path, env=server.env, input=b"", capture_output=True, timeout=60
    )
    assert ended.returncode
    assert ended.stdout == b""
    assert code in ended.stderr.decode()


@pytest.mark.req("LIC-20.2")
def test_it_ends_with_its_client(tmp_path: Path) -> None:
    server = started(tmp_path / "home", "--demo", cwd=tmp_path)
    ended = subprocess.run(
        [server.command, *server.args], cwd=tmp_path, env=server.env, input=b"", capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, b"")
