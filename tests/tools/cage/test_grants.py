"""What is granted: what would open a jail is refused, and what is hidden is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from lichen.core.cage.grant import Grant
from lichen.core.cage.risk import assessed, risk_of
from lichen.tools.cage.bubblewrap import Bubblewrap
from lichen.tools.cage.choice import Cages
from lichen.tools.cage.oneshot import run
from lichen.tools.cage.paths import paths
from lichen.tools.cage.port import Cage, CageUnavailable, Command, GrantRefused
from lichen.tools.cage.seccomp import MACHINES, filtered
from tests.tools.cage.prisons import CAGES, ESCAPES, attempt

SHELL = Command(("/bin/sh",))


@pytest.fixture(params=CAGES, ids=lambda cage: cage.name)
def cage(request: pytest.FixtureRequest) -> Cage:
    return request.param


@pytest.mark.req("SYM-31.6")
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/proc",
        "/proc/self",
        "/sys",
        "/dev",
        "/etc",
        "/etc/ssl",
        "/root",
        "/home",
        "/var",
        "/tmp",
        "/boot",
        "/nowhere",
        "here",
    ],
)
def test_a_grant_that_would_open_the_jail_is_refused(path: str) -> None:
    for grant in (Grant(reads=(path,)), Grant(writes=(path,))):
        with pytest.raises(GrantRefused, match="grant_refused"):
            paths(SHELL, grant)


@pytest.mark.req("SYM-31.6")
def test_a_link_is_granted_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(GrantRefused):
        paths(SHELL, Grant(reads=(str(tmp_path / "link"),)))
    with pytest.raises(ValueError, match="leads upwards"):
        Grant(reads=(f"{tmp_path}/../..",))


@pytest.mark.req("SYM-31.6")
async def test_a_socket_is_not_granted(tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "socket")
    with pytest.raises(GrantRefused, match="neither a folder nor a file"):
        paths(SHELL, Grant(reads=(str(tmp_path / "socket"),)))
    server.close()


@pytest.mark.parametrize("host", ["", "a b", "http://a", "a/b", "*", "*.", "a.*.b", "a:b", "user@a", "a..b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        Grant(network=(host,))


@pytest.mark.req("SYM-31.6")
async def test_what_is_hidden_is_not_in_what_is_granted(cage: Cage, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "key").write_text("the owner's")
    (tmp_path / ".env").write_text("the owner's")
    grant = Grant(reads=(str(ESCAPES), str(tmp_path)))
    for path in (tmp_path / "data" / "key", tmp_path / ".env"):
        hidden = (str(tmp_path / "data"), str(tmp_path / ".env"))
        assert b"escaped" in (await run(cage, attempt("read", path), grant, timeout_s=20)).stdout
        ran = await run(cage, msgspec.structs.replace(attempt("read", path), hides=hidden), grant, timeout_s=20)
        assert b"the owner" not in ran.stdout
        with pytest.raises(GrantRefused):
            paths(msgspec.structs.replace(SHELL, hides=hidden), Grant(reads=(str(path),)))


@pytest.mark.req("SYM-31.11")
async def test_where_no_jail_works_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'no permissions to create a new namespace' >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setattr("lichen.tools.cage.bubblewrap.program", lambda: str(tmp_path / "bwrap"))
    with pytest.raises(CageUnavailable) as refused:
        await Cages((Bubblewrap(),)).of("jail")
    assert "no permissions to create a new namespace" in refused.value.message
    assert refused.value.code == "cage_unavailable"


@pytest.mark.req("SYM-31.11")
async def test_what_works_here_is_found_by_trying_it(cage: Cage) -> None:
    cages = Cages((cage,))
    assert [(each.cage, each.tier, each.fault) for each in await cages.found()] == [(cage.name, "jail", "")]
    assert await cages.of("jail") is cage


def test_a_machine_whose_calls_nobody_looked_at_has_no_filter() -> None:
    assert filtered("riscv64") is None
    for machine in MACHINES:
        program = filtered(machine)
        assert program is not None
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096


@pytest.mark.req("SYM-32.1")
def test_a_risk_is_the_documented_sum_with_its_reasons() -> None:
    risk = assessed(sensitivity=0.5, trust=0.5, network=True)
    assert (risk.score, risk.tier) == (0.45, "process")
    assert risk.reasons == ("0.20: data of sensitivity 0.5", "0.15: code trusted to 0.5", "0.10: reaches the network")
    assert assessed(sensitivity=1, trust=0, network=True, files=True, interfaces=True).score == 1.0
    assert assessed(sensitivity=0, trust=1) == assessed(sensitivity=0.0, trust=1.0)
    assert assessed(sensitivity=0, trust=1).reasons == ()
    for shares in ((1.1, 0.5), (0.5, -0.1)):
        with pytest.raises(ValueError, match="a share"):
            assessed(sensitivity=shares[0], trust=shares[1])


@pytest.mark.req("SYM-32.1")
def test_from_a_half_on_code_belongs_into_a_jail() -> None:
    assert risk_of(Grant(reads=("/srv/a",)), sensitivity=0.5, trust=0.5, interfaces=False).tier == "process"
    assert risk_of(Grant(reads=("/srv/a",), network=("a.example",)), sensitivity=0.5, trust=2 / 3).tier == "jail"
    assert risk_of(Grant(), sensitivity=0.5, trust=0, interfaces=False) == assessed(sensitivity=0.5, trust=0)
