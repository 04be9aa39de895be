"""Another Lichen's tools, had as a registry's: taken as patterns say, judged as any, made once by their id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.tools.mcp import remote_tool
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK, opened, said
from tests.runtime.world import until
from tests.served import LICHEN, free_port

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
EVERYBODY = '@id("all") permit (principal, action, resource);\n'
HOUSE = """
    [lichen]
    agents = ["house.py:quick", "house.py:slow", "house.py:till"]

    [tenants.acme]
    policies = "policies"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}]
"""
AGENTS = """
    import asyncio
    from pathlib import Path

    from lichen import Agent, CallMeta, tool
    from lichen.core.ports.plan import CallRequest, Plan

    HERE = Path(__file__).parent


    class Calling:
        pure = True

        def __init__(self, tool):
            self.tool, self.digest = tool, tool

        async def plan(self, input):
            if input.results:
                return Plan(answer=f"It is {input.results[0].outcome}.")
            return Plan(calls=(CallRequest(self.tool, b"{}"),))


    async def open_gate(meta):
        with (HERE / "ran.txt").open("a") as file:
            file.write(f"{meta.run}\\n")
        while not (HERE / "gate").exists():
            await asyncio.sleep(0.02)


    @tool(name="house.note", effects="none", runs="loop")
    async def note(*, meta: CallMeta) -> None:
        '''Notes which run it is of.'''
        with (HERE / "ran.txt").open("a") as file:
            file.write(f"{meta.run}\\n")


    @tool(name="house.wait", effects="idempotent", runs="loop")
    async def wait(*, meta: CallMeta) -> None:
        '''Waits at the gate.'''
        await open_gate(meta)


    @tool(name="house.pay", effects="once", runs="loop")
    async def pay(*, meta: CallMeta) -> None:
        '''Pays, at the gate.'''
        await open_gate(meta)


    quick = Agent("house.quick", planner=Calling("house.note"), tools=[note])
    slow = Agent("house.slow", planner=Calling("house.wait"), tools=[wait])
    till = Agent("house.till", planner=Calling("house.pay"), tools=[pay])
"""
DESK = """
    [lichen]
    agents = ["clerk.py:clerk"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}]

    [[registry]]
    name = "partner"
    url = "http://127.0.0.1:{port}/mcp"
    headers = {{ Authorization = "Bearer {key}" }}
    include = ["house.*"]
    exclude = ["*.nobody", {exclude}]
"""


class House:
    """A Lichen of somebody else's, served by a process of its own."""

    def __init__(self, folder: Path) -> None:
        files = {"lichen.toml": HOUSE, "house.py": AGENTS, "policies/shop.cedar": EVERYBODY}
        self.project = Project(folder, files)
        self.port, self.key = free_port(), ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        self._process = subprocess.Popen(
            [LICHEN, "serve", "--port", str(self.port)],
            cwd=self.project.root,
            env=kept,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert "serving on" in self._process.stdout.readline()

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.communicate()
            self._process = None

    @property
    def ran(self) -> list[str]:
        """The run of each time that a tool acted."""
        with contextlib.suppress(FileNotFoundError):
            return (self.project.root / "ran.txt").read_text().split()
        return []

    def open_gate(self) -> None:
        (self.project.root / "gate").touch()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    house = House(tmp_path / "house")
    async with Runtime.of(load(house.project.root / "lichen.toml", environ={})) as runtime:
        house.key = runtime.keyring.api_keys.issue("acme", "dev", actor_kind="service", actor_id="desk")
    house.start()
    yield house
    house.end(signal.SIGKILL)


def desk(folder: Path, house: House, *exclude: str) -> Project:
    clerk = CLERK.replace('RemoteTools("strange", without=("die",))', 'RemoteTools("partner")')
    without = ", ".join(f'"{each}"' for each in exclude)
    settings = DESK.format(port=house.port, key=house.key, exclude=without)
    return Project(folder / "desk", {"lichen.toml": settings, "clerk.py": clerk, "policies/shop.cedar": EVERYBODY})


@asynccontextmanager
async def calling(runtime: Runtime, house: House, tool: str) -> AsyncGenerator[RunId]:
    """A call of a tool that waits at the gate over there."""
    run = await runtime.runs.start(SCOPE, "shop.clerk", f'partner.{tool} {{"text":"go"}}', OPS)
    await until(lambda: len(house.ran) == 1)
    yield run


def codes(runtime: Runtime, run: RunId) -> list[str]:
    """How the attempts of the run's call went on."""
    records = runtime.engine.journal(SCOPE).log.records(run_stream(run))
    told = [each.control for each in records if isinstance(each.control, (e.CallProgressed, e.CallFinished))]
    return [f"{each.what if isinstance(each, e.CallProgressed) else each.outcome} {each.code}" for each in told]


@pytest.mark.req("GOA-77.1")
async def test_of_a_registry_are_taken_the_tools_that_patterns_name_and_they_are_claims(
    tmp_path: Path, house: House
) -> None:
    project = desk(tmp_path, house, "*.till")
    async with opened(project) as runtime:
        seen = await runtime.servers.look(SCOPE, "partner")
        assert (seen.on, seen.left_out) == (("partner.house_quick", "partner.house_slow"), {})
        (spec, _) = runtime.servers.offer(SCOPE).specs
        assert (spec.effects, spec.origin, spec.tags) == ("once", "third_party", ("registry",))
        assert '"status":"completed"' in await said(runtime, 'partner.house_quick {"text":"go"}')
        assert await said(runtime, 'partner.house_till {"text":"go"}') == "no tool"
        assert len(house.ran) == 1
    path = project.root / "lichen.toml"
    path.write_text(path.read_text().replace('"*.till"', '"*.till", "*.quick"'))
    async with opened(project) as runtime:
        assert await said(runtime, 'partner.house_quick {"text":"go"}') == "no tool"


@pytest.mark.req("GOA-76.5")
async def test_a_call_whose_executor_was_killed_is_asked_for_by_its_id_and_was_made_once(
    tmp_path: Path, house: House
) -> None:
    async with opened(desk(tmp_path, house)) as runtime:
        await runtime.servers.look(SCOPE, "partner")
        async with calling(runtime, house, "house_slow") as run:
            house.end(signal.SIGKILL)
            house.open_gate()
            await asyncio.to_thread(house.start)
            assert await runtime.runs.result(SCOPE, run, OPS) == "ok probed"
        log = runtime.engine.journal(SCOPE).log
        (ended,) = [each.n for each in log.records(run_stream(run)) if isinstance(each.control, e.CallFinished)]
        assert b'"text":"It is ok."' in log.contents(run_stream(run), ended)["result"]
        assert codes(runtime, run) == ["in_doubt lease_lost", "ok probed"]
        assert len(set(house.ran)) == 1  # one run, however often its tool was begun


@pytest.mark.req("GOA-76.5")
async def test_a_call_that_never_reached_a_registry_is_known_not_to_have_happened(
    tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(desk(tmp_path, house)) as runtime:
        await runtime.servers.look(SCOPE, "partner")

        async def lost(self: object, *args: object) -> object:
            monkeypatch.undo()
            raise ConnectionResetError("it broke")

        monkeypatch.setattr(remote_tool.Calling, "made", lost)
        run = await runtime.runs.start(SCOPE, "shop.clerk", 'partner.house_quick {"text":"go"}', OPS)
        await runtime.runs.rest(SCOPE, run, OPS)
        broke = "exception_ConnectionResetError"
        assert codes(runtime, run) == [f"in_doubt {broke}", f"failed {broke}"]
        assert house.ran == []


@pytest.mark.req("GOA-76.6")
async def test_what_not_even_the_registry_knows_is_for_a_person_and_never_made_again(
    tmp_path: Path, house: House
) -> None:
    async with opened(desk(tmp_path, house)) as runtime:
        await runtime.servers.look(SCOPE, "partner")
        async with calling(runtime, house, "house_till") as run:
            house.end(signal.SIGKILL)
            await asyncio.to_thread(house.start)
            await until(lambda: [each.kind for each in runtime.waits.list(SCOPE, OPS)] == ["reconcile"])
        assert codes(runtime, run) == ["in_doubt lease_lost", "unknown lease_lost"]
        assert len(house.ran) == 1


@pytest.mark.req("GOA-77.1")
def test_a_registry_is_at_a_url(tmp_path: Path) -> None:
    text = HOUSE + '\n    [[registry]]\n    name = "partner"\n    command = ["true"]\n'
    project = Project(tmp_path, {"lichen.toml": text, "house.py": AGENTS, "policies/shop.cedar": EVERYBODY})
    with pytest.raises(Invalid, match="registry"):
        load(project.root / "lichen.toml", environ={})


@pytest.mark.req("GOA-77.2")
async def test_tools_of_a_registry_are_found_by_words_with_where_they_come_from_also_while_it_is_away(
    tmp_path: Path, house: House
) -> None:
    project = desk(tmp_path, house, "*.till")
    async with opened(project) as runtime:
        (found,) = await runtime.tool_search.search(SCOPE, "quick", OPS)
        assert (found.name, found.origin, found.has, found.is_old) == (
            "partner.house_quick", "registry:partner", "offered", False,
        )  # fmt: skip
        await runtime.servers.look(SCOPE, "partner")
        house.end(signal.SIGKILL)
        await runtime.servers.connection(SCOPE, "partner").close()
        (away,) = await runtime.tool_search.search(SCOPE, "quick", OPS)
        assert (away.name, away.has, away.is_old) == ("partner.house_quick", "on", True)
    async with opened(project) as runtime:
        names = [each.name for each in await runtime.tool_search.search(SCOPE, "", OPS)]
        assert names == ["partner.house_quick", "partner.house_slow"]
