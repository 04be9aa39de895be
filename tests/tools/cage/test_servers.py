"""Servers of strangers in a jail: whatever they try, they have what they are granted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NotDone
from lichen.core.remote.server import Server
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.settings.reading import Read, read
from lichen.tools.cage.bubblewrap import Bubblewrap
from lichen.tools.cage.choice import Cages
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.definition import spec_of
from lichen.tools.mcp.failures import ServerGone
from lichen.tools.mcp.remote_tool import RemoteTool
from tests.browser.published import NODE
from tests.runtime.test_public_servers import servers as servers
from tests.tools.cage.sites import secured, site
from tests.tools.mcp.test_connection import connected, meta

THIEF = Path(__file__).with_name("thief.py")
SECRET = "the owner's"
ACME = Scope("acme", "dev")


def thief(*, reads: tuple[Path, ...] = (), writes: tuple[Path, ...] = (), **said: Any) -> Server:
    grant = Grant(tuple(map(str, (THIEF, *reads))), tuple(map(str, writes)), **said.pop("bounds", {}))
    return Server("thief", command=(sys.executable, str(THIEF)), cage=grant, **said)


async def did(connection: Connection, name: str, **arguments: Any) -> str:
    """What a tool says, or why it does not."""
    server = connection.server.name
    definition = (await connection.offered()).tools[ToolName(f"{server}.{name}")]

    async def differs(*_: object) -> None: ...

    tool = RemoteTool(spec_of(connection.server, definition), definition, connection, differs)
    try:
        return (await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta())).result.decode()
    except NotDone as error:
        return f"not done: {error.message}"


@pytest.mark.req("SYM-31.12")
async def test_a_server_in_a_jail_has_what_it_is_granted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    docs, other = tmp_path / "docs", tmp_path / "other"
    for folder in (docs, other):
        folder.mkdir()
        (folder / "a.txt").write_text(SECRET)
    async with connected(thief(reads=(docs,), env={"TOKEN": "secret:files"})) as connection:
        assert SECRET in await did(connection, "read", path=str(docs / "a.txt"))
        assert SECRET not in await did(connection, "read", path=str(other / "a.txt"))
        for path in (docs / "b.txt", other / "b.txt"):
            assert "not done" in await did(connection, "write", path=str(path))
            assert not path.exists()
        told = json.loads(await did(connection, "environment"))
        assert (told["TOKEN"], "OPENAI_API_KEY" in told) == ("value of files", False)
    async with connected(msgspec.structs.replace(thief(reads=(docs,)), cage=None)) as connection:
        assert SECRET in await did(connection, "read", path=str(other / "a.txt"))


@pytest.mark.req("SYM-31.13")
async def test_a_server_in_a_jail_reaches_granted_hosts_with_credentials_it_never_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = secured()
    (tmp_path / "trusted").write_bytes(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted"))
    async with site(secured=context) as ours, site() as other:
        added = {"127.0.0.1": {"Authorization": "Bearer secret:shop"}}
        async with connected(thief(bounds={"network": (ours.host,)}, credentials=added)) as connection:
            assert "hallo" in await did(connection, "fetch", url=f"https://{ours.host}/")
            assert b"Bearer value of shop" in ours.asked[0]
            assert "not done" in await did(connection, "fetch", url=f"http://{other.host}/")
            assert "value of shop" not in await did(connection, "environment")
        assert other.asked == []


@pytest.mark.req("SYM-31.17")
async def test_a_server_that_takes_too_much_is_ended_and_is_there_for_the_next_call() -> None:
    async with connected(thief(bounds={"memory_mb": 128})) as connection:
        with pytest.raises(ServerGone):
            await did(connection, "hoard", mib=400)
        assert str(1024 * 1024) in await did(connection, "hoard", mib=1)


@pytest.mark.req("SYM-31.14")
async def test_a_server_whose_cage_does_not_work_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setattr("lichen.tools.cage.bubblewrap.program", lambda: str(tmp_path / "bwrap"))
    monkeypatch.setattr("lichen.tools.mcp.stdio.CAGES", Cages((Bubblewrap(),)))
    async with connected(thief()) as connection:
        with pytest.raises(Unavailable, match="No jail works here"):
            await connection.offered()


@pytest.mark.req("SYM-31.12")
async def test_a_public_server_whose_own_check_lets_everything_in_reads_what_is_granted(
    tmp_path: Path, servers: Path
) -> None:
    (tmp_path / "docs").mkdir()
    for path in (tmp_path / "docs" / "a.txt", tmp_path / "b.txt"):
        path.write_text(SECRET)
    program = servers / "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
    grant = Grant(reads=(str(servers), str(tmp_path / "docs")), memory_mb=1_024)
    server = Server("files", command=(str(NODE), str(program), "/"), cage=grant)
    async with connected(server) as connection:
        assert SECRET in await did(connection, "read_text_file", path=str(tmp_path / "docs" / "a.txt"))
        assert SECRET not in await did(connection, "read_text_file", path=str(tmp_path / "b.txt"))
        await did(connection, "write_file", path=str(tmp_path / "docs" / "c.txt"), content="x")
        assert not (tmp_path / "docs" / "c.txt").exists()
    async with connected(msgspec.structs.replace(server, cage=None)) as connection:
        assert SECRET in await did(connection, "read_text_file", path=str(tmp_path / "b.txt"))


# -- what a project says -----------------------------------------------------------------------------------------


def project(root: Path, table: str, more: str = "") -> Read:
    text = f'[lichen]\nagents = []\n[tenants.acme]\n{more}\n[[mcp]]\nname = "files"\n{table}\n'
    (root / "lichen.toml").write_text(text)
    return read(root / "lichen.toml", environ={})


@pytest.mark.req("SYM-31.12")
def test_a_project_says_what_a_server_is_granted(tmp_path: Path) -> None:
    settings = project(
        tmp_path,
        'command = ["x"]\ncage = "jail"\nreads = ["docs"]\nwrites = ["/srv/out"]\nnetwork = ["a.example:8443"]\n'
        'memory_mb = 64\ncredentials."a.example" = { Authorization = "Bearer secret:a" }',
    ).settings
    assert settings is not None
    server = settings.servers(ACME)["files"]
    assert server.cage == Grant((f"{tmp_path}/docs",), ("/srv/out",), ("a.example:8443",), memory_mb=64)
    assert server.hides == (str(settings.home),)
    assert server.credentials == {"a.example": {"Authorization": "Bearer secret:a"}}


@pytest.mark.req("SYM-31.15")
def test_a_server_that_is_shut_in_less_well_than_the_floor_is_refused(tmp_path: Path) -> None:
    floor = '[tools]\nfloor = "jail"'
    (error,) = project(tmp_path, 'command = ["x"]', floor).errors
    assert (error.code, error.place is not None) == ("floor_missed", True)
    assert 'cage = "jail"' in error.next_step
    assert project(tmp_path, 'command = ["x"]\ncage = "jail"', floor).errors == ()
    assert project(tmp_path, 'url = "https://a.example"', floor).errors == ()
    assert project(tmp_path, 'command = ["x"]').errors == ()


@pytest.mark.req("SYM-32.2")
def test_a_server_whose_risk_asks_for_a_jail_does_not_load_without_one(tmp_path: Path) -> None:
    (error,) = project(tmp_path, 'command = ["x"]\nsensitivity = 0.5\ncode_trust = 0.8').errors
    assert error.code == "risk_unmet"
    assert (
        "is 0.56 (0.20: data of sensitivity 0.5; 0.06: code trusted to 0.8; 0.10: reaches the network;" in error.message
    )
    assert project(tmp_path, 'command = ["x"]\nsensitivity = 0.2\ncode_trust = 0.8').errors == ()
    caged = 'command = ["x"]\ncage = "jail"\nsensitivity = 1.0\ncode_trust = 0.0'
    assert project(tmp_path, caged).errors == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('command = ["x"]\nsensitivity = 0.5', "made of both"),
        ('command = ["x"]\nreads = ["docs"]', "counts in a cage"),
        ('url = "https://a.example"\ncage = "jail"', "is not started here"),
        ('command = ["x"]\ncage = "jail"\nreads = ["../docs"]', "leads upwards"),
        ('command = ["x"]\ncage = "jail"\nnetwork = ["https://a"]', "is no host"),
        ('command = ["x"]\ncage = "jail"\ncredentials."a.example" = { A = "b" }', "does not name"),
        ('command = ["x"]\ncage = "docker"', "docker"),
    ],
)
def test_what_cannot_be_meant_of_a_cage_is_said(tmp_path: Path, table: str, message: str) -> None:
    (error,) = project(tmp_path, table).errors
    assert message in error.message
