"""A connection to somebody else's server: what it lets in, what it bounds, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import CallMeta, InvalidArguments, NotDone, Produced
from lichen.core.ports.model import Model
from lichen.core.remote.server import Server, ToolTerms
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.definition import Definition, spec_of
from lichen.tools.mcp.failures import ServerGone
from lichen.tools.mcp.remote_tool import RemoteTool
from lichen.tools.mcp.results import Malformed
from tests.runtime.world import until

STRANGE = Path(__file__).with_name("strange.py")
SCOPE = Scope("acme", "dev")


def strange(how: str = "plain", **said: Any) -> Server:
    return Server("strange", command=(sys.executable, str(STRANGE), how), **said)


@asynccontextmanager
async def connected(server: Server, model: Model | None = None) -> AsyncGenerator[Connection]:
    async def reveal(name: str) -> str:
        return f"value of {name}"

    connection = Connection(server, reveal, asyncio.get_running_loop().time, model=model)
    try:
        yield connection
    finally:
        await connection.close()


def runs(pid: int) -> bool:
    """Whether the process lives: one that is dead and was not waited for by its new parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def meta(timeout_s: float = 20.0) -> CallMeta:
    return CallMeta(SCOPE, Actor("agent", "shop.clerk"), RunId("run-1"), CallId("c1"), None, "key-1", 1, timeout_s)


async def tool_of(connection: Connection, name: str, changed: list[Definition] | None = None) -> RemoteTool:
    told = [] if changed is None else changed

    async def differs(scope: Scope, definition: Definition) -> None:
        told.append(definition)

    definition = (await connection.offered()).tools[ToolName(f"strange.{name}")]
    return RemoteTool(spec_of(connection.server, definition), definition, connection, differs)


async def called(connection: Connection, name: str, timeout_s: float = 20.0, **arguments: Any) -> Produced:
    tool = await tool_of(connection, name)
    return await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta(timeout_s))


@pytest.mark.req("GOA-72.1")
async def test_structured_content_is_the_result_and_text_where_there_is_none() -> None:
    async with connected(strange()) as connection:
        assert (await called(connection, "add", a=1, b=2)).result == b'{"total":3}'
        assert msgspec.json.decode((await called(connection, "say", text="hallo")).result) == {"result": "hallo"}
        seen = await called(connection, "picture")
        assert seen.result == b'{"text":"seen"}'
        assert b"image/png" in seen.artifacts


@pytest.mark.req("GOA-72.2")
@pytest.mark.req("GOA-74.1")
async def test_what_a_server_says_of_a_failure_is_told_to_the_planner() -> None:
    async with connected(strange()) as connection:
        with pytest.raises(NotDone) as failed:
            await called(connection, "fail", text="the shop is closed")
        assert (failed.value.code, failed.value.recovery) == ("domain_rejection", "replan")
        assert "the shop is closed" in failed.value.message
        with pytest.raises(NotDone) as refused:
            await called(connection, "refuse")
        assert (refused.value.code, refused.value.recovery) == ("invalid_call", "correct_call")
        assert "Missing required field: text Arguments that fit its schema: {}" in refused.value.issues[0].message
        assert '"properties":' in refused.value.issues[0].message
        with pytest.raises(InvalidArguments) as unfit:
            await called(connection, "add", a=1)
        assert unfit.value.issues[0].field == "/b"


@pytest.mark.req("SYM-56.1")
async def test_a_process_sees_of_our_environment_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours")
    async with connected(strange(env={"TOKEN": "Bearer secret:files"})) as connection:
        seen = msgspec.json.decode((await called(connection, "environment")).result)
    assert (seen["TOKEN"], "OPENAI_API_KEY" in seen) == ("Bearer value of files", False)


@pytest.mark.req("SYM-61.2")
async def test_a_tool_that_changed_under_way_is_off(tmp_path: Path) -> None:
    async with connected(strange()) as connection:
        changed: list[Definition] = []
        add = await tool_of(connection, "add", changed)
        await called(connection, "change")
        with pytest.raises(NotDone) as refused:
            await add.execute(add.decode(b'{"a":1,"b":2}'), meta())
        assert (refused.value.code, len(changed)) == ("tool_changed", 1)
        assert b"id_rsa" in changed[0].data


@pytest.mark.req("GOA-72.3")
async def test_a_call_whose_server_died_of_it_is_in_doubt_and_the_next_reaches_a_new_one(tmp_path: Path) -> None:
    async with connected(strange()) as connection:
        with pytest.raises(ServerGone):
            await called(connection, "die", file=str(tmp_path / "calls"))
        assert (tmp_path / "calls").read_text() == "x"
        assert (await called(connection, "add", a=1, b=2)).result == b'{"total":3}'


@pytest.mark.req("GOA-72.3")
async def test_a_call_that_takes_too_long_is_cancelled_in_its_time() -> None:
    async with connected(strange()) as connection:
        with pytest.raises(TimeoutError):
            await called(connection, "sleep", 0.3, seconds=60)


@pytest.mark.req("SYM-56.2")
async def test_a_result_that_is_too_large_costs_its_call_only() -> None:
    async with connected(strange()) as connection:
        with pytest.raises(Malformed, match="bytes"):
            await called(connection, "big", size=2_000_000)
        with pytest.raises((ServerGone, LichenError)):
            await called(connection, "big", size=6_000_000)
        assert (await called(connection, "add", a=1, b=2)).result == b'{"total":3}'


@pytest.mark.req("SYM-56.2")
@pytest.mark.parametrize("how", ["silent", "noise", "endless line", "exits"])
async def test_a_server_that_speaks_no_protocol_is_unreachable_and_gone(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.tools.mcp.connection.OPEN_S", 30.0 if how == "exits" else 2.0)
    async with connected(strange(how)) as connection:
        with pytest.raises(Unavailable) as unreachable:
            await connection.offered()
    assert unreachable.value.code == "server_unreachable"
    if how == "exits":
        assert "no such database" in unreachable.value.message


@pytest.mark.req("SYM-56.3")
async def test_a_server_is_killed_with_its_children() -> None:
    async with connected(strange()) as connection:
        left = msgspec.json.decode((await called(connection, "child")).result)["result"]
        assert runs(left)
    await until(lambda: not runs(left))


def test_what_configuration_knows_better_counts() -> None:
    server = strange(tools={"add": ToolTerms(effects="none", origin="records", confirm="Add?")})
    assert server.terms("add").effects == "none"
    assert server.terms("say").effects == "once"
