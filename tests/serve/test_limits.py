"""Who asks too often: a customer's whole network is one asker."""

from __future__ import annotations

import httpx
import pytest

from lichen.runtime.runtime import Runtime
from lichen.serve import login, site
from lichen.serve.limits import network_of
from lichen.serve.login import ATTEMPTS_BURST
from lichen.serve.site import GUESSES_BURST, make_site


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
