"""What channels are given by the runtime that they are used in: its clock, the way to other hosts, their secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from lichen.channels.port import missing
from lichen.core.deciders import events as e
from lichen.core.ports.policy import Check
from lichen.core.ports.secrets import Secret, fingerprint
from lichen.core.words.errors import Denied, LichenError, NotFound, Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import CHANNEL, Actor, Environment, Scope
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Services
from lichen.engine.sends.starts import ruling_of
from lichen.tools.egress.reach import Reach

USES_MAX = 1_024  # that are remembered; after more of them each is told of once again


class ChannelRefused(Denied):
    """Policy does not let a channel use a secret."""

    code = "secret_refused"
    next_step = "Take back the forbid on secret.use for this secret; `lichen policy why` names it."


class ChannelHost:
    """The host of one channel of one tenant. Before `begin` there is no runtime, and nothing can be asked of it."""

    def __init__(
        self, scope: Scope, channel: str, root: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._scope = scope
        self.root = root
        self._hands_to = f"channel:{channel}"
        self._actor = Actor("service", f"channel:{channel}", (CHANNEL,), auth="system")
        self._environ = os.environ if environ is None else environ
        self._services: Services | None = None
        self._reach: Reach | None = None
        self._journal_of: Callable[[Scope], Journal] | None = None
        self._told: set[tuple[str, str, str]] = set()
        self._lent: Mapping[str, Secret] = {}
        self._apart: tuple[Callable[[Scope], Environment], Callable[[], int]] | None = None

    def begin(self, services: Services, reach: Reach, journal_of: Callable[[Scope], Journal]) -> None:
        """Gives the channel a runtime."""
        self._services, self._reach, self._journal_of = services, reach, journal_of
        self._told.clear()

    def lend(self, secrets: Mapping[str, Secret]) -> None:
        """Has these values, by name, stand for those that are kept: they are tried before they are."""
        self._lent = dict(secrets)

    def begin_apart(self, reach: Reach, environment: Callable[[Scope], Environment], clock: Callable[[], int]) -> None:
        """Gives the channel what it needs in a process that has no log: there it has secrets of variables alone, since
        of the others policy would be asked and the log told."""
        self._reach, self._apart = reach, (environment, clock)

    @property
    def reach(self) -> Reach:
        """How platforms are asked. Raises Unavailable (`channel_idle`)."""
        if self._reach is None:
            raise _idle()
        return self._reach

    @property
    def is_development(self) -> bool:
        """Whether the environment is for development."""
        return self._environment.is_development

    @property
    def _environment(self) -> Environment:
        return self._apart[0](self._scope) if self._apart is not None else self._begun.environment(self._scope)

    @property
    def _begun(self) -> Services:
        if self._services is None:
            raise _idle()
        return self._services

    def now_us(self) -> int:
        """The time of the runtime."""
        return self._apart[1]() if self._apart is not None else self._begun.clock()

    async def secret(self, reference: str, host: str) -> str:
        """The value that a setting refers to. Of a secret of the scope policy is asked first, and the log tells of each
        new use before it is made.

        Raises Unavailable (`channel_secret_missing`, `secret_store_unavailable`), Denied (`secret_refused`).
        """
        kind, _, name = reference.partition(":")
        if kind == "env":
            value = self._environ.get(name)
            if not value:
                raise missing(reference)
            return value
        if kind != "secret":
            raise missing(reference)
        if self._apart is not None:
            raise Unavailable(
                "A process without the log uses no secret that the log would tell of.",
                code="channel_secret_apart",
                next_step="Refer to it as env:VARIABLE in lichen.toml, and set that where gateway and egress run.",
            )
        check = self._check(name)
        verdict = self._begun.gate.decide(check)
        if verdict.outcome != "allow":
            raise ChannelRefused("Policy does not let this channel use its secret.")
        secret = await self._read(name, reference)
        await self._tell(name, secret, host, ruling_of(check, verdict))
        return secret.reveal()

    async def lacks(self, reference: str) -> str:
        """Why the value that a setting refers to cannot be had now, as a code; empty where it can. Nobody is handed
        it, so the log tells of nothing."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            return "" if self._environ.get(name) else "channel_secret_missing"
        try:
            if self._begun.gate.decide(self._check(name)).outcome != "allow":
                return "secret_refused"
            await self._read(name, reference)
        except LichenError as error:
            return error.code
        return ""

    async def _read(self, name: str, reference: str) -> Secret:
        if name in self._lent:
            return self._lent[name]
        try:
            return await self._begun.secrets.get(self._scope, name)
        except NotFound:
            raise missing(reference) from None
        except LichenError as error:
            raise Unavailable("A secret of this channel cannot be had now.", code=error.code) from None

    async def _tell(self, name: str, secret: Secret, host: str, ruling: e.Ruling) -> None:
        assert self._journal_of is not None, "a channel that reads a secret has begun"
        journal = self._journal_of(self._scope)
        use = (name, fingerprint(name, secret, journal.log.digest), host)
        if use in self._told:
            return
        if len(self._told) >= USES_MAX:
            self._told.clear()
        id = self._begun.new_id("use")
        used = e.SecretUsed(name, use[1], id, None, ruling, host)
        journal.append({TENANT_STREAM: (e.Draft(used),)}, actor=self._actor.id)
        await journal.log.durable_stream(TENANT_STREAM)
        self._told.add(use)

    def _check(self, name: str) -> Check:
        return Check(scope=self._scope, actor=self._actor, action="secret.use", resource=name, hands_to=self._hands_to)


def _idle() -> Unavailable:
    return Unavailable("This channel's runtime has not begun.", code="channel_idle", next_step="Run `lichen serve`.")
