"""What every source of secrets must do, whatever keeps them. An adapter's test subclasses it and stocks one."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from lichen.core.ports.secrets import SECRET_BYTES_MAX, Secret, Secrets, SecretStore
from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound
from lichen.core.words.scope import Scope

ACME, ACME_PROD, GLOBEX = Scope("acme", "dev"), Scope("acme", "prod"), Scope("globex", "dev")
NAME, OTHER = "payments.key", "mail/signing-key"

NO_NAMES = (
    "", ".", "..", "../payments.key", "a/../payments.key", "/payments.key", "payments.key/", "a//b", "Payments.Key",
    "payments key", "payments.key\n", "payments\x00key", "a" * 129, "ä",
)  # fmt: skip


class SecretsConformance:
    """`stock(folder)` gives a source, and what puts a value where it is found."""

    bytes_max: ClassVar[int] = SECRET_BYTES_MAX
    """The largest value, where the store itself takes less than Lichen does."""

    def stock(self, folder: Path) -> tuple[Secrets, Callable[[Scope, str, bytes], None]]:
        """A source over an empty folder, and `give(scope, name, value)`: the first value of a name, or the next."""
        raise NotImplementedError

    @pytest.mark.req("GRE-66.1")
    async def test_what_was_given_is_found_as_it_is(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        give(ACME, NAME, "sk_live_ä".encode())
        give(ACME, OTHER, b"-----BEGIN KEY-----\nAAAA\n-----END KEY-----")
        assert (await secrets.get(ACME, NAME)).reveal() == "sk_live_ä"
        assert (await secrets.get(ACME, OTHER)).reveal_bytes().splitlines()[1] == b"AAAA"

    @pytest.mark.req("GRE-66.2")
    async def test_another_value_counts_at_the_next_use(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        give(ACME, NAME, b"the first value")
        first = await secrets.get(ACME, NAME)
        give(ACME, NAME, b"the second value")
        second = await secrets.get(ACME, NAME)
        assert [each.reveal() for each in (first, second)] == ["the first value", "the second value"]
        assert not first.version or first.version != second.version

    @pytest.mark.req("GRE-66.3")
    async def test_what_is_not_there_is_unknown(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        give(ACME, NAME, b"a value")
        with pytest.raises(NotFound) as caught:
            await secrets.get(ACME, OTHER)
        assert caught.value.code == "secret_unknown"

    @pytest.mark.req("GRE-54.1")
    async def test_no_tenant_and_no_environment_is_given_what_is_anothers(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        for scope in (ACME, ACME_PROD, GLOBEX):
            give(scope, NAME, f"of {scope.tenant} {scope.env}".encode())
        give(GLOBEX, OTHER, b"of globex alone")
        found = [(await secrets.get(scope, NAME)).reveal() for scope in (ACME, ACME_PROD, GLOBEX)]
        assert found == ["of acme dev", "of acme prod", "of globex dev"]
        for scope in (ACME, ACME_PROD):
            with pytest.raises(NotFound):
                await secrets.get(scope, OTHER)

    @pytest.mark.req("GRE-66.4")
    @pytest.mark.parametrize("name", NO_NAMES)
    async def test_what_is_no_name_leads_nowhere(self, tmp_path: Path, name: str) -> None:
        secrets, give = self.stock(tmp_path)
        give(ACME, NAME, b"a value")
        give(GLOBEX, NAME, b"another")
        with pytest.raises(LichenError) as caught:
            await secrets.get(ACME, name)
        assert caught.value.code in ("secret_name_invalid", "secret_unknown")

    @pytest.mark.req("GRE-66.5")
    async def test_the_largest_value_there_may_be_is_found(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        give(ACME, NAME, b"x" * self.bytes_max)
        assert len((await secrets.get(ACME, NAME)).reveal_bytes()) == self.bytes_max

    @pytest.mark.req("GRE-66.2")
    async def test_many_are_served_at_once(self, tmp_path: Path) -> None:
        secrets, give = self.stock(tmp_path)
        for scope in (ACME, GLOBEX):
            give(scope, NAME, scope.tenant.encode())
        asked = [ACME, GLOBEX] * 20
        found = await asyncio.gather(*(secrets.get(scope, NAME) for scope in asked))
        assert [each.reveal() for each in found] == [scope.tenant for scope in asked]


class SecretStoreConformance(SecretsConformance):
    """The same of a store that Lichen writes to. `store(folder)` opens it, again over what an earlier one left."""

    def store(self, folder: Path) -> SecretStore:
        """The store over a folder."""
        raise NotImplementedError

    @pytest.mark.req("SYM-95.7")
    async def test_a_first_value_replaces_none_and_a_next_one_needs_one(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        with pytest.raises(NotFound):
            await store.put(ACME, NAME, Secret("a value"), replaces=True)
        first = await store.put(ACME, NAME, Secret("a value"), replaces=False)
        with pytest.raises(Conflict) as caught:
            await store.put(ACME, NAME, Secret("another"), replaces=False)
        assert caught.value.code == "secret_exists"
        assert (await store.get(ACME, NAME)).reveal() == "a value"
        second = await store.put(ACME, NAME, Secret("another"), replaces=True)
        assert first.version != second.version
        assert (await store.get(ACME, NAME)).version == second.version

    @pytest.mark.req("SYM-95.7")
    async def test_what_was_removed_is_unknown_and_the_others_stay(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        for scope, name in ((ACME, NAME), (ACME, OTHER), (GLOBEX, NAME)):
            await store.put(scope, name, Secret(f"{scope.tenant} {name}"), replaces=False)
        await store.remove(ACME, NAME)
        for work in (store.get(ACME, NAME), store.remove(ACME, NAME)):
            with pytest.raises(NotFound):
                await work
        assert (await store.get(ACME, OTHER)).reveal() == f"acme {OTHER}"
        assert (await store.get(GLOBEX, NAME)).reveal() == f"globex {NAME}"

    @pytest.mark.req("SYM-95.7")
    async def test_what_was_put_is_there_for_whoever_opens_the_store_next(self, tmp_path: Path) -> None:
        await self.store(tmp_path).put(ACME, NAME, Secret("a value"), replaces=False)
        assert (await self.store(tmp_path).get(ACME, NAME)).reveal() == "a value"

    @pytest.mark.req("SYM-95.7")
    async def test_of_many_who_put_at_once_nobody_is_lost(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        names = [f"key-{n}" for n in range(20)]
        await asyncio.gather(*(store.put(ACME, name, Secret(name), replaces=False) for name in names))
        assert [(await store.get(ACME, name)).reveal() for name in names] == names

    @pytest.mark.req("GRE-66.4")
    async def test_nothing_is_put_under_what_is_no_name(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        for name in NO_NAMES:
            with pytest.raises(Invalid):
                await store.put(ACME, name, Secret("a value"), replaces=False)
