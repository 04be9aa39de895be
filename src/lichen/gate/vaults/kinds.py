"""The kinds of sources that are stores of others, made over one client each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, Protocol, runtime_checkable

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import Stores
from lichen.gate.vaults.calls import Threads
from lichen.gate.vaults.kept import Kept, Terms

KINDS: Final = ("aws", "azure", "gcp", "vault")
SECOND_US: Final = 1_000_000


class Store(Protocol):
    """A store as its client reads it, in whichever thread."""

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        ...


@runtime_checkable
class Leasing(Protocol):
    """A store that keeps what it was lent."""

    def forget(self, source: Source, name: str) -> None:
        """Gives it back."""
        ...


class Vaults:
    """Makes the sources of these kinds. A client is imported and made when a secret is first wanted through it."""

    def __init__(self, stores: Stores, environ: Mapping[str, str], clock: Callable[[], int]) -> None:
        self._clock, self._threads = clock, Threads()
        self._terms = Terms(int(stores.fresh_s * SECOND_US), int(stores.stale_s * SECOND_US))
        self._stores, self._environ = stores, environ
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
            if isinstance(store, Leasing):
                store.forget(source, name)

        return Kept(ask, self._terms, self._clock, forget)

    def close(self) -> None:
        """Asks no store any more."""
        self._threads.close()

    def _store(self, kind: str) -> Store:
        with self._making:
            if kind not in self._made:
                self._made[kind] = self._opened(kind)
            return self._made[kind]

    def _opened(self, kind: str) -> Store:
        """The store of a kind, whose module is imported now."""
        stores = self._stores
        match kind:
            case "aws":
                from lichen.gate.vaults.aws import Aws

                return Aws(stores.aws)
            case "azure":
                from lichen.gate.vaults.azure import Azure

                return Azure(stores.azure)
            case "gcp":
                from lichen.gate.vaults.gcp import Gcp

                return Gcp(stores.gcp)
            case _:
                from lichen.gate.vaults.vault import Vault

                return Vault(stores.vault, self._environ, self._clock)
