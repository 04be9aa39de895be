"""The kinds of sources that are stores of others, made over one client each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, Protocol

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import Stores
from lichen.gate.vaults import aws, azure, gcp, vault
from lichen.gate.vaults.calls import Threads
from lichen.gate.vaults.kept import Kept, Terms

KINDS: Final = (aws.KIND, azure.KIND, gcp.KIND, vault.KIND)
SECOND_US: Final = 1_000_000


class Store(Protocol):
    """A store as its client reads it, in whichever thread."""

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        ...


class Vaults:
    """Makes the sources of these kinds. A client is imported and made when a secret is first wanted through it."""

    def __init__(self, stores: Stores, environ: Mapping[str, str], clock: Callable[[], int]) -> None:
        self._clock, self._threads = clock, Threads()
        self._terms = Terms(int(stores.fresh_s * SECOND_US), int(stores.stale_s * SECOND_US))
        self._makes: Mapping[str, Callable[[], Store]] = {
            aws.KIND: lambda: aws.Aws(stores.aws),
            azure.KIND: lambda: azure.Azure(stores.azure),
            gcp.KIND: lambda: gcp.Gcp(stores.gcp),
            vault.KIND: lambda: vault.Vault(stores.vault, environ, clock),
        }
        self._making = Lock()
        self._made: dict[str, Store] = {}

    @property
    def kinds(self) -> Mapping[str, Callable[[Source], Kept]]:
        """What makes the source of each kind."""
        return dict.fromkeys(KINDS, self.source)

    def source(self, source: Source) -> Kept:
        """The secrets of one source. Nothing is asked yet."""

        def read(name: str) -> Secret:
            return self._store(source.kind).read(source, name)

        async def ask(name: str) -> Secret:
            return await self._threads.run(lambda: read(name))

        def forget(name: str) -> None:
            store = self._made.get(source.kind)
            if isinstance(store, vault.Vault):
                store.forget(source, name)

        return Kept(ask, self._terms, self._clock, forget)

    def close(self) -> None:
        """Asks no store any more."""
        self._threads.close()

    def _store(self, kind: str) -> Store:
        with self._making:
            if kind not in self._made:
                self._made[kind] = self._makes[kind]()
            return self._made[kind]
