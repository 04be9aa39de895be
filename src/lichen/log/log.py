"""A log: append records to its streams, know their state at once, learn when they are durable, read them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple, TypeVar

import msgspec

from lichen.core.deciders.events import Draft, Erased, Event, LogOpened, Part, Ruling
from lichen.core.deciders.streams import TenantState
from lichen.core.rollouts.rollout import Rollout
from lichen.core.words.content import APART
from lichen.core.words.errors import Conflict, ContentErased
from lichen.core.words.ids import TENANT_STREAM, LogId, Pseudonym, StreamId
from lichen.core.words.scope import Actor
from lichen.log.disk.growth import DAY_US, Growth
from lichen.log.feed import Feed, follow
from lichen.log.projections import costs, meters, outbox, unknowns
from lichen.log.projections.costs import Person, Spent
from lichen.log.projections.every import Folds
from lichen.log.projections.meters import OpenReservation
from lichen.log.projections.outbox import LetterRow
from lichen.log.projections.unknowns import Unknown
from lichen.log.records.contents import Sealer
from lichen.log.records.names import Names
from lichen.log.records.record import FORMAT_V, Place, Record
from lichen.log.store.port import Reading
from lichen.log.store.tables import Op
from lichen.log.streams import Streams
from lichen.log.views.durable import Durable
from lichen.log.views.filebytes import FileBytes
from lichen.log.views.queries import Queries
from lichen.log.write.entry import Entry
from lichen.log.write.shared import Shared, as_new
from lichen.log.write.staging import Staged, Staging
from lichen.log.write.tips import Tip
from lichen.log.write.waiters import Waiters

T = TypeVar("T")


class Appended(msgspec.Struct, frozen=True, gc=False):
    """What one append brought, part by part, and where. `repeated`: it was all there before, under the same keys."""

    events: tuple[tuple[Event, ...], ...]
    first_seq: int
    last_seq: int
    repeated: bool = False


class Stale(NamedTuple):
    """Nothing was appended: `stream` has `n` records and not as many as a part expected. Fold and decide again."""

    stream: StreamId
    n: int


class LogOptions(msgspec.Struct, frozen=True):
    """Bounds of one log in memory."""

    streams_max: int = 50_000
    contents_bytes_max: int = 64 * 1024 * 1024


class Log(Streams):
    """One tenant's log in one environment. For the loop's thread; only `append`, `name` and `erase` write.

    Records are counted from 1 (`seq`), those of a stream from 0 (`n`). `durable_seq` is the last one that is on disk.
    What is said about streams, records, contents, meters and unknown outcomes is as of the last append; rows of views
    are as of the last commit.
    """

    def __init__(self, id: LogId, shared: Shared, tip: Tip, *, ts_us: int, options: LogOptions) -> None:
        super().__init__(
            shared.store,
            shared.reading,
            tip.number,
            sealer=Sealer(id, shared.keyring, shared.store.blobs),
            streams_max=options.streams_max,
            contents_bytes_max=options.contents_bytes_max,
        )
        self.id, self._shared = id, shared
        self.public_key = shared.keyring.secrets(id).signer.public_key
        self._waiters = Waiters()
        self.feed = Feed()
        self.reload(tip, ts_us)

    def reload(self, tip: Tip, ts_us: int) -> None:
        """Goes on from what is on disk: from where the log ends, and the time of its last record."""
        self.tip, self._ts_us = tip, ts_us
        self._announcement: LogOpened | None = None
        self._shared.latest_us = max(self._shared.latest_us, ts_us)
        self.last_seq = self.durable_seq = tip.frontier.size
        self.forget(tip.number)
        self.feed.begin(self._queries, self.durable_seq)
        self.files = FileBytes(self._store.read, tip.number, self.durable_seq)
        self._growth = Growth()
        self._growth.add(ts_us, self._queries.bytes_since(ts_us - ts_us % DAY_US, self.last_seq))
        self._names = Names(self.id, tip.number, self._shared.keyring, self._reading)
        self.folds = Folds(tip.number, self._reading, self._shared.projections)
        self._stage = Staging(self._sealer, log=self.id, number=tip.number, counted=self.folds.counting)
        self._costs = self.folds.of(costs.VIEW)
        self._meters, self._unknowns = self.folds.of(meters.VIEW), self.folds.of(unknowns.VIEW)
        self._letters = self.folds.of(outbox.DEAD)

    # -- append --------------------------------------------------------------------------------------------------

    def append(self, *parts: Part, cause: int = 0, actor: str = "", turn: str | None = None) -> Appended | Stale:
        """Appends every part or none. The states move at once; await `durable` before telling anybody outside.

        Stale when a stream has not as many records as expected, unless every draft is there already, under the same
        key with the same control and contents: then `repeated`, with the old positions. `cause` is the seq of the
        record this answers, `actor` a pseudonym. Raises Conflict (`key_reused`), ContentErased for a subject that was
        erased, Invalid (`content_too_large`), Unavailable (`volume_readonly`, `disk_full`).
        """
        if self._shared.failure is not None or self._shared.is_closed:
            self._shared.check()
        if self._announcement is not None:
            parts = self._announced(self._announcement, parts)
        self._shared.gathering.make_room(self, [part.drafts for part in parts])
        staging = self._staging(cause, actor, turn)
        for part in parts:
            live = self._live(part.stream)
            if live.state.n != part.expected_n or not staging.add(live, part.drafts):
                return self._append_again(parts)
        return self._publish(staging)

    def append_now(
        self,
        moves: Mapping[StreamId, Sequence[Draft]],
        *,
        actor: str = "",
        turn: str | None = None,
        actors: Mapping[StreamId, str] = {},
    ) -> Appended:
        """Appends to every stream or to none what was decided from the states as they are at this moment.

        Otherwise as `append`: there is nothing that could be stale. `actors` names those of streams that others move
        than `actor`.
        """
        if self._shared.failure is not None or self._shared.is_closed:
            self._shared.check()
        if self._announcement is not None:
            self._announced(self._announcement, ())
        self._shared.gathering.make_room(self, moves.values())
        staging = self._staging(0, actor, turn)
        for stream, drafts in moves.items():
            if actors:
                staging.header = (0, actors.get(stream, actor), turn)
            if not staging.add(self.lives.get(stream) or self._load(stream), drafts):
                parts = [Part(each, self.state(each).n, tuple(drafts)) for each, drafts in moves.items()]
                again = self._append_again(parts)
                assert isinstance(again, Appended)  # else it raises
                return again
        return self._publish(staging)

    def _staging(self, cause: int, actor: str, turn: str | None) -> Staging:
        now_us, staging = self._shared.now_us(), self._stage
        staging.begin((cause, actor, turn), max(now_us, self._ts_us), seq=self.last_seq, pos=self._shared.last_pos)
        return staging

    def _publish(self, staging: Staging) -> Appended:
        """Makes what is staged count, and has it written with all else that the loop brings now."""
        first, last = self.last_seq + 1, self.last_seq
        if staging.parts:
            store, rows = self._shared, staging.begun
            apart = sum(map(len, staging.blobs)) if staging.blobs else 0
            entry = store.entry(self, self.tip, rows=len(rows), data_bytes=staging.size + apart)
            entry.pending += rows
            entry.blobs += staging.blobs
            last = 0
            for staged in staging.parts:
                self._move(staged, entry)
                first, last = min(first, staged.records[0].seq), max(last, staged.records[-1].seq)
            self._ts_us = ts_us = staging.ts_us
            store.latest_us = max(store.latest_us, ts_us)
            self._growth.add(ts_us, staging.size + apart)
            if staging.file_bytes:
                self.files.add(ts_us, staging.file_bytes)
            self.last_seq, store.last_pos = staging.seq, staging.pos
        return Appended(tuple(staging.events), first, last)

    def _move(self, staged: Staged, entry: Entry) -> None:
        """Moves one stream on."""
        live, records = staged.live, staged.records
        for (pending, data), record in zip(staged.facts, records, strict=True):
            pending.facts.append((record, data))
            pending.size += len(data)
        entry.grow(live, live.state, records)
        for event, before, after in staged.counted:
            for count in self.folds.counting[event.control.__class__]:
                entry.ops += count(event, before, after)
        live.grow(staged.row, staged.state, records)
        live.pending = staged.pending
        self.lives[live.stream] = live  # loading a companion may have let it go
        for n, contents in staged.contents:
            self.lives.keep(live, n, contents)

    def grown_bytes(self, now_us: int) -> int:
        """By how many bytes of records and contents the log grew today."""
        return self._growth.on(now_us)

    def _append_again(self, parts: Sequence[Part]) -> Appended | Stale:
        """The answer to an append that cannot land: it did before, somebody else was first, or a key is taken."""
        found = [self._repeated(part) for part in parts]
        records = [record for each in found if each for record in each]
        if records and None not in found:
            events = tuple(tuple(record.event for record in each or ()) for each in found)
            seqs = [record.seq for record in records]
            return Appended(events, min(seqs), max(seqs), repeated=True)
        for part in parts:
            n = self.state(part.stream).n
            if n != part.expected_n:
                return Stale(part.stream, n)
        raise Conflict(
            "A record with the same key is there already, with another body or without its companions.",
            code="key_reused",
            next_step="Use a new key for something new, or repeat exactly what was sent under the old one.",
        )

    def _repeated(self, part: Part) -> list[Record] | None:
        """The records that hold exactly these drafts; None unless all do."""
        live = self._live(part.stream)
        if not part.drafts:
            return [] if live.state.n == part.expected_n else None
        found: list[Record] = []
        for draft in part.drafts:
            n = live.find(draft.control.key)
            record = None if n is None else self.record(part.stream, n)
            if record is None or record.control != draft.control or not self._holds(record, draft):
                return None
            found.append(record)
        return found

    def _holds(self, record: Record, draft: Draft) -> bool:
        try:
            known = self.contents(record.stream, record.n)  # files have their digests in the control
            return known == {each.part: each.data for each in draft.contents if not each.part.startswith(APART)}
        except ContentErased:
            return False  # nobody can say any more

    # -- durability ----------------------------------------------------------------------------------------------

    async def durable(self, seq: int | None = None) -> None:
        """Returns once record `seq`, or everything appended so far, is on disk. Raises Unavailable if it never will be.

        After a failure a seq is given again: await this, without another await since the append.
        """
        wanted = self.last_seq if seq is None else seq
        if self._shared.failure is not None and (seq is None or wanted > self.durable_seq):
            raise as_new(self._shared.failure)
        if wanted > self.durable_seq:
            await self._waiters.wait(wanted)

    async def looked_back(self, work: Callable[[Durable], T]) -> T:
        """What `work` makes of all that was appended so far, in a worker thread, once it is on disk.

        Raises Unavailable if it never will be.
        """
        await self.durable()
        return await asyncio.to_thread(self._look_back, work)

    def _look_back(self, work: Callable[[Durable], T]) -> T:
        with closing(self._store.read()) as reading:
            return work(Durable(reading, self.number, self._sealer))

    async def durable_stream(self, *streams: StreamId) -> None:
        """Returns once all appended so far to these streams is on disk. Raises Unavailable if it never will be."""
        if self._shared.failure is not None:
            raise as_new(self._shared.failure)  # what was appended before it is gone from memory too
        wanted = 0
        for stream in streams:
            live = self.lives.get(stream)
            if live is not None and live.last_seq > wanted:
                wanted = live.last_seq
        if wanted > self.durable_seq:
            await self._waiters.wait(wanted)

    def hurry(self) -> None:
        """What was appended goes to the disk at once, before what other logs have waiting."""
        self._shared.hurry(self)

    async def sign(self) -> None:
        """Signs what is durable, unless it is signed already. Raises Unavailable."""
        await self._shared.sign([self.tip])

    async def room(self) -> None:
        """Returns once little enough is waiting to become durable, of this log and in the whole volume. Raises
        Unavailable."""
        await self._shared.room(self)

    @property
    def has_room(self) -> bool:
        """Whether `room` returns at once."""
        shared = self._shared
        return not shared.queued_rows or shared.has_room(self)

    def settle(self, entry: Entry) -> None:
        """The writer made `entry` durable."""
        if not entry.records:
            return
        self.durable_seq = entry.last_seq
        for live, grown in entry.grown.items():
            live.settle(len(grown.records))
            if live.is_parking and not live.tail:
                self.lives.drop(live)
        self.feed.offer(entry.records)

    def wake(self) -> None:
        """Tells those who wait for what is durable now."""
        self._waiters.wake(self.durable_seq)
        if self.durable_seq == self.last_seq:
            self.folds.trim()
        self.feed.wake()

    def fail(self) -> None:
        """Nothing that was not durable will be: drops what is ahead of the disk and tells those who wait."""
        assert self._shared.failure is not None
        self._waiters.fail(self._shared.failure)
        self.forget(self.number)
        self._names.clear()
        self.last_seq = self.durable_seq

    # -- the log as a whole --------------------------------------------------------------------------------------

    def read(self, after_seq: int = 0, limit: int = 512) -> list[Record]:
        """A page of durable records after the stored record `after_seq`, in order: those of the next `limit` stored
        ones. The last one's `seq` is the next cursor."""
        return self._queries.after(after_seq, limit)

    async def page_after(self, after_seq: int, limit: int) -> list[Record]:
        """The same, read by a thread."""
        return await asyncio.to_thread(self._read_after, after_seq, limit)

    def _read_after(self, after_seq: int, limit: int) -> list[Record]:
        with closing(self.read_apart()) as reading:
            return Queries(reading, self.number).after(after_seq, limit)

    def follow(self, after: int | Place, streams: Iterable[StreamId] | None = None) -> AsyncGenerator[Record]:
        """Durable records after a place, of these streams or all: those that are there, then as they come.

        A number is that of a stored record, all of which was seen.
        """
        place = after if isinstance(after, Place) else Place.last(after)
        return follow(self.feed, place, frozenset(streams) if streams is not None else None)

    def read_apart(self) -> Reading:
        """Another reader of the store, for a thread of its own. The caller closes it."""
        return self._store.read()

    def meter(self, key: str) -> tuple[int, int]:
        """What is reserved and what is paid under `key`."""
        return self._meters.total(key)

    def spent(self, key: str) -> Spent:
        """What a day or a session has spent on models, and what is reserved: see `day_key` and `session_key`."""
        return self._costs.spent(key)

    def person(self, subject: str, ts_us: int) -> Person:
        """What somebody, a pseudonym, began and used on the UTC day of a moment."""
        return self._costs.person(subject, ts_us)

    def reservations(self) -> list[OpenReservation]:
        """What open calls have reserved."""
        return self._meters.reservations()

    def unknowns(self) -> list[Unknown]:
        """The calls whose outcome nobody knows."""
        return self._unknowns.all()

    def is_unknown(self, session: str | None, tool: str, digest: bytes) -> bool:
        """Whether nobody knows the outcome of a call of this tool with these arguments in this session."""
        return self._unknowns.has(session or "", tool, digest)

    def letters(self) -> Mapping[int, LetterRow]:
        """The dead letters that nobody settled, by their records of the tenant's stream, the oldest first."""
        return self._letters.open

    def letter_counts(self) -> Mapping[str, int]:
        """How many dead letters are open, and how many messages got stuck on their way out, by state."""
        out = self.outbox_counts()
        return {"dead": len(self.letters()), **{state: out.get(state, 0) for state in outbox.STRANDED}}

    def stops(self) -> Mapping[str, int]:
        """The kill switches that are on, as `kind:name`, and the record of the tenant's stream that set each."""
        state = self.state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return state.stopped

    def rollouts(self) -> Mapping[str, Rollout]:
        """How the revisions of packs stand that were staged here, by pack."""
        state = self.state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return state.rollouts

    def announce(self, boot: str, version: str) -> None:
        """Notes that this process writes to the log from now on."""
        self._announced(LogOpened(boot, FORMAT_V, version), ())

    def announce_late(self, boot: str, version: str) -> None:
        """Has the first record of this process say that it writes to the log. Whoever only reads leaves none."""
        self._announcement = LogOpened(boot, FORMAT_V, version)

    def _announced(self, opened: LogOpened, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """The parts as they are once this process is noted, which it is now."""
        self._announcement = None
        n = self.state(TENANT_STREAM).n
        if self.find(TENANT_STREAM, opened.key) is not None:
            return parts
        self.append(Part(TENANT_STREAM, n, (Draft(opened),)), actor="system")
        return tuple(
            msgspec.structs.replace(part, expected_n=n + 1)
            if part.stream == TENANT_STREAM and part.expected_n == n
            else part
            for part in parts
        )

    # -- names and erasure ---------------------------------------------------------------------------------------

    def digest(self, data: bytes) -> bytes:
        """A keyed digest of `data` (16 bytes): equal data has equal digests, and nobody can guess by trying."""
        return self._shared.keyring.secrets(self.id).digest(data)

    def name(self, actor: Actor) -> Pseudonym:
        """The actor's pseudonym in this log. Who that is stays readable, sealed, until the actor is erased."""
        pseudonym = self._names.of(actor)
        op = self._names.keep(pseudonym, actor.id) if self._shared.failure is None else None
        if op is not None:
            self._write(op)
        return pseudonym

    def pseudonym(self, actor: Actor) -> Pseudonym:
        """The actor's pseudonym, for comparing: nothing is written."""
        return self._names.of(actor)

    def display(self, pseudonym: str) -> str:
        """The id behind a pseudonym, once durable. Raises NotFound (`name_unknown`), ContentErased."""
        return self._names.display(pseudonym)

    def knows(self, pseudonym: str) -> bool:
        """Whether anything here is or was sealed for them, or they have a name."""
        state = self.state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return pseudonym in state.erased or self._names.has(pseudonym) or bool(self.keys_of(pseudonym))

    def keys_of(self, subject: str) -> frozenset[int]:
        """The ids of every data key that was ever made for a subject, a pseudonym, here."""
        return self._shared.keyring.keys_of(self.id, subject)

    async def erase(
        self,
        subject: str,
        id: str,
        *,
        by: str = "",
        sessions: int = 0,
        runs: int = 0,
        records: int = 0,
        ruling: Ruling | None = None,
    ) -> tuple[int, ...]:
        """Destroys the keys of everything that was sealed for `subject`, a pseudonym; durable when this returns.

        Returns the ids of the keys. `id` makes it idempotent; the counts and the ruling go into the record. Raises
        Unavailable; call it again then.
        """
        self._shared.check()
        await self.durable()  # what was accepted before is erased too
        forget = self._shared.keyring.forget
        key_ids = tuple(await asyncio.to_thread(forget, self.id, subject, self._shared.now_us()))
        erased = Erased(subject, key_ids, id, sessions, runs, records, ruling)
        if self.find(TENANT_STREAM, erased.key) is None:
            self._write(self._names.remove(subject))
            self.append(Part(TENANT_STREAM, self.state(TENANT_STREAM).n, (Draft(erased),)), actor=by)
        await self.durable()
        self.lives.forget_contents()
        return key_ids

    def _write(self, op: Op) -> None:
        self._shared.check()
        self._shared.entry(self, self.tip).ops.append(op)
