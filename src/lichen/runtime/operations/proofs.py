"""What proves a log: its signed heads, verification, and the parts and copies that are taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, SessionId, run_stream, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.keys.keyring import Keyring
from lichen.log.volume import Volume
from lichen.runtime.access.access import About, Access
from lichen.runtime.views.tenant import Head, Verification, heads, verification

if TYPE_CHECKING:
    from lichen.log.audit.backup import BackupReport


class Proofs:
    """Verifies, exports, backs up. Every operation raises Denied."""

    def __init__(self, engine: Engine, access: Access, *, home: Path, volume: Volume, keyring: Keyring) -> None:
        self._engine = engine
        self._access = access
        self._home = home
        self._volume = volume
        self._keyring = keyring

    async def heads(self, scope: Scope, actor: Actor, *, limit: int) -> tuple[Head, ...]:
        """The last signed heads of the log, the newest first; what is durable is signed before."""
        self._access.ask("log.verify", scope, actor, About(scope.tenant))
        log = self._engine.journal(scope).log
        await log.sign()
        return heads(log, limit)

    def signed(self, scope: Scope, actor: Actor, *, limit: int) -> tuple[Head, ...]:
        """The last heads that were signed, the newest first; nothing is signed for this."""
        self._access.ask("log.verify", scope, actor, About(scope.tenant))
        return heads(self._engine.journal(scope).log, limit)

    async def verify(self, scope: Scope, actor: Actor, *, kept: Sequence[bytes] = ()) -> Verification:
        """Reads every record of the data directory again, derives everything from them, and compares; see RECORD.md.

        The log must hold every head in `kept`, which somebody kept apart from it. Raises Invalid (`head_foreign`).
        """
        from lichen.log.audit.copying import files_of
        from lichen.log.audit.verify import Report, verify

        self._access.ask("log.verify", scope, actor, About(scope.tenant))
        log = self._engine.journal(scope).log
        for text in kept:
            if text.partition(b"\n")[0].decode(errors="replace") != log.id:
                raise Invalid(
                    "This signed head is not one of this log.",
                    code="head_foreign",
                    next_step="Compare it with the log that its first line names.",
                    place="$.heads",
                )
        remembered = self._keyring.remembered_head(log.id)
        keys: dict[str, bytes] = {log.id: log.public_key for log in map(self._volume.log, self._volume.scopes())}
        heads = (*kept, *(() if remembered is None else (remembered,)))

        def verified() -> Report:
            with files_of(self._home, self._volume.store) as home:
                return verify(home, public_keys=keys, remembered=heads)

        return verification(await asyncio.to_thread(verified), log.id)

    async def export(
        self,
        scope: Scope,
        actor: Actor,
        *,
        run: RunId | None = None,
        session: SessionId | None = None,
        record: int | None = None,
    ) -> bytes:
        """The records of a run, a session with its runs, the record at a position, or the whole log, each with its
        proof and the signed head."""
        from lichen.log.audit.export import export

        taken = run or session or (scope.tenant if record is None else f"record {record}")
        self._access.open("log.export", scope, actor, About(scope.tenant), what="export", opened=taken)
        log = self._engine.journal(scope).log
        if record is not None:
            return await export(log, range(record, record + 1))
        if run is not None:
            return await export(log, run_stream(run))
        return await export(log, range(1, log.last_seq + 1) if session is None else session_stream(session))

    async def backup(
        self, actor: Actor, to: Path, *, keys: Path | None = None, scopes: Sequence[Scope] | None = None
    ) -> BackupReport:
        """Copies the logs of these scopes, or all, to the new folder `to`, and their keys, if wanted, elsewhere.

        Both places are looked at before anything is written. Raises Conflict (`target_not_empty`, `backup_together`),
        NotFound (`log_missing`).
        """
        from lichen.log.audit.backup import backup, backup_keys, refuse_together
        from lichen.log.audit.copying import files_of

        wanted = self._volume.scopes() if scopes is None else list(scopes)
        for scope in wanted:
            self._access.ask("log.backup", scope, actor, About(scope.tenant))
        refuse_together(to, keys)
        for scope in wanted:
            await self._volume.log(scope).durable()
        logs = None if scopes is None else {scope.log_id() for scope in wanted}

        def copied() -> BackupReport:
            with files_of(self._home, self._volume.store) as home:
                return backup(home, to, logs=logs)

        report = await asyncio.to_thread(copied)
        if keys is not None:
            await asyncio.to_thread(partial(backup_keys, self._keyring, keys, logs=logs))
        return report
