"""The policies in force: read them, ask what they would decide, load them again, and check those on disk.

What reviews a project reads flows and rule tables; it is imported when it is asked, and by no runtime that starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lichen.core.words.scope import Actor, Customer, Scope
from lichen.gate.gate import PolicyGate
from lichen.gate.simulation import Case, Simulated, simulate
from lichen.runtime.access.access import About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.project.policies import InForce, PolicyReport, report_of
from lichen.runtime.project.project import Project
from lichen.runtime.views.policy import PolicySetView, policy_set_view

if TYPE_CHECKING:
    from lichen.runtime.review.cases import Checked


class Policies:
    """Reads, reloads and checks. Raises Denied, and Invalid with file, line and column where policies do not load."""

    def __init__(
        self, access: Access, changes: Changes, in_force: InForce, *, gate: PolicyGate, project: Project | None
    ) -> None:
        self._access = access
        self._changes = changes
        self._in_force = in_force
        self._gate = gate
        self._project = project

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
        return report_of(source.place(scope), self._in_force.read(scope))

    def show(self, scope: Scope, actor: Actor) -> PolicySetView:
        """What is in force, file by file."""
        self._access.ask("policy.read", scope, actor, About(scope.tenant))
        place = self._in_force.source.place(scope)
        directory = None if place is None else str(place)
        return policy_set_view(self._gate.policies(scope), directory, self._in_force.loaded_us(scope))

    async def why(self, scope: Scope, case: Case, actor: Actor) -> Simulated:
        """What the policies in force would decide about a call, with nothing read and nothing counted, and why.

        Raises NotFound (`tool_unknown`).
        """
        self._access.ask("policy.read", scope, actor, About(scope.tenant))
        policies = self._gate.policies(scope)
        view = policies.schema.views.get(case.tool)
        spec = None if view is None or view.tool is None else view.tool.spec
        return await simulate(policies, spec, case, scope)

    def person(self, scope: Scope, id: str, actor: Actor) -> Actor:
        """The declared actor of this id, else a customer. Raises Invalid (`actor_invalid`)."""
        self._access.ask("policy.read", scope, actor, About(scope.tenant))
        if self._project is None:
            return Customer(id)
        from lichen.runtime.review.cases import person_of

        return person_of(self._project.settings, scope.tenant, id)

    async def cases(self, scope: Scope, actor: Actor) -> tuple[Checked, ...]:
        """The project's cases for this tenant, decided by what is on disk now. Raises NotFound (`cases_missing`),
        Invalid (`cases_invalid`)."""
        self._access.ask("policy.read", scope, actor, About(scope.tenant))
        if self._project is None:
            return ()
        from lichen.runtime.review.cases import case_files, check_cases

        project = msgspec.structs.replace(self._project, policies=self._in_force.source.packs)
        return await check_cases(project, case_files(project.settings.root), tenant=scope.tenant)
