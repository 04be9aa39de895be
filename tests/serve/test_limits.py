"""Who asks too often: a customer's whole network is one asker."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from lichen.core.words.errors import Invalid
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.serve import site
from lichen.serve.http import login
from lichen.serve.http.limits import network_of
from lichen.serve.http.login import ATTEMPTS_BURST
from lichen.serve.listen.proxies import Proxies
from lichen.serve.listen.tcp import listening_as
from lichen.serve.site import GUESSES_BURST, make_site
from lichen.settings import Settings


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_a_customers_ipv6_network_is_one_address(first: str, second: str, same: bool) -> None:
    assert (network_of(first) == network_of(second)) is same


@pytest.mark.parametrize(
    ("method", "path", "burst"), [("GET", "/api/v1/runs", GUESSES_BURST), ("POST", "/login", ATTEMPTS_BURST)]
)
async def test_other_addresses_of_one_network_guess_no_more_keys(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, method: str, path: str, burst: int
) -> None:
    monkeypatch.setattr(site, "GUESSES_PER_S", 0.001)
    monkeypatch.setattr(login, "ATTEMPTS_PER_S", 0.001)
    app = make_site(runtime)

    async def guess(address: str) -> int:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://lichen.test"
        ) as client:
            headers = {"authorization": "Bearer lk_0"}
            return (await client.request(method, path, headers=headers, data={"key": "lk_0"})).status_code

    assert [await guess(f"2001:db8::{i:x}") for i in range(burst + 1)] == [401] * burst + [429]
    assert await guess("2001:db8:0:1::1") == 401


def settings_of(root: Path, serve: str) -> Settings:
    file = root / "lichen.toml"
    file.write_text(f"[lichen]\nagents = []\n[serve]\n{serve}\n[tenants.acme]\n")
    return load(file, environ={}).settings


@pytest.mark.req("SYM-97.23")
def test_what_is_no_address_is_no_proxy(tmp_path: Path) -> None:
    good = settings_of(tmp_path, 'trusted_proxies = ["10.0.0.7", "fd00::/8"]\nconnections_per_address = 5')
    proxies = Proxies(good.serve.trusted_proxies)
    assert [address in proxies for address in ("10.0.0.7", "10.0.0.8", "fd00::1", "unknown")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert good.serve.connections_per_address == 5
    with pytest.raises(Invalid) as refused:
        settings_of(tmp_path, 'trusted_proxies = ["*"]')
    assert refused.value.code == "settings_invalid"
    assert "serve" in str(refused.value.place)


@pytest.mark.req("SYM-97.23")
async def test_keys_are_guessed_no_faster_by_naming_other_addresses(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "GUESSES_PER_S", 0.001)
    async with (
        listening_as(make_site(runtime), "127.0.0.1", 0, runtime.settings) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        found = [
            (
                await client.get(
                    "/api/v1/runs", headers={"authorization": "Bearer lk_0", "x-forwarded-for": f"192.0.2.{i}"}
                )
            ).status_code
            for i in range(GUESSES_BURST + 5)
        ]
        assert found == [401] * GUESSES_BURST + [429] * 5
        page = await client.get("/healthz", headers={"x-forwarded-proto": "https"})
        assert "strict-transport-security" not in page.headers
