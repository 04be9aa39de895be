"""A volume: the logs of a data directory in one store, with one writer and one barrier for all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from typing import Self, cast

import msgspec

from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import LogId
from lichen.core.words.scope import Scope
from lichen.log.disk.lock import DirectoryLock
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log, LogOptions
from lichen.log.projections.every import PROJECTIONS, AnyProjection, tables_of
from lichen.log.projections.leases import epoch_of
from lichen.log.proof.checkpoint import parse_and_verify
from lichen.log.proof.tree import Frontier
from lichen.log.records.record import decode
from lichen.log.sqlite.store import SqliteStore
from lichen.log.store.port import Claim, Claimable, LeaseLost, Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import CORE, FRONTIERS, HEADS, LOGS, RECORDS, Table
from lichen.log.views.recorded import recorded_erasures
from lichen.log.views.refolding import refolded
from lichen.log.write.commits import Bounds, Commits
from lichen.log.write.entry import Entry
from lichen.log.write.shared import ClockJump, Shared, as_new
from lichen.log.write.tips import Tip
from lichen.log.write.writer import StartWriter, ThreadWriter

_BOOT_BYTES = 8


class VolumeOptions(msgspec.Struct, frozen=True):
    """Bounds of a volume. `socket` is noted in the lock; `store` says where its logs lie, `projections` which views
    are kept of them, `writer` where commits are made.

    `announces_late`: a process is noted in a log with its first record there, and not as soon as it is opened.
    `lock` is the directory's, if the caller holds it already; the volume lets go of it then too.
    """

    commit_rows_max: int = 2_000
    commit_bytes_max: int = 8 * 1024 * 1024
    queued_rows_max: int = 20_000  # not durable yet; above it `room` waits
    queued_bytes_max: int = 64 * 1024 * 1024
    log: LogOptions = LogOptions()
    socket: Path | None = None
    store: Callable[[Path], Store] = SqliteStore
    projections: tuple[AnyProjection, ...] = PROJECTIONS
    writer: StartWriter = ThreadWriter
    lock: DirectoryLock | None = None
    announces_late: bool = False


class Volume:
    """Opens, recovers and closes the logs of a data directory. For one process and its loop's thread."""

    def __init__(
        self,
        home: Path,
        *,
        keyring: Keyring,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        options: VolumeOptions,
    ) -> None:
        self.home, self.keyring, self.clock = home, keyring, clock
        self._options = options
        self._boot = random(_BOOT_BYTES).hex()
        self._version = version("lichen")
        self.commits = 0  # barriers so far: each is one fsync
        self._lock = options.lock or DirectoryLock(home, socket=options.socket)
        self._loop, self._claim = asyncio.get_running_loop(), cast("Claim | None", None)
        try:
            store = options.store(home)
            lacking = _lacking(store, options.projections)
            if isinstance(store, Claimable):
                self._claim = store.claim(f"{gethostname()}/{os.getpid()}/{self._boot}", self._is_lost)
            if lacking:
                _remake(store, lacking, options.projections)
            self._shared = Shared(
                keyring=keyring,
                store=store,
                projections=options.projections,
                clock=clock,
                rows_max=options.queued_rows_max,
                bytes_max=options.queued_bytes_max,
            )
            self._logs: dict[LogId, Log] = {}
            self._numbers = self._load_numbers()
            for id in self._numbers:
                _, ts_us = self._load_tip(id)  # refuses a log that was rolled back
                self._shared.latest_us = max(self._shared.latest_us, ts_us)
            self.erasures_applied = keyring.apply_recorded(recorded_erasures(self._shared.reading))
            self._failed = asyncio.Event()
            bounds = Bounds(options.commit_rows_max, options.commit_bytes_max)
            commits = Commits(store, keyring=keyring, clock=clock, bounds=bounds)
            self._writer = options.writer(commits, self._on_commit, self._on_failure)
            self._shared.start(self._writer)
        except BaseException:
            self._let_go()
            raise

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        keyring: Keyring,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        options: VolumeOptions | None = None,
    ) -> Self:
        """The volume in the directory `home`, made (mode 0700) when missing. Needs a running event loop.

        `clock` gives microseconds since 1970, `random(n)` n unpredictable bytes.
        Raises Unavailable (`data_dir_in_use`), Invalid (`format_unknown`), Corrupt (`log_rolled_back`).
        """
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(home, keyring=keyring, clock=clock, random=random, options=options or VolumeOptions())

    @property
    def store(self) -> Store:
        """Where the logs lie."""
        return self._shared.store

    # -- logs ----------------------------------------------------------------------------------------------------

    def log(self, scope: Scope) -> Log:
        """The log of a scope. Its first use makes it. Raises Corrupt, Unavailable."""
        return self._log(scope.log_id())

    def _log(self, id: LogId) -> Log:
        log = self._logs.get(id)
        if log is None:
            tip, ts_us = self._load_tip(id)
            log = Log(id, self._shared, tip, ts_us=ts_us, options=self._options.log)
            if self._shared.failure is None:
                self._announce(log)
            self._numbers.setdefault(id, tip.number)
            self._logs[id] = log
        return log

    def _announce(self, log: Log) -> None:
        announce = log.announce_late if self._options.announces_late else log.announce
        announce(self._boot, self._version)

    def scopes(self) -> list[Scope]:
        """The scopes that have a log here."""
        return [Scope(*id.split("/")[:2]) for id in self._numbers]

    @property
    def is_readonly(self) -> bool:
        """Whether a commit failed and nothing is accepted until `recover`."""
        return self._shared.failure is not None

    def is_ours(self) -> bool:
        """Whether no other process can write to these logs by now. A commit is refused if one does; what is done to
        the world is not, so it is asked before."""
        return self._claim is None or self._claim.stands()

    def is_alone(self) -> bool:
        """Whether no process that wrote to these logs before can be doing anything still."""
        return self._claim is None or self._claim.is_first()

    @property
    def latest_us(self) -> int:
        """When the newest record of any log was written, 0 before the first."""
        return self._shared.latest_us

    def steady_us(self) -> int:
        """The time by the clock, but never earlier than the newest record: no day begins twice."""
        return max(self.clock(), self._shared.latest_us)

    @property
    def clock_jumps(self) -> tuple[ClockJump, ...]:
        """The last times the clock went back by more than a second. Records keep their order nevertheless."""
        return tuple(self._shared.clock_jumps)

    @property
    def queued_rows(self) -> int:
        """How many records are not durable yet."""
        return self._shared.queued_rows

    # -- life ----------------------------------------------------------------------------------------------------

    async def sign(self, *logs: Log) -> None:
        """Signs what is durable in these logs, or in all that are open, and remembers it with the keys."""
        await self._shared.sign([log.tip for log in logs or self._logs.values()])

    async def failed(self) -> None:
        """Returns when a commit has failed."""
        await self._failed.wait()

    async def recover(self) -> None:
        """Tries to write again and, if that works, goes on from what is on disk. Raises Unavailable if it does not."""
        if self._shared.failure is None:
            return
        try:
            await self._writer.recover()
        except Exception as error:
            if isinstance(error, LeaseLost):
                self._shared.failure = as_new(error)  # it will not come back, whatever failed first
            raise as_new(self._shared.failure) from error
        self._shared.last_pos = self._shared.load_pos()
        self._numbers = self._load_numbers()
        ends = [(log, *self._load_tip(log.id)) for log in self._logs.values()]
        if any(tip.epoch > log.tip.epoch for log, tip, _ in ends):
            raise LeaseLost
        for log, tip, ts_us in ends:
            log.reload(tip, ts_us)
            self._numbers.setdefault(log.id, log.tip.number)
        self._shared.failure = None
        self._failed.clear()
        for log in self._logs.values():
            self._announce(log)

    async def close(self) -> None:
        """Makes everything durable, signs every log, and lets go of the directory. Raises Unavailable if it cannot."""
        if self._shared.is_closed:
            return
        try:
            if self._shared.failure is None:
                for log in self._logs.values():
                    await log.durable()
                await self.sign()
        finally:
            self._shared.is_closed = True
            for log in self._logs.values():
                log.feed.close()
            self._shared.gathering.hand_over()
            await self._writer.stop()
            self._shared.reading.close()
            self._let_go()

    def _let_go(self) -> None:
        """Lets the next process in."""
        if self._claim is not None:
            self._claim.close()
        self._lock.release()

    def _on_commit(self, batch: list[Entry]) -> None:
        self.commits += 1
        if self._shared.failure is None:
            self._shared.committed(batch)

    def _on_failure(self, error: Exception) -> None:
        self._shared.fail(error)
        for log in self._logs.values():
            log.fail()
        self._failed.set()

    def _is_lost(self) -> None:
        """Another process has the store; told on any thread."""
        with suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(self._on_failure, LeaseLost())

    # -- loading -------------------------------------------------------------------------------------------------

    def _load_numbers(self) -> dict[LogId, int]:
        return {LogId(id): number for number, id in self._shared.reading.rows(rows(LOGS).by("log"))}

    def _load_tip(self, id: LogId) -> tuple[Tip, int]:
        """Where the log ends on disk, and the time of its last record. Raises Corrupt (`log_rolled_back`)."""
        number = self._numbers.get(id)
        if number is None:
            self._check_remembered(id, None)
            return Tip(max(self._numbers.values(), default=0) + 1, id), 0
        reading = self._shared.reading
        frontiers = reading.rows(rows(FRONTIERS, log=number).of("frontier"))
        records = reading.rows(rows(RECORDS, log=number).of("chain", "record").backwards("seq").first(1))
        if not frontiers or not records:
            raise Corrupt(f"The log {id} has lost its records or its frontier.")
        chain, data = records[0]
        last = decode(data)[-1]
        tip = Tip(number, id, chain=chain, frontier=Frontier.decode(frontiers[0][0]))
        if tip.frontier.size != last.seq:
            raise Corrupt(f"The log {id} ends at {last.seq} and its frontier at {tip.frontier.size}.")
        self._check_remembered(id, tip)
        heads = reading.rows(rows(HEADS, log=number).of("number").backwards("number").first(1))
        tip.heads = heads[0][0] if heads else 0
        tip.epoch = epoch_of(reading, number)
        return tip, last.ts_us

    def _check_remembered(self, id: LogId, tip: Tip | None) -> None:
        """Compares the log with the signed head that lies with the keys."""
        text = self.keyring.remembered_head(id)
        if text is None:
            return
        remembered = parse_and_verify(text, self.keyring.secrets(id).signer.public_key)
        size = tip.frontier.size if tip is not None else 0
        if tip is None:
            raise rolled_back(id, size, remembered.size)
        found = self._shared.reading.rows(rows(RECORDS, log=tip.number, seq=remembered.size).of("chain"))
        if size < remembered.size or found != [(remembered.chain,)]:
            raise rolled_back(id, size, remembered.size)
        tip.signed_size, tip.signed_us = remembered.size, remembered.ts_us


def rolled_back(id: LogId, found: int, remembered: int) -> Corrupt:
    """The error for a log that is not what its remembered head says it was."""
    return Corrupt(
        f"The log {id} has {found} records and does not hold what was signed when it had {remembered}.",
        code="log_rolled_back",
        next_step="Restore the newest backup; `lichen log verify` tells what is missing.",
        place=f"{id}:{min(found, remembered)}",
    )


def _lacking(store: Store, projections: tuple[AnyProjection, ...]) -> tuple[Table, ...]:
    """The views that a store lacks, which is made if it is new. Raises Corrupt for one that lost what no view is."""
    lacking = store.prepare((*CORE, *tables_of(projections)))
    lost = next((table for table in lacking if table in CORE), None)
    if lost is not None:
        raise Corrupt(f"The volume has lost its table {lost.name}.")
    return lacking


def _remake(store: Store, lacking: tuple[Table, ...], projections: tuple[AnyProjection, ...]) -> None:
    """Makes views anew from the records."""
    remade = [each for each in projections if not set(each.tables).isdisjoint(lacking)]
    with closing(store.read()) as reading:
        store.remake(lacking, (op for op in refolded(reading, remade) if op[0] in lacking))
