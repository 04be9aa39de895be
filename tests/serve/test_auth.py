"""Who asks is recognised the same way at every door, and nothing decides it but headers and keys."""

from __future__ import annotations

import pytest

from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.serve import talk
from tests.serve.asgi import Door


async def key_of(door: Door, tenant: str, actor: str) -> str:
    return (await door.of(tenant).post("keys", {"actor": actor})).data["key"]


def with_key(door: Door, key: str, **named: str) -> Door:
    return Door(door.app, {"authorization": f"Bearer {key}", **named})


@pytest.mark.req("SYM-98.1")
async def test_a_key_alone_decides_tenant_actor_and_role(door: Door) -> None:
    operator = with_key(door, await key_of(door, "acme", "ops"))
    customer = with_key(door, await key_of(door, "acme", "customer-7"))
    assert (await operator.get("runs")).status == 200
    refused = await customer.get("runs")
    assert (refused.status, refused.code) == (403, "role_missing")
    assert (await customer.post("sessions", {})).status == 200


@pytest.mark.req("SYM-98.1")
async def test_nobody_else_can_be_named_beside_a_key(door: Door) -> None:
    key = await key_of(door, "acme", "customer-7")
    answer = await with_key(door, key, **{"lichen-as": "ops"}).get("approvals")
    assert (answer.status, answer.code) == (400, "key_decides")


@pytest.mark.req("SYM-98.1")
@pytest.mark.parametrize("named", [{"lichen-tenant": "globex"}, {"lichen-env": "prod"}])
async def test_a_key_opens_no_other_tenant_or_environment(door: Door, named: dict[str, str]) -> None:
    answer = await with_key(door, await key_of(door, "acme", "ops"), **named).get("runs")
    assert (answer.status, answer.code) == (403, "key_scope")


@pytest.mark.req("SYM-98.1")
async def test_a_key_may_be_sent_with_its_own_tenant(door: Door) -> None:
    answer = await with_key(door, await key_of(door, "acme", "ops"), **{"lichen-tenant": "acme"}).get("runs")
    assert answer.status == 200


@pytest.mark.req("SYM-98.2")
async def test_a_revoked_key_is_worthless_at_once(door: Door) -> None:
    key = await key_of(door, "acme", "ops")
    assert (await with_key(door, key).get("runs")).status == 200
    assert (await door.of("acme").delete(f"keys/{key.split('_')[1]}")).status == 200
    refused = await with_key(door, key).get("runs")
    assert (refused.status, refused.code) == (401, "key_invalid")
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.req("SYM-98.2")
async def test_keys_are_listed_without_their_secrets_and_only_in_their_tenant(door: Door) -> None:
    key = await key_of(door, "acme", "ops")
    listed = await door.of("acme").get("keys")
    assert [entry["id"] for entry in listed.data] == [key.split("_")[1]]
    assert key.split("_", 2)[2] not in listed.body.decode()
    assert (await door.of("globex").get("keys")).data == []
    assert (await door.of("globex").delete(f"keys/{key.split('_')[1]}")).status == 404


@pytest.mark.req("LIC-12.29")
async def test_who_is_named_on_the_socket_makes_and_revokes_keys_only_if_they_may(door: Door) -> None:
    key = await key_of(door, "acme", "ops")
    named = door.of("acme", "customer-7")
    wanted = {"actor": "x", "kind": "operator", "roles": ["operator"]}
    assert (await named.post("keys", wanted)).code == "role_missing"
    assert (await named.get("keys")).code == "role_missing"
    assert (await named.delete(f"keys/{key.split('_')[1]}")).code == "role_missing"
    assert (await door.of("acme", "ops").post("keys", wanted)).status == 200


async def test_whoever_holds_a_key_makes_no_keys(door: Door) -> None:
    answer = await with_key(door, await key_of(door, "acme", "ops")).post("keys", {"actor": "ops"})
    assert (answer.status, answer.code) == (403, "owner_only")


@pytest.mark.parametrize("given", ["Bearer lk_wrong", "Bearer ", "Basic b3Bz", "lk_00000000_x"])
async def test_what_is_no_key_opens_nothing(door: Door, given: str) -> None:
    answer = await Door(door.app, {"authorization": given}).get("runs")
    assert (answer.status, answer.code) == (401, "key_invalid")


async def test_a_public_door_asks_for_a_key_whatever_else_is_said(runtime: Runtime) -> None:
    public = Door(make_app(runtime, identify=by_key(runtime)))
    answer = await public.of("acme", "ops").get("approvals")
    assert (answer.status, answer.code) == (401, "key_missing")
    assert (await public.get("log/verify")).status in (401, 405)


@pytest.mark.parametrize(
    ("tenant", "env", "name", "status", "code"),
    [
        ("nosuch", None, "ops", 404, "tenant_unknown"),
        ("acme", "prod", "ops", 404, "env_unknown"),
        ("acme", None, "nobody", 404, "actor_unknown"),
        (None, None, "ops", 400, "tenant_missing"),
        (None, None, None, 400, "tenant_missing"),
    ],
)
async def test_only_declared_actors_of_declared_tenants_can_be_named(
    door: Door, tenant: str | None, env: str | None, name: str | None, status: int, code: str
) -> None:
    named = door.of(tenant, name, **({"lichen-env": env} if env else {}))
    answer = await named.get("runs")
    assert (answer.status, answer.code) == (status, code)


async def test_the_owner_reads_without_a_name_and_acts_only_under_one(runtime: Runtime, door: Door) -> None:
    wait = await talk.held(runtime, door)
    assert (await door.of("acme").get("approvals")).status == 200
    answer = await door.of("acme").post(f"approvals/{wait['id']}/approve", {})
    assert (answer.status, answer.code) == (400, "actor_missing")
