"""Secrets of other people's stores: each keeps what all sources promise, and says what it cannot do."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lichen.core.ports.secrets import Secret, Secrets, Source, name_of_uri
from lichen.core.remote.stores import AwsStore, AzureStore, GcpStore, Stores, VaultStore
from lichen.core.words.errors import Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.gate.secrets.sources import Sources
from lichen.gate.vaults import kept
from lichen.gate.vaults.calls import Unreached
from lichen.gate.vaults.kept import Kept, Terms
from lichen.gate.vaults.kinds import Vaults
from lichen.testing.secrets_conformance import ACME, GLOBEX, NAME, OTHER, SecretsConformance
from tests.gate import far
from tests.gate.far import Clock

VALUE = "sk_live_51H8abcdefQ"
COUNT = itertools.count()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sources(stores: Stores, detail: Callable[[Scope], Source], clock: Clock, environ: Mapping[str, str]) -> Sources:
    vaults = Vaults(stores, environ, clock)
    return Sources(lambda scope, name: detail(scope), lambda source: vaults.kinds[source.kind](source))


def one(stores: Stores, source: Source, clock: Clock, environ: Mapping[str, str] | None = None) -> Sources:
    return sources(stores, lambda scope: source, clock, environ or {"VAULT_TOKEN": far.ROOT_TOKEN})


# -- what all promise --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[far.Bao]:
    with far.openbao(tmp_path_factory.mktemp("bao")) as running:
        yield running


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with far.aws() as url:
        yield url


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the official clients sign in with, of which nothing is real."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "of-the-test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", far.Believed)
    monkeypatch.setattr(socket, "getaddrinfo", far.resolve)


@pytest.fixture
def key_vault() -> far.KeyVault:
    return far.KeyVault()


@pytest.fixture
def project() -> far.Held:
    return far.Held()


@pytest.fixture
def azure(key_vault: far.KeyVault, tmp_path: Path) -> Iterator[far.Tls]:
    with far.azure(key_vault, tmp_path) as tls:
        yield tls


@pytest.fixture
def google(project: far.Held) -> Iterator[str]:
    with far.google(project) as url:
        yield url


def aws_client(url: str) -> Any:
    return far.boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="of-the-test",
    )


def aws_put(client: Any, id: str, value: bytes) -> str:
    """Keeps the first value of a secret, or the next; returns its version."""
    try:
        return client.create_secret(Name=id, SecretString=value.decode())["VersionId"]
    except client.exceptions.ResourceExistsException:
        return client.put_secret_value(SecretId=id, SecretString=value.decode())["VersionId"]


class TestVault(SecretsConformance):
    @pytest.fixture(autouse=True)
    def _server(self, bao: far.Bao, clock: Clock) -> None:
        self.bao, self.clock = bao, clock

    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        root = f"of-test-{next(COUNT)}"

        def place(scope: Scope) -> str:
            return f"{root}/{scope.tenant}-{scope.env}"

        def give(scope: Scope, name: str, value: bytes) -> None:
            self.bao.root.secrets.kv.v2.create_or_update_secret(
                f"{place(scope)}/{name}", secret={"value": value.decode()}, mount_point="secret"
            )

        stores = Stores(vault=VaultStore(url=self.bao.url))
        environ = {"VAULT_TOKEN": far.ROOT_TOKEN}
        return sources(stores, lambda scope: Source("vault", f"secret/{place(scope)}"), self.clock, environ), give


class TestAws(SecretsConformance):
    @pytest.fixture(autouse=True)
    def _server(self, moto: str, clock: Clock, signed_in: None) -> None:
        self.url, self.clock = moto, clock

    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        root, client = f"of-test-{next(COUNT)}", aws_client(self.url)

        def place(scope: Scope) -> str:
            return f"{root}/{scope.tenant}-{scope.env}"

        def give(scope: Scope, name: str, value: bytes) -> None:
            aws_put(client, f"{place(scope)}/{name}", value)

        stores = Stores(aws=AwsStore(url=self.url))
        return sources(stores, lambda scope: Source("aws", place(scope)), self.clock, {}), give


class TestAzure(SecretsConformance):
    bytes_max = 25_000  # of the store itself

    @pytest.fixture(autouse=True)
    def _server(self, azure: far.Tls, key_vault: far.KeyVault, clock: Clock, signed_in: None) -> None:
        self.tls, self.held, self.clock = azure, key_vault, clock

    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        def give(scope: Scope, name: str, value: bytes) -> None:
            assert len(value) <= self.bytes_max
            spelled = name.replace(".", "-").replace("/", "-")
            self.held.give(f"{scope.tenant}-{scope.env}-{spelled}", value)

        stores = Stores(azure=AzureStore(url=self.tls.url, ca=self.tls.ca))
        return sources(stores, lambda scope: Source("azure", f"corp/{scope.tenant}-{scope.env}"), self.clock, {}), give


class TestGoogle(SecretsConformance):
    @pytest.fixture(autouse=True)
    def _server(self, google: str, project: far.Held, clock: Clock) -> None:
        self.url, self.held, self.clock = google, project, clock

    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        def give(scope: Scope, name: str, value: bytes) -> None:
            spelled = name.replace(".", "-").replace("/", "-")
            self.held.give(f"projects/{scope.tenant}-{scope.env}/secrets/{spelled}", value)

        stores = Stores(gcp=GcpStore(url=self.url))
        return sources(stores, lambda scope: Source("gcp", f"{scope.tenant}-{scope.env}"), self.clock, {}), give


# -- values that are kept ----------------------------------------------------------------------------------------


class Asked:
    """A store in the test's hands: what it says, or what it raises."""

    def __init__(self) -> None:
        self.says: Secret | Exception = Secret(VALUE, "1")
        self.times = 0
        self.begun = asyncio.Event()
        self.waits: asyncio.Event | None = None

    async def __call__(self, name: str) -> Secret:
        self.times += 1
        self.begun.set()
        said = self.says
        if self.waits is not None:
            await self.waits.wait()
        if isinstance(said, Exception):
            raise said
        return said


def keeping(store: Asked, clock: Clock, *, fresh_s: int = 0, stale_s: int = 60) -> Kept:
    return Kept(store, Terms(fresh_s * 1_000_000, stale_s * 1_000_000), clock)


@pytest.mark.req("GRE-66.9")
async def test_a_value_stands_in_for_a_store_that_does_not_answer_as_long_as_is_said_and_no_longer(
    clock: Clock,
) -> None:
    store = Asked()
    secrets = keeping(store, clock, stale_s=60)
    await secrets.get(ACME, NAME)
    store.says = Unreached("It does not answer.")
    clock.pass_s(59.9)
    assert (await secrets.get(ACME, NAME)).reveal() == VALUE
    clock.pass_s(0.1)
    with pytest.raises(Unavailable) as caught:
        await secrets.get(ACME, NAME)
    assert caught.value.code == "secret_store_unavailable"
    store.says = Secret("the next value", "2")
    clock.pass_s(1.0)
    assert (await secrets.get(ACME, NAME)).reveal() == "the next value"


@pytest.mark.req("GRE-66.9")
async def test_a_value_that_is_fresh_is_used_without_asking_again(clock: Clock) -> None:
    store = Asked()
    secrets = keeping(store, clock, fresh_s=10)
    for _ in range(5):
        await secrets.get(ACME, NAME)
    assert store.times == 1
    clock.pass_s(10)
    await secrets.get(ACME, NAME)
    assert store.times == 2


@pytest.mark.req("GRE-66.9")
async def test_of_a_clock_that_went_back_nothing_is_fresh(clock: Clock) -> None:
    store = Asked()
    secrets = keeping(store, clock, fresh_s=10)
    await secrets.get(ACME, NAME)
    clock.pass_s(-3600)
    await secrets.get(ACME, NAME)
    assert store.times == 2


@pytest.mark.req("GRE-66.9")
@pytest.mark.parametrize("said", [NotFound("Gone.", code="secret_unknown"), Unavailable("Not for you.")])
async def test_what_a_store_says_ends_the_use_of_an_earlier_value(clock: Clock, said: LichenError) -> None:
    store = Asked()
    secrets = keeping(store, clock)
    await secrets.get(ACME, NAME)
    store.says = said
    with pytest.raises(type(said)):
        await secrets.get(ACME, NAME)
    store.says = Unreached("It does not answer.")
    with pytest.raises(Unreached):
        await secrets.get(ACME, NAME)


@pytest.mark.req("GRE-66.9")
async def test_a_store_that_did_not_answer_is_left_alone_for_a_second(clock: Clock) -> None:
    store = Asked()
    store.says = Unreached("It does not answer.")
    secrets = keeping(store, clock)
    for _ in range(5):
        with pytest.raises(Unreached):
            await secrets.get(ACME, NAME)
    assert store.times == 1
    clock.pass_s(1.0)
    store.says = Secret(VALUE)
    assert (await secrets.get(ACME, NAME)).reveal() == VALUE


@pytest.mark.req("GRE-66.9")
async def test_a_store_that_hangs_is_one_that_does_not_answer(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ASKED_S", 0.01)
    store = Asked()
    secrets = keeping(store, clock)
    await secrets.get(ACME, NAME)
    store.waits = asyncio.Event()
    assert (await secrets.get(ACME, NAME)).reveal() == VALUE
    clock.pass_s(61)
    with pytest.raises(Unreached):
        await secrets.get(ACME, NAME)


@pytest.mark.req("GRE-66.10")
async def test_a_value_that_is_forgotten_is_asked_for_anew(clock: Clock) -> None:
    store = Asked()
    secrets = keeping(store, clock, fresh_s=3600)
    await secrets.get(ACME, NAME)
    store.says = Secret("the next value", "2")
    assert (await secrets.get(ACME, NAME)).reveal() == VALUE
    secrets.forget(NAME)
    assert (await secrets.get(ACME, NAME)).reveal() == "the next value"


@pytest.mark.req("GRE-66.10")
async def test_what_was_asked_for_before_a_value_was_forgotten_is_not_kept(clock: Clock) -> None:
    store = Asked()
    secrets = keeping(store, clock, fresh_s=3600)
    store.waits = asyncio.Event()
    early = asyncio.ensure_future(secrets.get(ACME, NAME))
    await store.begun.wait()
    secrets.forget(NAME)
    store.says = Secret("the next value", "2")
    store.waits.set()
    await early
    assert (await secrets.get(ACME, NAME)).reveal() == "the next value"


@pytest.mark.req("GRE-66.10")
async def test_one_secret_is_forgotten_by_its_name_or_its_address(clock: Clock, google: str, project: far.Held) -> None:
    for name in ("payments-key", "mail-signing-key"):
        project.give(f"projects/acme-dev/secrets/{name}", b"the first value")
    secrets = one(Stores(fresh_s=3600, gcp=GcpStore(url=google)), Source("gcp", "acme-dev"), clock)
    for name in (NAME, OTHER):
        await secrets.get(ACME, name)
        project.give(f"projects/acme-dev/secrets/{name.replace('.', '-').replace('/', '-')}", b"the second value")
    secrets.forget(ACME, "secrets://dev/acme/_/mail/signing-key")
    secrets.forget(ACME, "nobody.asked")
    assert (await secrets.get(ACME, OTHER)).reveal() == "the second value"
    assert (await secrets.get(ACME, NAME)).reveal() == "the first value"
    secrets.forget(ACME, NAME)
    assert (await secrets.get(ACME, NAME)).reveal() == "the second value"


@pytest.mark.req("GRE-66.9")
async def test_only_so_many_values_are_kept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_MAX", 2)
    store = Asked()
    secrets = keeping(store, clock, fresh_s=3600)
    for name in ("a", "b", "c", "b", "c"):
        await secrets.get(ACME, name)
    assert store.times == 3
    await secrets.get(ACME, "a")
    assert store.times == 4


# -- addresses of Greentic's -------------------------------------------------------------------------------------


@pytest.mark.req("GRE-66.11")
@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("secrets://dev/acme/_/payments/key", "payments/key"),
        ("secrets://DEV/Acme/_/Payments/API_Key", "payments/api_key"),
        ("secrets://dev/acme/support/payments/key", "teams/support/payments/key"),
        ("secrets://dev/acme/_/messaging/telegram/bot-token", "messaging/telegram/bot-token"),
    ],
)
def test_a_secret_of_greentic_has_a_name_here(uri: str, name: str) -> None:
    assert name_of_uri(uri, ACME) == name


@pytest.mark.req("GRE-66.11")
@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("secrets://dev/globex/_/payments/key", "secret_unknown"),
        ("secrets://prod/acme/_/payments/key", "secret_unknown"),
        ("secrets://dev/acme/_/key", "secret_name_invalid"),
        ("secrets://dev/acme/_/payments/../key", "secret_name_invalid"),
        ("secrets://dev/acme/_/payments//key", "secret_name_invalid"),
        ("secrets://dev/acme/_/payments/", "secret_name_invalid"),
        ("secrets://dev/acme/_/teams/support/payments/key", "secret_name_invalid"),  # which is another's
        ("secrets://dev/acme/_/payments/ke\u0301y", "secret_name_invalid"),
        ("secret://dev/acme/_/payments/key", "secret_name_invalid"),
    ],
)
def test_what_is_no_address_or_anothers_leads_nowhere(uri: str, code: str) -> None:
    with pytest.raises(LichenError) as caught:
        name_of_uri(uri, ACME)
    assert caught.value.code == code


@pytest.mark.req("GRE-66.11")
async def test_a_secret_is_found_by_its_address_too(clock: Clock, bao: far.Bao) -> None:
    place = f"of-test-{next(COUNT)}"
    bao.root.secrets.kv.v2.create_or_update_secret(f"{place}/payments/key", secret={"value": VALUE})
    secrets = one(Stores(vault=VaultStore(url=bao.url)), Source("vault", f"secret/{place}"), clock)
    assert (await secrets.get(ACME, "secrets://dev/acme/_/payments/key")).reveal() == VALUE
    with pytest.raises(NotFound):
        await secrets.get(GLOBEX, "secrets://dev/acme/_/payments/key")


# -- what is not there to be asked -------------------------------------------------------------------------------

EXTRAS = [
    ("vault", "secret/acme", "hvac", "vault"),
    ("aws", "acme", "boto3", "aws-secrets"),
    ("azure", "acme", "azure.keyvault.secrets", "azure-secrets"),
    ("gcp", "acme-dev", "google.cloud.secretmanager_v1", "gcp-secrets"),
]


@pytest.mark.req("GRE-66.12")
@pytest.mark.parametrize(("kind", "detail", "module", "extra"), EXTRAS)
async def test_a_library_that_is_not_installed_is_named_with_how_to_install_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: str, detail: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Invalid) as caught:
        await one(Stores(), Source(kind, detail), clock).get(ACME, NAME)
    assert caught.value.code == "secrets_extra_missing"
    assert f"pip install '.[{extra}]'" in caught.value.next_step


@pytest.mark.req("GRE-66.12")
def test_no_client_is_imported_before_a_secret_is_wanted_through_it() -> None:
    code = (
        "import sys, lichen.runtime.wiring, lichen.gate.vaults.kinds as k\n"
        "from lichen.core.remote.stores import Stores\n"
        "[k.Vaults(Stores(), {}, lambda: 0).kinds[kind] for kind in k.KINDS]\n"
        "print([m for m in ('hvac', 'boto3', 'azure', 'google', 'requests') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.req("GRE-66.13")
@pytest.mark.parametrize(
    ("stores", "source"),
    [
        (Stores(vault=VaultStore(url="http://vault.example:8200")), Source("vault", "secret/acme")),
        (Stores(azure=AzureStore(url="http://127.0.0.1")), Source("azure", "acme")),
        (Stores(gcp=GcpStore(url="http://secrets.example")), Source("gcp", "acme-dev")),
    ],
)
async def test_no_store_elsewhere_is_reached_without_tls(
    clock: Clock, signed_in: None, stores: Stores, source: Source
) -> None:
    with pytest.raises(Invalid) as caught:
        await one(stores, source, clock).get(ACME, NAME)
    assert caught.value.code == "secret_store_insecure"


NOWHERE = "127.0.0.1:9"


@pytest.mark.req("GRE-66.9")
@pytest.mark.parametrize(
    ("stores", "source"),
    [
        (Stores(vault=VaultStore(url=f"http://{NOWHERE}")), Source("vault", "secret/acme")),
        (Stores(aws=AwsStore(url=f"http://{NOWHERE}")), Source("aws", "acme")),
        (Stores(azure=AzureStore(url=f"https://{NOWHERE}")), Source("azure", "acme")),
        (Stores(gcp=GcpStore(url=f"http://{NOWHERE}")), Source("gcp", "acme-dev")),
    ],
)
async def test_a_store_that_is_down_says_so_and_nothing_else(
    clock: Clock, signed_in: None, stores: Stores, source: Source
) -> None:
    with pytest.raises(Unreached) as caught:
        await one(stores, source, clock).get(ACME, NAME)
    assert NOWHERE not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_vault_that_nobody_says_the_place_of_is_asked_for(clock: Clock) -> None:
    with pytest.raises(Invalid) as caught:
        await one(Stores(), Source("vault", "secret/acme"), clock).get(ACME, NAME)
    assert caught.value.code == "secret_store_unset"


# -- what each has of its own ------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.24")
async def test_aws_gives_what_a_rotation_left_and_what_it_brings_by_its_stage(
    clock: Clock, moto: str, signed_in: None
) -> None:
    client, id = aws_client(moto), f"of-test-{next(COUNT)}/hook"
    stores = Stores(aws=AwsStore(url=moto))
    first = aws_put(client, id, b"the first value")
    now, before, pending, pinned = (
        one(stores, Source("aws", f"{id}{stage}", True), clock)
        for stage in ("", "@AWSPREVIOUS", "@AWSPENDING", f"@{first}")
    )
    with pytest.raises(NotFound):
        await before.get(ACME, NAME)
    client.put_secret_value(SecretId=id, SecretString="the second value", VersionStages=["AWSPENDING"])
    assert (await now.get(ACME, NAME)).reveal() == "the first value"
    assert (await pending.get(ACME, NAME)).reveal() == "the second value"
    aws_put(client, id, b"the third value")
    assert (await now.get(ACME, NAME)).reveal() == "the third value"
    left = await before.get(ACME, NAME)
    assert left.reveal() == (await pinned.get(ACME, NAME)).reveal() == "the first value"
    assert left.version == first.replace("-", "")


@pytest.mark.req("SYM-95.24")
async def test_aws_gives_bytes_fields_and_nothing_that_is_to_be_deleted(
    clock: Clock, moto: str, signed_in: None
) -> None:
    client, id = aws_client(moto), f"of-test-{next(COUNT)}"
    stores = Stores(aws=AwsStore(url=moto))
    client.create_secret(Name=f"{id}/bytes", SecretBinary=b"\xff\x00")
    aws_put(client, f"{id}/json", b'{"user": "clerk", "port": 5}')
    assert (await one(stores, Source("aws", f"{id}/bytes", True), clock).get(ACME, NAME)).reveal_bytes() == b"\xff\x00"
    assert (await one(stores, Source("aws", f"{id}/json#user", True), clock).get(ACME, NAME)).reveal() == "clerk"
    for field in ("port", "none", "user.name"):
        with pytest.raises(Unavailable) as caught:
            await one(stores, Source("aws", f"{id}/json#{field}", True), clock).get(ACME, NAME)
        assert "clerk" not in str(caught.value)
    client.delete_secret(SecretId=f"{id}/json")
    with pytest.raises(NotFound):
        await one(stores, Source("aws", f"{id}/json", True), clock).get(ACME, NAME)


@pytest.mark.req("SYM-95.24")
async def test_azure_and_google_give_versions_and_fields(
    clock: Clock, signed_in: None, azure: far.Tls, key_vault: far.KeyVault, google: str, project: far.Held
) -> None:
    stores = Stores(azure=AzureStore(url=azure.url, ca=azure.ca), gcp=GcpStore(url=google))
    for user in ("first", "second"):
        key_vault.give("hook", f'{{"user": "{user}"}}'.encode())
        project.give("projects/acme-dev/secrets/hook", f'{{"user": "{user}"}}'.encode())
    first = key_vault.version(1)
    for source, user, version in (
        (Source("azure", "corp/hook#user", True), "second", key_vault.version(2)),
        (Source("azure", f"corp/hook@{first}#user", True), "first", first),
        (Source("gcp", "acme-dev/hook#user", True), "second", "2"),
        (Source("gcp", "acme-dev/hook@1#user", True), "first", "1"),
    ):
        found = await one(stores, source, clock).get(ACME, NAME)
        assert (found.reveal(), found.version) == (user, version)


@pytest.mark.req("GRE-66.9")
@pytest.mark.parametrize(("status", "answers"), [(403, True), (401, True), (429, False), (500, False), (503, False)])
async def test_a_store_that_refuses_has_answered_and_one_that_is_overloaded_has_not(
    clock: Clock, signed_in: None, azure: far.Tls, key_vault: far.KeyVault, google: str, project: far.Held,
    status: int, answers: bool,
) -> None:  # fmt: skip
    stores = Stores(azure=AzureStore(url=azure.url, ca=azure.ca), gcp=GcpStore(url=google))
    for held, name, source in (
        (key_vault, "payments-key", Source("azure", "corp")),
        (project, "projects/acme-dev/secrets/payments-key", Source("gcp", "acme-dev")),
    ):
        held.give(name, VALUE.encode())
        secrets = one(stores, source, clock)
        await secrets.get(ACME, NAME)
        held.fails = status
        if answers:
            with pytest.raises(Unavailable) as caught:
                await secrets.get(ACME, NAME)
            assert not isinstance(caught.value, Unreached)
        else:
            assert (await secrets.get(ACME, NAME)).reveal() == VALUE
