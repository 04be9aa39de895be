"""The secrets of a tenant: which there are, and their values set, replaced and removed. Nobody is shown one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import msgspec

from lichen.agents.agent import Agent
from lichen.core.deciders import events as e
from lichen.core.ports.secrets import Secret, SecretStore, fingerprint
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.journal.journal import Journal
from lichen.gate.secrets.sources import Sources, named
from lichen.log.log import Log
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.views.tenant import SecretUse, SecretView, secret_view

LOOKED_BACK_MAX = 10_000  # records in which the last use of each is looked for
PAGE = 500
NAMES_TOLD_MAX = 20


class Mark(msgspec.Struct, frozen=True):
    """What versions of a secret with the same value have in common: how they end."""

    mark: str


class Secrets:
    """Lists, sets, replaces and removes them. Raises Denied.

    A change stands in the log before it is made: a death in between leaves a record of a change that was only begun,
    and never a change that no record tells of.
    """

    def __init__(
        self,
        engine: Engine,
        access: Access,
        changes: Changes,
        *,
        sources: Sources,
        known: Callable[[Scope], frozenset[str]],
        agents: Callable[[], Sequence[Agent]],
    ) -> None:
        self._engine = engine
        self._access = access
        self._changes = changes
        self._sources = sources
        self._known = known
        self._agents = agents
        self._uses: dict[Scope, Uses] = {}

    async def list(self, scope: Scope, actor: Actor) -> tuple[SecretView, ...]:
        """Every secret that a tool or a channel asks for, that `lichen.toml` names or that was kept, by name, without
        its value."""
        self._access.ask("secret.read", scope, actor, EVERYTHING)
        journal = self._engine.journal(scope)
        asked, known = self._asked_by(), await asyncio.to_thread(self._known, scope)
        used = await self._uses.setdefault(scope, Uses()).up_to_now(journal.log)
        names = sorted({*asked, *known})
        return tuple([await self._view(journal, name, asked.get(name, ()), used.get(name)) for name in names])

    async def set(self, scope: Scope, name: str, value: Secret, actor: Actor, *, wanted_by: str = "") -> SecretView:
        """Keeps the first value of a secret, durable when this returns. It counts at the next use. `wanted_by` says
        what will ask for it, where nothing does yet.

        Raises Invalid (`secret_name_invalid`), NotFound (`secret_unknown`) for a name that nothing here asks for,
        Conflict (`secret_exists`, `secret_elsewhere`), Unavailable (`secret_store_unavailable`, `volume_readonly`).
        """
        return await self._put(scope, name, value, actor, replaces=False, is_wanted=bool(wanted_by))

    async def rotate(self, scope: Scope, name: str, value: Secret, actor: Actor) -> SecretView:
        """Replaces the value of a secret. It counts at the next use; what is under way has the old one. Raises as
        `set`, and NotFound (`secret_unknown`) where there is none."""
        return await self._put(scope, name, value, actor, replaces=True)

    async def mark(self, scope: Scope, name: str, value: Secret, actor: Actor) -> Mark:
        """What a version of a secret with this value ends with: so whoever may set it sees whether that changes it.

        Raises Invalid (`secret_name_invalid`).
        """
        name = named(scope, name)
        self._access.ask("secret.set", scope, actor, About(name))
        return Mark(fingerprint(name, value, self._engine.journal(scope).log.digest))

    async def remove(self, scope: Scope, name: str, actor: Actor) -> None:
        """Forgets a secret, at once. Raises NotFound (`secret_unknown`), Conflict (`secret_elsewhere`), Unavailable."""
        name = named(scope, name)
        ruling = self._access.ask("secret.remove", scope, actor, About(name))
        store = self._sources.store(scope, name)
        if not await _has(store, scope, name):
            raise NotFound("This secret has no value here.", code="secret_unknown", next_step="`lichen secrets list`.")
        await self._changes.note(scope, "config", f"secret.removed:{name}", actor, ruling)
        await store.remove(scope, name)

    async def _put(
        self, scope: Scope, name: str, value: Secret, actor: Actor, *, replaces: bool, is_wanted: bool = False
    ) -> SecretView:
        name = named(scope, name)
        ruling = self._access.ask("secret.set", scope, actor, About(name))
        store = self._sources.store(scope, name)
        asked = self._asked_by()
        if not is_wanted:
            await self._check_wanted(scope, name, asked)
        journal = self._engine.journal(scope)
        if await _has(store, scope, name) == replaces:
            change, mark = "secret.rotated" if replaces else "secret.set", fingerprint(name, value, journal.log.digest)
            await self._changes.note(scope, "config", f"{change}:{name}", actor, ruling, digest=mark)
        await store.put(scope, name, value, replaces=replaces)  # which refuses what cannot be
        return await self._view(journal, name, asked.get(name, ()), None)

    async def _check_wanted(self, scope: Scope, name: str, asked: dict[str, tuple[str, ...]]) -> None:
        """Raises NotFound where nothing asks for such a secret: a name that is misspelt would never be found."""
        names = {*asked, *await asyncio.to_thread(self._known, scope)}
        if name not in names:
            near = get_close_matches(name, names, n=3) or sorted(names)[:NAMES_TOLD_MAX]
            known = f"Those that tools ask for, or lichen.toml names: {', '.join(near)}." if near else ""
            step = known or "Let a tool ask for it, or name it under [tenants.NAME.secrets.names] in lichen.toml."
            raise NotFound("Nothing here asks for a secret of this name.", code="secret_unknown", next_step=step)

    def _asked_by(self) -> dict[str, tuple[str, ...]]:
        """The tools that ask for each secret, by its name."""
        found: dict[str, tuple[str, ...]] = {}
        for spec in specs_of(self._agents()):
            for name in spec.secrets.all:
                found[name] = (*found.get(name, ()), spec.name)
        return found

    async def _view(self, journal: Journal, name: str, tools: tuple[str, ...], last: SecretUse | None) -> SecretView:
        source, version, code = "none", "", ""
        try:
            source = str(self._sources.source(journal.scope, name))
            value = await self._sources.get(journal.scope, name)
            version = fingerprint(name, value, journal.log.digest)
        except LichenError as error:
            code = error.code
        return secret_view(name, source, version, code=code, tools=tools, last=last)


async def _has(store: SecretStore, scope: Scope, name: str) -> bool:
    """Whether there is a value, be it one that nobody can open."""
    try:
        await store.get(scope, name)
    except NotFound:
        return False
    except Unavailable:
        return True
    return True


class Uses:
    """The last use of each secret of a log, as far back as is looked."""

    def __init__(self) -> None:
        self._seq = 0
        self._last: dict[str, SecretUse] = {}

    async def up_to_now(self, log: Log) -> dict[str, SecretUse]:
        """By name, each as its record says."""
        last = log.durable_seq
        self._seq = max(self._seq, last - LOOKED_BACK_MAX)
        while self._seq < last:
            records = await log.page_after(self._seq, PAGE)
            for record in records:
                if isinstance(record.control, e.SecretUsed):
                    self._last[record.control.name] = SecretUse(record.ts_us, record.stream.id, record.control.version)
            if not records:
                break
            self._seq = records[-1].seq
        return self._last
