"""What governs a tenant, on the console's pages: its policies, its keys, what its meters have counted."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from lichen.core.words.scope import Actor, Operator
from lichen.runtime.runtime import Runtime
from tests.serve.console import ACME, GLOBEX, OPS, said, signed_in, token

SMALL = "I want a refund of 20 EUR for order 1042."


async def sent(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await client.post(f"/console/{path}", data={"csrf_token": await token(client, "/console/keys"), **form})


# -- policies ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-25.34")
async def test_the_policies_in_force_are_read_file_by_file_with_whom_they_permit(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        found = (await client.get("/console/policies.json")).json()["policies"]
        page = (await client.get("/console/policies")).text
    assert found["digest"] == runtime.policies.check(ACME, OPS).digest
    files = {file["name"]: file for file in found["files"]}
    assert [name for name, file in files.items() if file["is_built_in"]] == ["(base)", "(lichen)"]
    held = next(each for each in files["refunds.cedar"]["policies"] if each["id"] == "refund-with-approval")
    assert held["head"] == 'permit (principal is Agent, action == Action::"payments.refund", resource)'
    assert held["condition"].startswith("when { context.meters.refunded_today")
    assert held["conditions"] == ["asks operator"]
    assert '@id("refund-with-approval")' in files["refunds.cedar"]["text"]
    assert "permit (principal is Agent, action == Action::&#34;payments.refund&#34;, resource)" in page


@pytest.mark.req("LIC-25.34")
async def test_the_page_says_what_would_be_decided_and_what_a_policy_lacks(runtime: Runtime) -> None:
    call = {"order_id": "1042", "amount": 2000}
    facts = {"price": 12900, "refunded": 0, "owner": "customer-7"}
    form = {"agent": "shop.support", "tool": "payments.refund", "person": "customer-7", "args": json.dumps(call)}
    async with signed_in(runtime) as client:
        records = runtime.log(ACME).last_seq
        small = (await sent(client, "policies/why", **form, facts=json.dumps(facts), said=SMALL)).text
        dear = {"args": json.dumps({**call, "amount": 8000}), "facts": json.dumps(facts), "said": "80 EUR, 1042"}
        large = (await sent(client, "policies/why", **form | dear)).text
        broken = await sent(client, "policies/why", **form | {"args": "[1]"})
    assert '<strong>allow</strong> by <span class="mono">refund-at-once</span>' in small
    assert "does not hold" in large
    assert (broken.status_code, "no JSON object" in broken.text) == (400, True)
    assert runtime.runs.list(ACME, OPS) == (), "nothing was called"
    assert runtime.log(ACME).last_seq == records, "and nothing was written"


@pytest.mark.req("LIC-25.34")
async def test_the_tests_of_the_policies_are_run_on_the_page(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        page = (await sent(client, "policies/test")).text
    ran = re.search(r"(\d+) of (\d+) are decided as they say", page)
    assert ran is not None
    assert int(ran[1]) == int(ran[2]) > 0


# -- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-25.35")
async def test_a_key_is_made_with_a_role_shown_once_listed_and_revoked(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        made = await sent(client, "keys/issue", kind="service", actor="till <1>", roles="channel, audit", days="30")
        assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
        shown = re.search(r'<pre class="key-text" tabindex="0">([^<]+)</pre>', made.text)
        assert shown is not None
        listed = (await client.get("/console/keys.json")).json()["keys"]
        key = next(each for each in listed if each["actor_id"] == "till <1>")
        assert (key["actor_kind"], key["roles"], key["id"] in shown[1]) == ("service", ["channel", "audit"], True)
        page = (await client.get("/console/keys")).text
        assert shown[1] not in page
        assert "till &lt;1&gt;" in page
        now_us = runtime.engine.services.clock()
        assert runtime.keyring.api_keys.find(key["id"], now_us) is not None
        assert (await sent(client, f"keys/{key['id']}/revoke")).status_code == 303
        assert runtime.keyring.api_keys.find(key["id"], now_us) is None
        assert (await sent(client, f"keys/{key['id']}/revoke")).status_code == 404


@pytest.mark.req("LIC-25.35")
@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"kind": "operator", "actor": "mallory", "roles": "operator"}, 403),
        ({"kind": "system", "actor": "mallory"}, 403),
        ({"kind": "nobody", "actor": "mallory"}, 400),
        ({"kind": "service", "actor": ""}, 400),
        ({"kind": "service", "actor": "till", "roles": "a\nb"}, 400),
        ({"kind": "service", "actor": "till", "days": "0"}, 400),
        ({"kind": "service", "actor": "till", "days": "99999"}, 400),
    ],
)
async def test_nobody_becomes_another_operator_or_makes_a_key_that_means_nothing(
    runtime: Runtime, form: dict[str, str], status: int
) -> None:
    async with signed_in(runtime) as client:
        before = (await client.get("/console/keys.json")).json()
        assert (await sent(client, "keys/issue", **form)).status_code == status
        assert (await client.get("/console/keys.json")).json() == before


@pytest.mark.req("LIC-25.35")
async def test_keys_of_another_tenant_are_neither_seen_nor_revoked(runtime: Runtime) -> None:
    other = await runtime.keys.issue(GLOBEX, Actor("service", "till"), Operator("ops", ("operator",)))
    id = other.split("_")[1]
    async with signed_in(runtime) as client:
        assert id not in (await client.get("/console/keys")).text
        assert (await sent(client, f"keys/{id}/revoke")).status_code == 404
    assert runtime.keyring.api_keys.find(id, runtime.engine.services.clock()) is not None


# -- meters ------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-25.36")
async def test_meters_show_what_is_used_up_by_whom_and_what_is_left(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        empty = (await client.get("/console/meters")).text
        assert empty.count("Nothing was counted") == 2
        await said(runtime, SMALL)
        await runtime.log(ACME).durable()
        found: list[dict[str, Any]] = (await client.get("/console/meters.json")).json()["meters"]
        page = (await client.get("/console/meters")).text
    today, order = (next(m for m in found if m["name"] == name) for name in ("refunded_today", "refunded_of_order"))
    assert (today["counts"], today["per"], today["window"], today["limits"]) == ("amount", "subject", "day", [5000])
    (row,) = today["rows"]
    assert (row["whom"], row["used"], row["pending"], row["left"]) == ("customer-7", 2000, 0, 3000)
    assert (row["used_text"], row["left_text"]) == ("20.00 EUR", "30.00 EUR")
    assert order["rows"][0]["whom"] == "order_id 1042"
    assert '<meter min="0" max="5000" value="2000"' in page
