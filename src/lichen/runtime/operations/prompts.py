"""The prompts that a scope has: the words that agents begin with there, as whoever works on them reads them."""

from __future__ import annotations

from lichen.core.ports.plan import PromptText
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.project.prompts import Prompts


class PromptBook:
    """The prompts of a project's folder. Every operation raises Denied: they are no customer's to read."""

    def __init__(self, access: Access, prompts: Prompts) -> None:
        self._access, self._prompts = access, prompts

    def list(self, scope: Scope, actor: Actor) -> tuple[PromptText, ...]:
        """Those that count in the scope, by name."""
        self._access.ask("agent.read", scope, actor, EVERYTHING)
        return self._prompts.all_of(scope)

    def show(self, scope: Scope, name: str, actor: Actor) -> PromptText:
        """One of them. Raises NotFound (`prompt_unknown`)."""
        self._access.ask("agent.read", scope, actor, About(name))
        found = self._prompts.of(scope, name)
        if found is None:
            raise NotFound(
                "There is no such prompt here.", code="prompt_unknown", next_step="Name one of the project's prompts."
            )
        return found
