"""How much platforms may bring: of each tenant so much, whatever others bring."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest

from lichen import Runtime, Scope
from lichen.channels.platform.signing import hmac_hex
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.serve.widget import DEADLINE_S

TENANT = '[tenants.{name}]\n[tenants.{name}.dummy]\nsecret = "env:DUMMY_SECRET"\n'


def signed(id: str) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"id": id, "sender": "bea", "text": "Hello?", "conversation": "c1"}).encode()
    sent = str(int(time.time()))
    return body, {"dummy-time": sent, "dummy-signature": hmac_hex("s3", sent.encode(), b".", body)}


async def brought(client: httpx.AsyncClient, tenant: str, id: str, *, forged: bool = False) -> httpx.Response:
    body, headers = signed(id)
    if forged:
        headers["dummy-signature"] = "0" * 64
    return await client.post(f"/v1/messaging/ingress/dummy/{tenant}", content=body, headers=headers)


@pytest.mark.req("GRE-53.1", "GRE-53.2")
async def test_one_tenants_flood_is_told_to_come_later_and_another_tenant_does_not_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    tenants = "".join(TENANT.format(name=name) for name in ("acme", "globex"))
    (tmp_path / "lichen.toml").write_text(f'[lichen]\nagents = ["echo.toml"]\nhome = "data"\n{tenants}')
    async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for n in range(30):  # what nobody proved takes nothing from the tenant
                assert (await brought(client, "acme", f"f{n}", forged=True)).status_code == 403
            began_s = asyncio.get_running_loop().time()
            flood = [await brought(client, "acme", f"m{n}") for n in range(60)]
            took_s = asyncio.get_running_loop().time() - began_s
            taken = sum(each.status_code == 200 for each in flood)
            assert 10 <= taken <= 11 + 5 * took_s  # at once ten, then five a second
            refused = next(each for each in flood if each.status_code != 200)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "webhooks_too_many")
            assert int(refused.headers["retry-after"]) >= 1
            assert {(await brought(client, "globex", f"m{n}")).status_code for n in range(10)} == {200}
            async with asyncio.timeout(DEADLINE_S):
                await runtime.idle()
        (session,) = await runtime.sessions.list(Scope("globex", "dev"), SYSTEM)
        assert len((await runtime.sessions.get(Scope("globex", "dev"), session.id, SYSTEM).detail()).transcript) >= 10


@pytest.mark.req("GRE-55.1", "GRE-55.2")
async def test_an_address_that_names_no_tenant_is_the_one_whose_host_it_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    tenants = "".join(
        f'[tenants.{name}]\nhosts = ["{name}.example"]\n[tenants.{name}.hooks]\nkind = "webhook"\n'
        f'scheme = "hmac"\nsecrets = ["env:{name.upper()}"]\ntext = "/text"\n'
        for name in ("acme", "globex")
    )
    (tmp_path / "lichen.toml").write_text(f'[lichen]\nagents = ["echo.toml"]\nhome = "data"\n{tenants}')
    monkeypatch.setenv("ACME", "s1")
    monkeypatch.setenv("GLOBEX", "s2")
    async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))

        async def posted(host: str, secret: str) -> tuple[int, str]:
            body = b'{"text": "Hello?"}'
            signed = {"x-signature": hmac_hex(secret, body), "x-signature-256": hmac_hex(secret, body)}
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                found = await client.post("/webhook/orders", content=body, headers=signed)
            return found.status_code, found.json().get("error", {}).get("code", "")

        assert await posted("acme.example", "s1") == (200, "")
        assert await posted("acme.example", "s2") == (403, "signature_invalid")  # the host alone proves nothing
        assert await posted("elsewhere.example", "s1") == (404, "host_unknown")
        assert len(await runtime.sessions.list(Scope("acme", "dev"), SYSTEM)) == 1
        assert await runtime.sessions.list(Scope("globex", "dev"), SYSTEM) == ()
