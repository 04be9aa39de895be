"""A server at which each person signs in: a call has the token of whom it is made for, and nobody else's."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import msgspec
import pytest

from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Actor, Customer
from lichen.runtime.runtime import Runtime
from lichen.runtime.servers import people
from lichen.tools.mcp.oauth.bearer import Signed
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK, OPS, SCOPE, opened
from tests.served import free_port
from tests.tools.mcp.test_http import wait_for

SERVERS = Path(__file__).parents[1] / "tools/mcp"
MINE, TOLD = SERVERS / "mine.py", SERVERS / "told.py"
ANNA, BEN = Customer("anna-of-the-north"), Customer("ben-of-the-south")
SETTINGS = """
    [lichen]
    agents = ["clerk.py:clerk"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}, {{id = "{anna}", kind = "customer"}}]

    [[mcp]]
    name = "strange"
    tokens = "person"
    {way}

    [mcp.tools.whose]
    effects = "none"
"""
POLICY = '@id("all") permit (principal is Agent, action, resource);'


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(MINE), str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(10)


def with_processes(folder: Path) -> Project:
    """A project whose server is a command."""
    project = project_of(folder, f'command = ["{sys.executable}", "{TOLD}", "whose.json"]')
    project.write(**{"whose.json": json.dumps([{"name": "whose", "inputSchema": {"type": "object"}}])})
    return project


def project_of(folder: Path, way: str) -> Project:
    settings = SETTINGS.format(way=way, anna=ANNA.id)
    return Project(folder, {"lichen.toml": settings, "clerk.py": CLERK, "policies/shop.cedar": POLICY})


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    return project_of(tmp_path, f'url = "{url}"\n    oauth = {{}}')


def signed(project: Project, token: str, **changes: str) -> bytes:
    url = (project.root / "lichen.toml").read_text().partition('url = "')[2].partition('"')[0]
    made = Signed(url, url, url, url, "client", "", "none", token, "", "", 0.0)
    return msgspec.json.encode(msgspec.structs.replace(made, **changes))


async def said(runtime: Runtime, who: Actor) -> str:
    run = await runtime.runs.start(SCOPE, "shop.clerk", "strange.whose {}", who)
    return await runtime.runs.result(SCOPE, run, who)


@pytest.fixture
async def runtime(project: Project) -> AsyncGenerator[Runtime]:
    async with opened(project) as runtime:
        for who in (ANNA, OPS):
            await runtime.sign_ins.keep(SCOPE, "strange", signed(project, f"token of {who.id}"), who)
        assert (await runtime.tools.look(SCOPE, "strange", OPS)).on == ("strange.whose",)
        yield runtime


@pytest.mark.req("SYM-57.6")
async def test_a_call_has_the_token_of_whom_it_is_made_for_and_nobody_elses(project: Project, runtime: Runtime) -> None:
    assert "token of anna" in await said(runtime, ANNA)
    refused = await said(runtime, BEN)
    assert "sign_in_needed" in refused
    assert "token" not in refused
    await runtime.sign_ins.keep(SCOPE, "strange", signed(project, "token of ben"), BEN)
    for who in (ANNA, BEN, ANNA, BEN):
        other = BEN if who is ANNA else ANNA
        told = await said(runtime, who)
        assert f"token of {who.id[:3]}" in told
        assert f"token of {other.id[:3]}" not in told


@pytest.mark.req("SYM-57.6")
async def test_whoever_signs_in_again_is_known_by_the_new_token_at_once(project: Project, runtime: Runtime) -> None:
    assert "token of anna" in await said(runtime, ANNA)
    await runtime.sign_ins.keep(SCOPE, "strange", signed(project, "another one"), ANNA)
    assert "another one" in await said(runtime, ANNA)


@pytest.mark.req("SYM-57.6")
async def test_what_was_issued_elsewhere_or_for_nobody_is_not_kept(project: Project, runtime: Runtime) -> None:
    for wrong in (b"{}", signed(project, "x", url="https://other.example/mcp")):
        with pytest.raises(Invalid, match="token_invalid"):
            await runtime.sign_ins.keep(SCOPE, "strange", wrong, BEN)


@pytest.mark.req("SYM-57.7")
async def test_what_a_person_signed_in_by_ends_with_their_erasure(project: Project, runtime: Runtime) -> None:
    assert "token of anna" in await said(runtime, ANNA)
    names = {each.name for each in await runtime.secrets.list(SCOPE, OPS)}
    kept = [name for name in names if name.startswith("mcp.strange.token/")]
    assert len(kept) == 2
    assert ANNA.id not in "".join(kept)  # nobody is named by it
    await runtime.people.erase(SCOPE, ANNA, OPS)
    assert len([each for each in await runtime.secrets.list(SCOPE, OPS) if each.name in kept]) == 1


@pytest.mark.req("SYM-57.8")
async def test_each_person_has_a_process_of_a_command_to_themselves(tmp_path: Path) -> None:
    async with opened(with_processes(tmp_path)) as runtime:
        await runtime.tools.look(SCOPE, "strange", OPS)
        told = [await said(runtime, who) for who in (ANNA, BEN, ANNA)]
        assert told[0] == told[2] != told[1]
        with pytest.raises(Invalid, match="sign_in_unwanted"):
            await runtime.sign_ins.keep(SCOPE, "strange", b"{}", ANNA)


@pytest.mark.req("SYM-57.8")
async def test_so_many_people_have_a_connection_at_once_and_who_rests_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "PEOPLE_MAX", 2)
    async with opened(with_processes(tmp_path)) as runtime:
        await runtime.tools.look(SCOPE, "strange", OPS)
        first = await said(runtime, ANNA)
        assert "unavailable" in await said(runtime, BEN)
        monkeypatch.setattr(people, "IDLE_S", -1.0)
        assert "ok" in await said(runtime, BEN)  # in the place of the operator, who looked first
        assert await said(runtime, ANNA) == first
        assert "ok" in await said(runtime, OPS)  # in Ben's
        assert "ok" in await said(runtime, BEN)  # in Anna's
        assert await said(runtime, ANNA) != first  # a new process


KEEP = """
import asyncio, os, signal, sys
from pathlib import Path
from lichen.core.words.scope import Customer
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.runtime.test_servers import SCOPE

async def main():
    async with Runtime.of(load(Path(sys.argv[1]) / "lichen.toml", environ={})) as runtime:
        for who, token in (line.split("=", 1) for line in sys.stdin.read().splitlines()):
            await runtime.sign_ins.keep(SCOPE, "strange", token.encode(), Customer(who))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.req("SYM-57.6")
async def test_tokens_are_their_owners_after_kill_9(project: Project) -> None:
    lines = "\n".join(f"{who.id}={signed(project, f'kept of {who.id}').decode()}" for who in (ANNA, BEN))
    root = Path(__file__).parents[2]
    words = (sys.executable, "-c", KEEP, str(project.root))
    process = await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE, cwd=root)
    await asyncio.wait_for(process.communicate(lines.encode()), 60)
    assert process.returncode == -signal.SIGKILL
    async with opened(project) as runtime:
        await runtime.sign_ins.keep(SCOPE, "strange", signed(project, "token of ops"), OPS)
        await runtime.tools.look(SCOPE, "strange", OPS)
        for who, other in ((BEN, ANNA), (ANNA, BEN)):
            told = await said(runtime, who)
            assert f"kept of {who.id}" in told
            assert other.id not in told
