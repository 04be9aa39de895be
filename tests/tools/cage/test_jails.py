"""Calls in a jail: a process of its own for each, with what its tool was granted."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NotDone, produced
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Invalid
from lichen.tools import PythonTool, ToolFailed, Workers, tool
from tests.runtime.world import until
from tests.tools.cage import jailed
from tests.tools.cage.prisons import below
from tests.tools.samples import call_meta

DEADLINE_S = 30.0
SECRET = "the owner's"


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    async with Workers(processes=1, hides=(str(tmp_path / "home"),)) as made:
        yield made


async def run(
    tool: PythonTool[..., Any], workers: Workers, secrets: dict[str, Secret] | None = None, **args: Any
) -> Any:
    """What `tool` returns when executed on `workers`."""
    served = tool.with_workers(workers)
    meta = msgspec.structs.replace(call_meta(), secrets=secrets or {})
    async with asyncio.timeout(DEADLINE_S):
        return json.loads(produced(await served.execute(served.decode(json.dumps(args).encode()), meta)).result)


@pytest.mark.req("SYM-31.18")
async def test_a_tool_in_a_jail_has_its_modules_its_arguments_and_its_secrets(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert await run(jailed.add, workers, a=2) == 3
    assert await run(jailed.whisper, workers, {"till.key": Secret("sesame")}) == 6
    assert "OPENAI_API_KEY" not in await run(jailed.environment, workers)


@pytest.mark.req("SYM-31.18")
async def test_a_tool_in_a_jail_reaches_nothing_that_it_was_not_granted(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(SECRET)
    with pytest.raises(ToolFailed, match="FileNotFoundError"):
        await run(jailed.read, workers, path=str(tmp_path / "a"))
    with pytest.raises(ToolFailed):
        await run(jailed.write, workers, path=str(tmp_path / "b"))
    with pytest.raises(ToolFailed):
        await run(jailed.fetch, workers, url="http://127.0.0.1:1/")
    for path in (Path(__file__).parents[3] / ".git", Path.home() / ".profile"):
        with pytest.raises(ToolFailed):
            await run(jailed.read, workers, path=str(path))
    assert not (tmp_path / "b").exists()


@pytest.mark.req("SYM-31.18")
async def test_a_tool_in_a_jail_has_what_its_contract_grants(workers: Workers) -> None:
    jailed.ROOM.mkdir(exist_ok=True)
    assert await run(jailed.keep, workers, name="a", text="mine") == "mine"
    assert (jailed.ROOM / "a").read_text() == "mine"
    assert jailed.keep.spec.cage == Grant(writes=(str(jailed.ROOM),))
    assert jailed.add.spec.cage == Grant()


@pytest.mark.req("SYM-31.18")
async def test_no_call_leaves_anything_for_the_next(workers: Workers) -> None:
    assert [await run(jailed.count, workers) for _ in range(2)] == [1, 1]


@pytest.mark.req("SYM-31.19")
async def test_a_tool_that_takes_too_much_is_ended_and_it_is_said(workers: Workers) -> None:
    assert await run(jailed.hoard, workers, mib=1) == 1024 * 1024
    with pytest.raises(ToolFailed, match="more memory than it may"):
        await run(jailed.hoard, workers, mib=400)


@pytest.mark.req("SYM-31.19")
async def test_a_cancelled_call_is_gone_with_its_jail(workers: Workers) -> None:
    task = asyncio.create_task(run(jailed.hang, workers))
    await until(lambda: len(below(os.getpid())) >= 3)  # bubblewrap, who reaps inside, and the tool
    its_own = set(below(os.getpid()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert its_own.isdisjoint(below(os.getpid()))
    assert await run(jailed.add, workers, a=2) == 3


@pytest.mark.req("SYM-31.23")
async def test_a_call_has_a_process_that_waited_for_it_and_that_nobody_had_before(workers: Workers) -> None:
    await run(jailed.count, workers)
    waiting = await _waits()
    assert await run(jailed.count, workers) == 1
    assert waiting.isdisjoint(below(os.getpid()))  # it was this one, and it is gone
    assert waiting.isdisjoint(await _waits())


@pytest.mark.req("SYM-31.23")
async def test_what_waits_in_a_jail_is_gone_with_the_workers(tmp_path: Path) -> None:
    async with Workers(processes=1) as made:
        await run(jailed.add, made, a=2)
        waiting = await _waits()
    assert waiting.isdisjoint(below(os.getpid()))


@pytest.mark.req("SYM-31.23")
async def test_a_process_that_waits_is_for_the_same_code_and_the_same_grant_only(
    workers: Workers, tmp_path: Path
) -> None:
    jailed.ROOM.mkdir(exist_ok=True)
    await run(jailed.keep, workers, name="a", text="old")
    waiting = await _waits()
    moved = jailed.ROOM.rename(tmp_path / "moved")
    jailed.ROOM.mkdir()
    await run(jailed.keep, workers, name="a", text="new")  # in the folder that has this name now
    assert ((moved / "a").read_text(), (jailed.ROOM / "a").read_text()) == ("old", "new")
    assert waiting <= set(below(os.getpid()))
    assert await run(jailed.add, workers, a=2) == 3


async def _waits() -> set[int]:
    """The processes of the one jail that waits, once there are three of them."""
    await until(lambda: len(below(os.getpid())) >= 3)
    return set(below(os.getpid()))


@pytest.mark.req("SYM-31.19")
async def test_a_tool_whose_jail_does_not_work_is_not_run(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lichen.tools.cage.bubblewrap.program", lambda: None)
    with pytest.raises(NotDone) as refused:
        await run(jailed.add, workers, a=2)
    assert (refused.value.code, refused.value.retryable) == ("cage_unavailable", False)


def test_a_grant_without_a_jail_is_refused() -> None:
    with pytest.raises(Invalid, match="counts in a jail"):
        tool(name="a.b", cage=Grant(), runs="process")(jailed.plain)
