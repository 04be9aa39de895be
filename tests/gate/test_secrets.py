"""Where secrets come from: what all sources promise, and what each does with what is wrong."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from lichen.core.ports.secrets import MASK, SEALED, SECRET_BYTES_MAX, Secret, Secrets, SecretStore, Source, fingerprint
from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.gate.secrets import sealed, sources
from lichen.gate.secrets.sealed import SealedSecrets
from lichen.gate.secrets.sources import Make, Sources, built_in
from lichen.log.audit.backup import restore_keys
from lichen.log.keys.keyring import Keyring
from lichen.log.keys.masterkey import MasterKey
from lichen.testing.secrets_conformance import ACME, GLOBEX, NAME, OTHER, SecretsConformance, SecretStoreConformance

KEY = bytes(range(32))
VALUE = "sk_live_51H8abcdefQ"


def sealed_in(folder: Path, key: bytes = KEY) -> SealedSecrets:
    return SealedSecrets(folder, MasterKey(key, os.urandom))


def ours(environ: Mapping[str, str], store: SealedSecrets) -> Make:
    kinds = built_in(environ, store)
    return lambda source: kinds[source.kind](source) if source.kind in kinds else None


def of_scopes(kind: str, detail: Callable[[Scope], str]) -> Callable[[Scope, str], Source]:
    return lambda scope, name: Source(kind, detail(scope))


class TestEnvironmentVariables(SecretsConformance):
    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        environ: dict[str, str] = {}

        def prefix(scope: Scope) -> str:
            return f"{scope.tenant}_{scope.env}_".upper()

        def give(scope: Scope, name: str, value: bytes) -> None:
            spelled = name.upper().replace(".", "_").replace("/", "_").replace("-", "_")
            environ[prefix(scope) + spelled] = value.decode()

        return Sources(of_scopes("env", prefix), ours(environ, sealed_in(folder))), give


class TestMountedFiles(SecretsConformance):
    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        def place(scope: Scope) -> Path:
            return folder / f"{scope.tenant}-{scope.env}"

        def give(scope: Scope, name: str, value: bytes) -> None:
            path = place(scope) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value + b"\n")

        source_of = of_scopes("mounted", lambda scope: str(place(scope)))
        return Sources(source_of, ours({}, sealed_in(folder))), give


class TestTheSealedFile(SecretStoreConformance):
    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        store = sealed_in(folder)

        def give(scope: Scope, name: str, value: bytes) -> None:
            store._put(scope, name, Secret(value), name in store.names(scope))  # pyright: ignore[reportPrivateUsage]

        return store, give

    def store(self, folder: Path) -> SecretStore:
        return sealed_in(folder)


# -- a value -----------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.8")
def test_nothing_but_reveal_shows_a_value() -> None:
    secret = Secret(VALUE, "3")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}".strip(),
        f"{secret}",
        repr([secret]),
        repr({"k": secret}),
    ]
    assert not any(VALUE in each for each in shown)
    assert repr(secret) == MASK
    assert secret.reveal() == VALUE
    assert not hasattr(secret, "__dict__")


WRITES = (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, json.JSONEncoder().encode, msgspec.to_builtins)


@pytest.mark.req("SYM-95.8")
@pytest.mark.parametrize("write", WRITES)
def test_a_value_is_written_by_nothing(write: Callable[[object], object]) -> None:
    for value in (Secret(VALUE), [Secret(VALUE)], {"key": Secret(VALUE)}):
        with pytest.raises(TypeError) as caught:
            write(value)
        assert VALUE not in str(caught.value)


@pytest.mark.req("SYM-95.8")
def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@pytest.mark.req("GRE-66.5")
@pytest.mark.parametrize("data", [b"", b"x" * (SECRET_BYTES_MAX + 1)])
def test_a_value_is_bounded(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        Secret(data)
    assert caught.value.code == "secret_size"


@pytest.mark.req("SYM-95.8")
def test_bytes_that_are_no_text_are_revealed_as_bytes_alone() -> None:
    with pytest.raises(Invalid) as caught:
        Secret(b"\xff\xfe").reveal()
    assert caught.value.code == "secret_not_text"
    assert caught.value.__cause__ is None
    assert Secret(b"\xff\xfe").reveal_bytes() == b"\xff\xfe"


@pytest.mark.req("SYM-95.3")
def test_a_fingerprint_changes_with_value_and_name_and_tells_the_version() -> None:
    def digest(data: bytes) -> bytes:
        return b"".join((len(data).to_bytes(2, "big"), data))[-8:]

    marks = {fingerprint(NAME, Secret("one value"), digest), fingerprint(NAME, Secret("other one"), digest)}
    assert len(marks) == 2
    assert fingerprint(NAME, Secret("one value", "7"), digest).startswith("7-")


# -- the sealed file ---------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.9")
async def test_the_file_holds_no_value_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    await sealed_in(folder).put(ACME, NAME, Secret(VALUE), replaces=False)
    (path,) = folder.iterdir()
    assert VALUE.encode() not in path.read_bytes()
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.req("SYM-95.9")
@pytest.mark.parametrize("where", ["name", "tenant", "version"])
async def test_an_entry_stands_in_for_no_other(tmp_path: Path, where: str) -> None:
    store = sealed_in(tmp_path)
    await store.put(ACME, NAME, Secret(VALUE), replaces=False)
    path = tmp_path / "acme.dev.secrets"
    held = json.loads(path.read_bytes())
    match where:
        case "name":
            held["secrets"][OTHER] = held["secrets"][NAME]
        case "tenant":
            path = tmp_path / "globex.dev.secrets"
        case _:
            held["secrets"][NAME]["version"] = 2
    path.write_text(json.dumps(held))
    scope, name = {"name": (ACME, OTHER), "tenant": (GLOBEX, NAME)}.get(where, (ACME, NAME))
    with pytest.raises(Unavailable) as caught:
        await store.get(scope, name)
    assert caught.value.code == "secret_store_unavailable"


@pytest.mark.req("SYM-95.9")
async def test_another_master_key_opens_nothing_and_says_so(tmp_path: Path) -> None:
    await sealed_in(tmp_path).put(ACME, NAME, Secret(VALUE), replaces=False)
    other = sealed_in(tmp_path, bytes(32))
    with pytest.raises(Unavailable) as caught:
        await other.get(ACME, NAME)
    assert "does not open with these keys" in caught.value.message
    assert other.names(ACME) == {NAME}
    await other.put(ACME, NAME, Secret("another"), replaces=True)
    assert (await other.get(ACME, NAME)).reveal() == "another"


@pytest.mark.req("SYM-95.9")
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format":2}', b'{"format":1,"secrets":{"a":1}}', b"\xff"])
async def test_a_damaged_file_is_named_and_stays_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "acme.dev.secrets"
    path.write_bytes(data)
    store = sealed_in(tmp_path)
    for work in (store.get(ACME, NAME), store.put(ACME, NAME, Secret(VALUE), replaces=False)):
        with pytest.raises(Unavailable) as caught:
            await work
        assert caught.value.place == str(path)
    assert path.read_bytes() == data


@pytest.mark.req("SYM-95.9")
async def test_where_the_disk_is_full_the_old_value_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = sealed_in(tmp_path)
    await store.put(ACME, NAME, Secret(VALUE), replaces=False)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable) as caught:
            await store.put(ACME, NAME, Secret("another"), replaces=True)
    assert caught.value.code == "secret_store_unavailable"
    assert (await store.get(ACME, NAME)).reveal() == VALUE
    await store.put(ACME, NAME, Secret("another"), replaces=True)


@pytest.mark.req("SYM-95.9")
async def test_there_are_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "NAMES_MAX", 2)
    store = sealed_in(tmp_path)
    for name in ("a", "b"):
        await store.put(ACME, name, Secret(VALUE), replaces=False)
    with pytest.raises(Conflict) as caught:
        await store.put(ACME, "c", Secret(VALUE), replaces=False)
    assert caught.value.code == "secrets_full"
    await store.put(ACME, "b", Secret("another"), replaces=True)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from lichen.core.ports.secrets import Secret
from lichen.core.words import faults
from tests.gate.test_secrets import ACME, NAME, sealed_in

faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == sys.argv[2] else None)
asyncio.run(sealed_in(Path(sys.argv[1])).put(ACME, NAME, Secret("the new value"), replaces=True))
"""


@pytest.mark.req("SYM-95.9")
@pytest.mark.parametrize(
    ("point", "value"), [("secrets.replace.before", VALUE), ("secrets.replace.after", "the new value")]
)
async def test_a_death_in_the_middle_leaves_the_old_value_or_the_new_one(
    tmp_path: Path, point: str, value: str
) -> None:
    store = sealed_in(tmp_path)
    await store.put(ACME, NAME, Secret(VALUE), replaces=False)
    await store.put(ACME, OTHER, Secret("beside it"), replaces=False)
    command = [sys.executable, "-c", KILLED, str(tmp_path), point]
    died = await asyncio.to_thread(subprocess.run, command, check=False)
    assert died.returncode == -signal.SIGKILL
    assert (await store.get(ACME, NAME)).reveal() == value
    assert (await store.get(ACME, OTHER)).reveal() == "beside it"
    await store.put(ACME, NAME, Secret("and on it goes"), replaces=True)
    assert await asyncio.to_thread(lambda: [path.name for path in tmp_path.iterdir()]) == ["acme.dev.secrets"]


@pytest.mark.req("SYM-95.10")
async def test_sealed_secrets_are_in_the_backup_of_their_keys_alone(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keys", os.urandom)
    store = SealedSecrets(keyring.secrets_folder, keyring.master)
    for scope in (ACME, GLOBEX):
        await store.put(scope, NAME, Secret(f"{VALUE} of {scope.tenant}"), replaces=False)
    keyring.backup(tmp_path / "all")
    keyring.backup(tmp_path / "one", logs=["acme/dev/0"])
    keyring.close()
    assert sorted(path.name for path in (tmp_path / "one" / "secrets").iterdir()) == ["acme.dev.secrets"]
    again = Keyring.open(tmp_path / "all", os.urandom)
    found = await SealedSecrets(again.secrets_folder, again.master).get(GLOBEX, NAME)
    assert found.reveal() == f"{VALUE} of globex"
    again.close()


# -- mounted files -----------------------------------------------------------------------------------------------


def mounted(source: Source) -> Sources:
    return Sources(lambda scope, name: source, ours({}, sealed_in(Path("/nowhere"))))


@pytest.mark.req("GRE-66.6")
async def test_a_mount_that_is_turned_is_followed_as_kubernetes_turns_it(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / NAME).write_text(f"value {version}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / NAME).symlink_to(f"..data/{NAME}")
    secrets = mounted(Source("mounted", str(tmp_path)))
    assert (await secrets.get(ACME, NAME)).reveal() == "value 1"
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert (await secrets.get(ACME, NAME)).reveal() == "value 2"
    exact = mounted(Source("mounted", str(tmp_path / NAME), is_exact=True))
    assert (await exact.get(ACME, OTHER)).reveal() == "value 2"


@pytest.mark.req("GRE-66.6")
@pytest.mark.parametrize("how", ["link out", "folder link out", "fifo", "folder", "open", "huge", "empty", "loop"])
async def test_a_mount_that_is_not_as_it_should_be_is_not_read(tmp_path: Path, how: str) -> None:
    mount, outside = tmp_path / "mount", tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "key").write_text(VALUE)
    mount.mkdir()
    path, name = mount / "key", "key"
    match how:
        case "link out":
            path.symlink_to(outside / "deep" / "key")
        case "folder link out":
            (mount / "deep").symlink_to(outside / "deep")
            name = "deep/key"
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "open":
            path.write_text(VALUE)
            path.chmod(0o666)
        case "huge":
            path.write_bytes(b"x" * (SECRET_BYTES_MAX + 2))
        case "loop":
            path.symlink_to(path)
        case _:
            path.write_text("\n")
    with pytest.raises(Unavailable) as caught:
        await mounted(Source("mounted", str(mount))).get(ACME, name)
    assert caught.value.code == "secret_store_unavailable"
    assert VALUE not in str(caught.value)


# -- which source ------------------------------------------------------------------------------------------------


class Broken:
    """An adapter that says what it should not, or nothing at all."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def get(self, scope: Scope, name: str) -> Secret:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.req("GRE-66.7")
@pytest.mark.parametrize("error", [ValueError(VALUE), OSError(VALUE), KeyError(VALUE), None])
async def test_what_an_adapter_says_when_it_breaks_is_not_passed_on(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "ANSWER_S", 0.01)
    secrets = Sources(lambda scope, name: Source("own"), lambda source: Broken(error))
    with pytest.raises(Unavailable) as caught:
        await secrets.get(ACME, NAME)
    assert caught.value.code == "secret_store_unavailable"
    assert VALUE not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.req("GRE-66.7")
async def test_a_source_that_nobody_has_is_named_by_nothing_it_says() -> None:
    secrets = Sources(lambda scope, name: Source(VALUE), ours({}, sealed_in(Path("/nowhere"))))
    with pytest.raises(NotFound) as caught:
        await secrets.get(ACME, NAME)
    assert caught.value.code == "secret_source_unknown"
    assert VALUE not in str(caught.value)


@pytest.mark.req("SYM-95.7")
@pytest.mark.parametrize("source", [Source("env", "ACME_"), Source("mounted", "/run/secrets")])
def test_what_is_kept_elsewhere_is_written_there(source: Source, tmp_path: Path) -> None:
    with pytest.raises(Conflict) as caught:
        Sources(lambda scope, name: source, ours({}, sealed_in(tmp_path))).store(ACME, NAME)
    assert caught.value.code == "secret_elsewhere"
    assert Sources(lambda scope, name: SEALED, ours({}, sealed_in(tmp_path))).store(ACME, NAME)


async def test_an_error_of_an_adapter_is_a_word_of_ours(tmp_path: Path) -> None:
    secrets = Sources(lambda scope, name: Source("env", "ACME_"), ours({}, sealed_in(tmp_path)))
    with pytest.raises(LichenError) as caught:
        await secrets.get(ACME, NAME)
    assert "ACME_PAYMENTS_KEY" in caught.value.next_step


@pytest.mark.req("SYM-95.10")
async def test_restored_keys_bring_their_secrets_back(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keys", os.urandom)
    await SealedSecrets(keyring.secrets_folder, keyring.master).put(ACME, NAME, Secret(VALUE), replaces=False)
    keyring.backup(tmp_path / "copy")
    keyring.close()
    restore_keys(tmp_path / "copy", tmp_path / "new", homes=[], erasure_lists=[])
    again = Keyring.open(tmp_path / "new", os.urandom)
    assert (await SealedSecrets(again.secrets_folder, again.master).get(ACME, NAME)).reveal() == VALUE
    assert (tmp_path / "new" / "secrets" / "acme.dev.secrets").stat().st_mode & 0o777 == 0o600
    again.close()
