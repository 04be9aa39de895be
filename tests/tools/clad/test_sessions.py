"""Sessions of manifests: a program that goes on over the calls of one run, each line a call of its own."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments, NotDone, Resources
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Scope
from lichen.tools.clad.jailed import begun
from lichen.tools.clad.loading import command_tool, session_tools
from lichen.tools.clad.manifest import SessionCommand, SessionTable
from lichen.tools.clad.runner import Commands, Job
from lichen.tools.clad.sessions.session_tool import SessionFailed, SessionTool
from lichen.tools.clad.sessions.sessions import TENANT_MAX, Key, Opening, Sessions
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK, SCOPE, SETTINGS, opened, said
from tests.runtime.world import until
from tests.tools.cage.prisons import below
from tests.tools.openapi.apis import meta

SHELL = r"""
[tool]
name = "board"
version = "1.0.0"
binary = "sh"
mode = "session"
description = "A board that keeps what is written on it."
timeout_seconds = 20

[session]
startup_command = "sh -i"
ready_pattern = '^(?P<state>[a-z]*)(# |\$ )$'

[session.commands.put]
pattern = '^x=[a-z]+$'
description = "Writes a word."

[session.commands.show]
pattern = '^echo "[a-z $]+"$'
description = "Shows what is written."

[session.commands.run]
pattern = '^.*$'
description = "Anything."
risk_tier = "high"
human_approval = true

[output]
schema = { type = "object", required = ["output", "session_state"] }

[lichen]
env = { PS1 = "board# ", KEY = "secret:board.key" }
"""


TABLE = SessionTable("true", "#", {"any": SessionCommand(".*", "Anything.")})


class World:
    """The sessions of a runtime, of which runs are over when it is said."""

    def __init__(self) -> None:
        self.ended: dict[str, asyncio.Event] = {}
        self.sessions = Sessions(begun, self._over)

    async def _over(self, _scope: object, run: str) -> None:
        await self.ended.setdefault(run, asyncio.Event()).wait()

    def tools(self, folder: Path, text: str = SHELL) -> dict[str, SessionTool]:
        path = folder / "board.clad.toml"
        path.write_text(text)
        given = Resources(Commands(clock=lambda: 1_800_000_000_000_000), self.sessions)
        found = [tool.bound(given) for tool in session_tools(path)]
        return {tool.spec.name.rpartition(".")[2]: tool for tool in found if isinstance(tool, SessionTool)}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.sessions.close()
    assert below(os.getpid()) == []


async def asked(tool: SessionTool, line: str, run: str = "run-1", timeout_s: float = 20.0) -> Any:
    args = tool.decode(msgspec.json.encode({"command": line}))
    of = msgspec.structs.replace(meta(**{"board.key": "s3cret"}), run=RunId(run), timeout_s=timeout_s)
    return msgspec.json.decode(await tool.execute(args, of))


@pytest.mark.req("SYM-67.10")
async def test_a_program_goes_on_over_the_calls_of_one_run_and_of_no_other(tmp_path: Path, world: World) -> None:
    tools = world.tools(tmp_path)
    await asked(tools["put"], "x=moss")
    found = await asked(tools["show"], 'echo "it says $x"')
    assert found["results"] == {
        "prompt": "board#", "output": "it says moss\n", "session_state": "board", "interaction_count": 2,
    }  # fmt: skip
    assert (found["status"], found["command"], found["tool"]) == ("success", 'echo "it says $x"', "board")
    other = await asked(tools["show"], 'echo "it says $x"', "run-2")
    assert (other["results"]["output"], other["results"]["interaction_count"]) == ("it says \n", 1)


@pytest.mark.req("SYM-67.10")
async def test_a_program_of_a_session_is_in_a_jail_with_what_its_manifest_grants(tmp_path: Path, world: World) -> None:
    (tmp_path / "closed").write_text("nobody's")
    run = world.tools(tmp_path)["run"]
    assert "No such file" in (await asked(run, f"cat {tmp_path}/closed"))["results"]["output"]
    assert (await asked(run, 'echo "$KEY"'))["results"]["output"] == "s3cret\n"
    assert (await asked(run, "test -t 0 && echo terminal"))["results"]["output"] == "terminal\n"


@pytest.mark.req("SYM-67.11")
async def test_a_session_ends_with_its_run(tmp_path: Path, world: World) -> None:
    tools = world.tools(tmp_path)
    await asked(tools["put"], "x=moss")
    assert below(os.getpid()) != []
    world.ended["run-1"].set()
    await until(lambda: below(os.getpid()) == [])


@pytest.mark.req("SYM-67.11")
async def test_a_line_that_is_not_answered_in_time_ends_the_session_and_the_next_begins_another(
    tmp_path: Path, world: World
) -> None:
    tools = world.tools(tmp_path)
    await asked(tools["put"], "x=moss")
    with pytest.raises(TimeoutError):
        await asked(tools["run"], "sleep 60", timeout_s=0.3)
    assert below(os.getpid()) == []
    assert (await asked(tools["show"], 'echo "it says $x"'))["results"]["output"] == "it says \n"


@pytest.mark.req("SYM-67.11")
async def test_a_program_that_ends_costs_the_call_and_the_count_goes_on(tmp_path: Path, world: World) -> None:
    tools = world.tools(tmp_path)
    with pytest.raises(SessionFailed):
        await asked(tools["run"], "exit")
    assert (await asked(tools["put"], "x=moss"))["results"]["interaction_count"] == 2


@pytest.mark.req("SYM-67.11")
async def test_a_session_is_used_no_longer_and_no_more_often_than_its_manifest_says(
    tmp_path: Path, world: World
) -> None:
    bounded = SHELL.replace("[session]", "[session]\nmax_interactions = 2\nidle_timeout_seconds = 1")
    tools = world.tools(tmp_path, bounded)
    await asked(tools["put"], "x=moss")
    async with asyncio.timeout(20):
        await until(lambda: below(os.getpid()) == [])  # nobody said anything for a while
    assert (await asked(tools["show"], 'echo "it says $x"'))["results"]["output"] == "it says \n"
    with pytest.raises(NotDone) as refused:
        await asked(tools["put"], "x=moss")
    assert (refused.value.code, below(os.getpid())) == ("session_over", [])


@pytest.mark.req("SYM-67.11")
async def test_an_answer_is_kept_as_far_as_its_manifest_says(tmp_path: Path, world: World) -> None:
    text = SHELL.replace(
        "[session.commands.put]", "[session.interaction]\noutput_max_bytes = 100\n[session.commands.put]"
    )
    tools = world.tools(tmp_path, text)
    found = await asked(tools["run"], "head -c 200000 /dev/zero | tr '\\0' x; echo")
    assert found["results"]["output"] == "x" * 100
    assert found["results"]["truncated"] is True
    assert (await asked(tools["show"], 'echo "on"'))["results"]["output"] == "on\n"


@pytest.mark.req("SYM-67.11")
async def test_a_tenant_has_so_many_sessions_at_once(world: World) -> None:
    def job(folder: Path) -> Job:
        return Job(("true",), str(folder), {})

    opening = Opening(TABLE, re.compile("#"), job)
    for number in range(TENANT_MAX):
        world.sessions.of(Key(SCOPE, RunId(f"run-{number}"), "board"), opening)
    with pytest.raises(NotDone) as refused:
        world.sessions.of(Key(SCOPE, RunId("run-x"), "board"), opening)
    assert refused.value.code == "session_busy"
    world.sessions.of(Key(Scope("bloom", "dev"), RunId("run-x"), "board"), opening)
    world.ended.setdefault("run-0", asyncio.Event()).set()
    await until(lambda: world.sessions.count == TENANT_MAX)
    world.sessions.of(Key(SCOPE, RunId("run-x"), "board"), opening)


@pytest.mark.req("SYM-67.11")
async def test_a_program_that_is_never_ready_is_no_session(tmp_path: Path, world: World) -> None:
    for program in ("sleep 60", "true"):
        text = (
            SHELL.replace('"sh -i"', f'"{program}"')
            .replace('binary = "sh"', "")
            .replace("[session]", "[session]\nstartup_timeout_seconds = 1")
        )
        with pytest.raises(NotDone) as refused:
            await asked(world.tools(tmp_path, text)["put"], "x=moss")
        assert refused.value.code == "session_not_ready"
    assert below(os.getpid()) == []


@pytest.mark.req("SYM-67.12")
def test_each_command_of_a_session_is_a_tool_of_its_own_risk(tmp_path: Path) -> None:
    path = tmp_path / "board.clad.toml"
    path.write_text(SHELL)
    put, _, run = (tool.spec for tool in session_tools(path))
    assert (put.name, put.effects, put.confirm) == ("board.put", "idempotent", "")
    assert (run.name, run.effects, run.confirm) == ("board.run", "once", "Say this to board?")
    assert {"session", "risk_high", "human_approval"} <= set(run.tags)
    with pytest.raises(Invalid, match="session_tools"):
        command_tool(path)


SCOPED = SHELL.replace("human_approval = true", "extract_target = true").replace(
    "[lichen]", '[lichen]\nscope = "scope.toml"'
)


@pytest.mark.req("SYM-67.12")
@pytest.mark.parametrize(
    ("name", "line", "is_said"),
    [
        ("put", "x=moss", True),
        ("put", "x=moss; y", False),
        ("put", "x=moss\n", False),
        ("put", "x=moss\nexit", False),
        ("put", "x=\x03", False),
        ("run", "scan www.example.com", True),
        ("run", "scan https://www.example.com:8443/a and 203.0.113.7", True),
        ("run", "scan example.org", False),
        ("run", "scan www.example.com 198.51.100.1", False),
        ("run", "scan everything", False),
        ("run", "x" * 4_001, False),
    ],
)
def test_only_lines_that_fit_a_command_and_the_scope_are_said(
    tmp_path: Path, name: str, line: str, is_said: bool
) -> None:
    (tmp_path / "scope.toml").write_text('[scope]\ntargets = ["203.0.113.0/24"]\ndomains = ["*.example.com"]\n')
    path = tmp_path / "board.clad.toml"
    path.write_text(SCOPED)
    tool = next(each for each in session_tools(path) if each.spec.name == f"board.{name}")
    args = msgspec.json.encode({"command": line})
    if is_said:
        tool.decode(args)
    else:
        with pytest.raises(InvalidArguments):
            tool.decode(args)


@pytest.mark.req("SYM-67.12")
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('mode = "session"', "", "go together"),
        ('binary = "sh"', 'binary = "bash"', "another program"),
        ("human_approval = true", "extract_target = true", "scope"),
        ("'^x=[a-z]+$'", "'(a+)+b'", "pattern"),
        ("[session.commands.run]", "[args.a]\n[session.commands.run]", "no \\[args\\]"),
        ("human_approval = true", 'finalize = "true"', "finalize"),
    ],
)
def test_a_session_that_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in SHELL
    path = tmp_path / "board.clad.toml"
    path.write_text(SHELL.replace(old, new))
    with pytest.raises(Invalid, match=why) as refused:
        session_tools(path)
    assert refused.value.code == "manifest_invalid"


PERMIT = '@id("board") permit (principal is Agent, action == Action::"board.put", resource);'


@pytest.mark.req("SYM-67.11")
async def test_a_session_of_an_agent_is_gone_once_its_run_has_answered(tmp_path: Path) -> None:
    path = tmp_path / "board.clad.toml"
    clerk = CLERK.replace("import msgspec", "import msgspec\n    from lichen.tools import session_tools")
    clerk = clerk.replace("tools=[", f'tools=[*session_tools("{path}"), ')
    text = SHELL.replace(', KEY = "secret:board.key"', "")
    files = {"lichen.toml": SETTINGS, "clerk.py": clerk, "policies/shop.cedar": PERMIT, "board.clad.toml": text}
    async with opened(Project(tmp_path, files)) as runtime:
        found = await said(runtime, 'board.put {"command":"x=moss"}')
        assert '"session_state":"board"' in found
        await until(lambda: below(os.getpid()) == [])
        assert (await said(runtime, 'board.run {"command":"ls"}')).startswith("denied")
