"""People: forget one for good."""

from __future__ import annotations

from collections.abc import Callable

from lichen.core.scope import Actor, Scope
from lichen.engine.intake import Intake
from lichen.engine.local import LocalEngine
from lichen.runtime.operations.access import About, Access
from lichen.runtime.register import Person, Register


class People:
    """Those that a tenant's logs are about."""

    def __init__(
        self,
        engine: LocalEngine,
        intake: Intake,
        access: Access,
        *,
        register: Register,
        new_id: Callable[[str], str],
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._access = access
        self._register = register
        self._new_id = new_id

    async def erase(self, scope: Scope, subject: Actor, actor: Actor) -> tuple[int, ...]:
        """Destroys the keys of everything a subject said or that was said about them. Returns the ids of the keys.

        What is open about the subject ends first. The log still verifies and runs still list; nobody can read the
        contents again, in backups neither. Raises Denied, Unavailable.
        """
        self._access.ask("log.erase", scope, actor, About(scope.tenant))
        log = self._engine.journal(scope).log
        pseudonym = log.name(subject)
        await self._intake.end_all(scope, pseudonym, actor)
        erased = await log.erase(pseudonym, self._new_id("erasure"), by=log.name(actor))
        self._register.end(Person(scope, pseudonym))
        return erased
