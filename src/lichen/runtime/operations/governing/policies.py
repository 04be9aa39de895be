"""The policies in force: load them again, and check those on disk before anybody depends on them."""

from __future__ import annotations

from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.project.policies import InForce, PolicyReport, report_of


class Policies:
    """Reloads and checks. Raises Denied, and Invalid with file, line and column where policies do not load."""

    def __init__(self, access: Access, changes: Changes, in_force: InForce) -> None:
        self._access = access
        self._changes = changes
        self._in_force = in_force

    async def reload(self, scope: Scope, actor: Actor) -> str:
        """Loads the policies of a scope again. The old ones stay in force when the new ones do not load.

        Returns the digest of what is in force.
        """
        ruling = self._access.ask("policy.reload", scope, actor, About(scope.tenant))
        digest = self._in_force.load(scope)
        await self._changes.note(scope, "policy", digest, actor, ruling)
        return digest

    def check(self, scope: Scope, actor: Actor) -> PolicyReport:
        """What is on disk now; nothing that is in force changes."""
        self._access.ask("policy.check", scope, actor, About(scope.tenant))
        source = self._in_force.source
        return report_of(source.place(scope), source.load(scope))
