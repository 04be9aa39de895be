"""The channels of a running server: put in force without a restart, checked, registered, tried."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from lichen import Runtime, Scope
from lichen.channels.platform.signing import hmac_hex
from lichen.core.deciders.events import Changed
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Conflict, Denied, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.channels.setup.beacon import TOKEN, WRONG, install_beacon
from tests.plugins.packages import on_path

ACME, PROD = Scope("acme", "dev"), Scope("acme", "prod")
PROJECT = """
[lichen]
agents = ["echo.toml"]
home = "data"

[tenants.acme]
environments = ["dev", "prod"]
agent = "shop.echo"
"""
BEACON = '[tenants.acme.beacon]\nharbour = "kiel"\nsecrets = ["env:SPARE"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "beacon", raising=False)
    monkeypatch.setenv("SPARE", "another")
    on_path(install_beacon(tmp_path / "site"), monkeypatch)
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    return tmp_path


@asynccontextmanager
async def opened(folder: Path, *tables: str) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(written(folder, *tables), environ={})) as runtime:
        yield runtime


def written(folder: Path, *tables: str) -> Path:
    file = folder / "lichen.toml"
    file.write_text(PROJECT + "\n".join(tables))
    return file


async def keep(runtime: Runtime, name: str, value: str, scope: Scope = ACME) -> None:
    await runtime.secrets.set(scope, name, Secret(value), SYSTEM)


def changes(runtime: Runtime) -> list[str]:
    found = [each.control for each in runtime.log(ACME).records(TENANT_STREAM)]
    return [each.name for each in found if isinstance(each, Changed)]


async def refused(asking: object) -> LichenError:
    with pytest.raises(LichenError) as found:
        await asking  # type: ignore[misc]
    return found.value


# -- in force ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-64.1")
async def test_a_table_that_is_added_to_the_file_is_in_force_after_a_reload(folder: Path) -> None:
    async with opened(folder) as runtime:
        site = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=site, base_url="http://shop") as client:
            path = "/v1/messaging/ingress/dummy/acme"
            assert (await client.post(path)).status_code == 404
            written(folder, "[tenants.acme.dummy]\n")
            found = await runtime.reload(ACME, SYSTEM)
            assert (found.channels, found.needs_restart) == (("acme/dummy",), ())
            await keep(runtime, "dummy-secret", "between us")  # a name that only the channel asks for

            body = json.dumps({"id": "m-1", "sender": "ann", "text": "hello", "conversation": "c"}).encode()
            sent = str(runtime.engine.services.clock() // 1_000_000)
            proof = {"dummy-time": sent, "dummy-signature": hmac_hex("between us", sent.encode(), b".", body)}
            assert (await client.post(path, content=body, headers=proof)).status_code == 200
            await runtime.idle()
            assert runtime.project is not None
            channel = runtime.project.channels.get("dummy", "acme")[1]
            (said,) = channel.sent  # type: ignore[attr-defined]
            assert "hello" in said["text"]

            written(folder)
            assert (await runtime.reload(ACME, SYSTEM)).channels == ("acme/dummy",)
            assert (await client.post(path, content=body, headers=proof)).status_code == 404


@pytest.mark.req("GRE-64.1")
async def test_a_channel_whose_table_is_as_before_stays_and_a_broken_file_changes_nothing(folder: Path) -> None:
    async with opened(folder, "[tenants.acme.dummy]", BEACON) as runtime:
        assert runtime.project is not None
        before = runtime.project.channels.get("dummy", "acme")[1]
        written(folder, "# a remark\n[tenants.acme.dummy]", BEACON.replace("kiel", "bremen"))
        assert (await runtime.reload(ACME, SYSTEM)).channels == ("acme/beacon",)
        assert runtime.project.channels.get("dummy", "acme")[1] is before
        written(folder, "[tenants.acme.dummy]\nsecrit = 'x'")
        found = await runtime.reload(ACME, SYSTEM)
        assert (found.channels, [each.code for each in found.broken]) == ((), ["settings_invalid"])
        assert runtime.project.channels.names == {"dummy", "beacon"}


@pytest.mark.req("GRE-64.1")
async def test_a_channel_that_listens_by_itself_or_is_of_a_new_environment_waits_for_a_restart(folder: Path) -> None:
    async with opened(folder) as runtime:
        written(folder, BEACON.replace("beacon", "lamp"))
        found = await runtime.reload(ACME, SYSTEM)
        assert (found.channels, found.needs_restart) == ((), (str(folder / "lichen.toml"),))
        file = written(folder, '[tenants.acme.dummy]\nenv = "test"\n')
        file.write_text(file.read_text().replace('"prod"]', '"prod", "test"]'))
        found = await runtime.reload(ACME, SYSTEM)
        assert (found.channels, found.needs_restart) == ((), (str(folder / "lichen.toml"),))


# -- its platform ------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-64.2")
async def test_what_a_channel_lacks_is_listed_without_using_it(folder: Path) -> None:
    async with opened(folder, BEACON) as runtime:
        before = runtime.log(ACME).last_seq
        (found,) = await runtime.platforms.list(ACME, SYSTEM)
        assert [(each.reference, each.code) for each in found.lacks] == [
            ("secret:beacon-secret", "channel_secret_missing")
        ]
        assert (found.webhook, found.registers, found.checks) == ("/v1/messaging/ingress/beacon/acme", True, True)
        assert runtime.log(ACME).last_seq == before
        assert await runtime.platforms.list(PROD, SYSTEM) == ()
        await keep(runtime, "beacon-secret", TOKEN)
        (found,) = await runtime.platforms.list(ACME, SYSTEM)
        assert found.lacks == ()


@pytest.mark.req("GRE-64.2")
async def test_a_secret_that_policy_keeps_from_the_channel_is_lacking(folder: Path) -> None:
    forbidding = 'forbid (principal, action == Action::"secret.use", resource == Secret::"beacon-secret");'
    (folder / "policies").mkdir()
    (folder / "policies" / "all.cedar").write_text(
        f'@id("all") permit (principal, action, resource);\n@id("no") {forbidding}\n'
    )
    file = written(folder, BEACON)
    file.write_text(file.read_text().replace('agent = "shop.echo"', 'agent = "shop.echo"\npolicies = "policies"'))
    async with Runtime.of(load(file, environ={})) as runtime:
        await keep(runtime, "beacon-secret", TOKEN)
        (found,) = await runtime.platforms.list(ACME, SYSTEM)
        assert [each.code for each in found.lacks] == ["secret_refused"]
        assert isinstance(await refused(runtime.platforms.check(ACME, "beacon", SYSTEM)), Denied)


@pytest.mark.req("GRE-65.2")
async def test_a_platform_is_told_our_https_address_and_told_again_to_send_nothing(folder: Path) -> None:
    async with opened(folder, BEACON) as runtime:
        await keep(runtime, "beacon-secret", TOKEN)
        for _ in range(2):
            told = await runtime.platforms.register(ACME, "beacon", SYSTEM, public_url="https://bots.example/")
            assert told.webhook == "https://bots.example/v1/messaging/ingress/beacon/acme"
            assert json.loads((folder / "platform.json").read_text()) == {"webhook": told.webhook}
        assert (await runtime.platforms.unregister(ACME, "beacon", SYSTEM)).said == "The beacon points nowhere."
        assert not (folder / "platform.json").exists()
        found = [each for each in changes(runtime) if each.startswith("channel.")]
        assert found == ["channel.registered:beacon"] * 2 + ["channel.unregistered:beacon"]


@pytest.mark.req("GRE-65.2")
@pytest.mark.parametrize("url", ["http://bots.example", "https://", "https://a@b.example", "https://b.example?x=1"])
async def test_no_platform_is_told_an_address_that_is_not_https(folder: Path, url: str) -> None:
    async with opened(folder, BEACON) as runtime:
        error = await refused(runtime.platforms.register(ACME, "beacon", SYSTEM, public_url=url))
        assert (type(error), error.code) == (Invalid, "public_url_invalid")
        assert not (folder / "platform.json").exists()


@pytest.mark.req("GRE-65.2")
async def test_a_platform_that_a_person_has_to_tell_is_refused_as_such(folder: Path) -> None:
    async with opened(folder, "[tenants.acme.dummy]\n") as runtime:
        error = await refused(runtime.platforms.register(ACME, "dummy", SYSTEM, public_url="https://b.example"))
        assert (type(error), error.code) == (Conflict, "channel_by_hand")
        assert isinstance(await refused(runtime.platforms.check(ACME, "dummy", SYSTEM)), Unavailable)
        assert isinstance(await refused(runtime.platforms.check(PROD, "dummy", SYSTEM)), NotFound)


@pytest.mark.req("GRE-64.2")
async def test_the_platform_says_who_we_are_or_that_it_does_not_know_us(folder: Path) -> None:
    async with opened(folder, BEACON) as runtime:
        await keep(runtime, "beacon-secret", TOKEN)
        assert (await runtime.platforms.check(ACME, "beacon", SYSTEM)).said == "harbour kiel"
        await runtime.secrets.rotate(ACME, "beacon-secret", Secret(WRONG), SYSTEM)
        error = await refused(runtime.platforms.check(ACME, "beacon", SYSTEM))
        assert (type(error), error.code) == (Denied, "credentials_refused")


@pytest.mark.req("GRE-64.3")
async def test_a_test_message_arrives_or_it_is_said_why_not(folder: Path) -> None:
    async with opened(folder, BEACON) as runtime:
        assert runtime.project is not None
        channel = runtime.project.channels.get("beacon", "acme")[1]
        sent = [await runtime.platforms.test(ACME, "beacon", SYSTEM, to=each) for each in ("ann", "reef", "fog")]
        assert [(each.outcome, each.code) for each in sent] == [
            ("delivered", ""), ("failed", "aground"), ("unknown", "channel_failed"),
        ]  # fmt: skip
        (said,) = channel.sent  # type: ignore[attr-defined]
        assert (said["to"], "beacon" in said["text"]) == ("ann", True)
        assert await runtime.sessions.list(ACME, SYSTEM) == ()
