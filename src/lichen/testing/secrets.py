"""Secrets that a test holds in its hands: the same in every scope, and changed whenever the test likes."""

from __future__ import annotations

from collections.abc import Mapping

from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope


class HeldSecrets:
    """Implements `Secrets` over a mapping. `asked` are the names that were asked for, in order."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.asked: list[str] = []

    async def get(self, scope: Scope, name: str) -> Secret:
        """The value. Raises NotFound (`secret_unknown`)."""
        self.asked.append(name)
        if name not in self.values:
            raise NotFound("The test holds no such secret.", code="secret_unknown", next_step="Name it in `secrets`.")
        return Secret(self.values[name])
