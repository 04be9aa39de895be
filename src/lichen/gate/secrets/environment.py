"""Secrets in environment variables of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lichen.core.ports.secrets import Secret, Source
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope

KIND: Final = "env"
_SPELLED: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz.-/", "ABCDEFGHIJKLMNOPQRSTUVWXYZ___")


class EnvironmentSecrets:
    """The variables of `environ`: the one that the source names, or those that begin as it says.

    With the prefix `ACME_`, `payments.key` is `ACME_PAYMENTS_KEY`.
    """

    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        self._source, self._environ = source, environ

    async def get(self, scope: Scope, name: str) -> Secret:
        """The value of the variable. Raises NotFound (`secret_unknown`) where it is not set, or empty."""
        variable = variable_of(self._source, name)
        value = self._environ.get(variable, "")
        if not value:
            step = f"Set {variable} for the process that runs Lichen, and start it again."
            raise NotFound("The variable of this secret is not set.", code="secret_unknown", next_step=step)
        return Secret(value.encode("utf-8", "surrogateescape"))


def variable_of(source: Source, name: str) -> str:
    """The variable in which a secret is looked for."""
    return source.detail if source.is_exact else source.detail + name.translate(_SPELLED)
