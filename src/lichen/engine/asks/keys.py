"""The key of a model on its way there: policy is asked of each request, and the log tells of each new use before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lichen.core.deciders import events as e
from lichen.core.ports.model import Connection, HeldKey
from lichen.core.ports.policy import Check, Verdict
from lichen.core.ports.secrets import Secret, fingerprint
from lichen.core.words.errors import Denied
from lichen.core.words.label import Label
from lichen.core.words.scope import Scope
from lichen.engine.act import Act
from lichen.engine.sends.sends import refusal
from lichen.engine.sends.starts import ruling_of

USES_MAX: Final = 1_024  # that are remembered for one log; after more of them each is told of once again


class KeyRefused(Denied):
    """Policy does not let a run use the key of a model."""

    code = "secret_refused"
    next_step = "Permit the agent the action secret.use on it; `lichen doctor` shows the permit."


class Keys:
    """The connections of one request of a run, with the keys that policy lets it use.

    What is noted is a `secret_used` for each secret, version and host, once while this process has the log. No request
    leaves before it is durable, and none waits for it but those that come before it is. `check_wanted` raises where the
    request is not wanted any more.
    """

    def __init__(
        self,
        act: Act,
        model: str,
        label: Label,
        note: Callable[[e.Draft], None],
        check_wanted: Callable[[], None],
    ) -> None:
        self._act, self._model, self._label, self._note, self._check_wanted = act, model, label, note, check_wanted
        self._connections = act.services.connections

    def check(self) -> None:
        """Raises KeyRefused, which is noted, where the run may not use the key that the settings name now."""
        name = self.secret(self._model.partition(":")[0], self._act.journal.scope)
        if name:
            self._allowed(name)

    def secret(self, provider: str, scope: Scope) -> str:
        """The name of the secret that the key is; empty where it is none."""
        return self._connections.secret(provider, scope)

    async def of(self, provider: str, scope: Scope) -> Connection:
        """The connection, once the log tells of the use of its key. Raises KeyRefused, ModelError, Unavailable."""
        connection = await self._connections.of(provider, scope)
        if connection.held is not None:
            await self._told(connection.held, connection.key)
        return connection

    async def _told(self, held: HeldKey, key: str) -> None:
        check, verdict = self._allowed(held.name)  # by the policies of this moment: reading the key took time
        journal = self._act.journal
        version = fingerprint(held.name, Secret(key, held.version), journal.log.digest)
        use, uses = (held.name, version, held.host), journal.keys_used
        if use not in uses:
            self._check_wanted()
            id = self._act.services.new_id("use")
            self._note(e.Draft(e.SecretUsed(held.name, version, id, None, ruling_of(check, verdict), held.host)))
            if len(uses) >= USES_MAX:
                uses.clear()
            uses[use] = self._act.state.id
        run = uses[use]
        if run is not None:
            await journal.durable(run=run)
            uses[use] = None

    def _allowed(self, name: str) -> tuple[Check, Verdict]:
        check = self._question(name)
        verdict = self._act.services.gate.decide(check)
        if verdict.outcome != "allow":
            self._note(refusal(self._act, check, verdict))
            raise KeyRefused(f"Policy does not let this agent use the key of {self._model}.")
        return check, verdict

    def _question(self, name: str) -> Check:
        act = self._act
        return Check(
            scope=act.journal.scope,
            actor=act.actor,
            action="secret.use",
            resource=name,
            run=act.state.id,
            session=act.state.session,
            label=self._label,
            hands_to=self._model,
            language=act.language,
        )
