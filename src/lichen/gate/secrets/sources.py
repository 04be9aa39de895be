"""Each secret from the source that its environment names: the one adapter that the runtime asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeGuard, runtime_checkable

from lichen.core.ports.secrets import URI, Secret, Secrets, SecretStore, Source, checked_secret_name, name_of_uri
from lichen.core.words.errors import Conflict, LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.gate.secrets import environment, mounted, sealed

KINDS: Final = (environment.KIND, mounted.KIND, sealed.KIND)  # those that need no server
ADAPTERS_MAX: Final = 1_000  # kept, one for each source
ANSWER_S: Final = 5.0

Kind = Callable[[Source], Secrets]
"""Makes the adapter of a source. Raises Invalid for a detail that it cannot use."""
Make = Callable[[Source], Secrets | None]
"""Makes the adapter of a source of any kind there is; None where there is no such kind."""


class SourceOf(Protocol):
    """Says where a secret of an environment comes from."""

    def __call__(self, scope: Scope, name: str, /) -> Source:
        """The source. Raises NotFound (`secret_unknown`) where there is none."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """A source that keeps values for a while."""

    def forget(self, name: str) -> None:
        """Keeps the value of a name no longer."""
        ...


def named(scope: Scope, name: str) -> str:
    """The name of a secret, also of one that is said as Greentic says it (`secrets://...`)."""
    return name_of_uri(name, scope) if name.startswith(URI) else name


class Sources:
    """Every secret of every environment, each from where `source_of` says. Implements `Secrets`."""

    def __init__(self, source_of: SourceOf, make: Make) -> None:
        self._source_of, self._make = source_of, make
        self._adapters: dict[Source, Secrets] = {}

    async def get(self, scope: Scope, name: str) -> Secret:
        """The secret as it is now.

        Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`), also where an adapter breaks.
        """
        own = named(scope, name)
        adapter = self._adapter(self.source(scope, own))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await adapter.get(scope, own)
        except LichenError:
            raise
        except Exception:  # noqa: BLE001 - of what an adapter says in an error nobody knows that it holds no value
            message = "The store of this secret does not answer as it should."
            raise Unavailable(message, code="secret_store_unavailable") from None

    def source(self, scope: Scope, name: str) -> Source:
        """Where a secret comes from. Raises Invalid (`secret_name_invalid`), NotFound (`secret_unknown`)."""
        return self._source_of(scope, checked_secret_name(named(scope, name)))

    def forget(self, scope: Scope, name: str) -> None:
        """Asks for a secret anew at its next use, whatever its source keeps: it was changed where it lies.

        Raises Invalid (`secret_name_invalid`). One that has no source here is nobody's, and that is no error.
        """
        try:
            own = named(scope, name)
            adapter = self._adapters.get(self.source(scope, own))
        except NotFound:
            return
        if isinstance(adapter, Forgetful):
            adapter.forget(own)

    def store(self, scope: Scope, name: str) -> SecretStore:
        """The store that Lichen writes this secret to. Raises Conflict (`secret_elsewhere`) where it is not ours."""
        source = self.source(scope, name)
        adapter = self._adapter(source)
        if _is_store(adapter):
            return adapter
        raise Conflict(
            f"This secret comes from {source.kind}, and is changed there.",
            code="secret_elsewhere",
            next_step="Change it there; the new value counts at the next use. Or let lichen.toml name another source.",
        )

    def _adapter(self, source: Source) -> Secrets:
        found = self._adapters.get(source)
        if found is None:
            found = self._make(source)
            if found is None:
                step = "`lichen doctor` names those there are, and where lichen.toml names another."
                raise NotFound("There is no such source of secrets.", code="secret_source_unknown", next_step=step)
            if len(self._adapters) >= ADAPTERS_MAX:
                self._adapters.clear()
            self._adapters[source] = found
        return found


def built_in(environ: Mapping[str, str], store: sealed.SealedSecrets) -> dict[str, Kind]:
    """The kinds that need no server, by name."""
    return {
        environment.KIND: lambda source: environment.EnvironmentSecrets(source, environ),
        mounted.KIND: mounted.MountedSecrets,
        sealed.KIND: lambda source: store,
    }


def _is_store(adapter: Secrets) -> TypeGuard[SecretStore]:
    return callable(getattr(adapter, "put", None)) and callable(getattr(adapter, "remove", None))
