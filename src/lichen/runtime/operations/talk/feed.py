"""A run as it happens: its records, and its session's, for somebody who may read them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, StreamId, run_stream, session_stream
from lichen.core.words.scope import Actor
from lichen.engine.journal.journal import Journal
from lichen.log.records.record import Place
from lichen.runtime.access.access import Access, of_run
from lichen.runtime.views.record import RecordView, Sight, record_view, sight

COMPANIONS_MAX = 64  # records of one append: more than a run's end brings


class Feed:
    """The durable records of a run, `with_session` also of its session. What may be read is asked with each."""

    def __init__(self, access: Access, journal: Journal, run: RunId, actor: Actor, *, with_session: bool) -> None:
        self._access = access
        self._journal = journal
        self._run = run
        self._actor = actor
        session = journal.run(run).session if with_session else None
        own = run_stream(run)
        self._streams: tuple[StreamId, ...] = (own,) if session is None else (own, session_stream(session))

    def last(self) -> Place | None:
        """The last place of what was appended together with the run's end, once that is durable."""
        self._ask()
        log, state = self._journal.log, self._journal.run(self._run)
        if not state.outcome:
            return None
        finished = log.record(run_stream(self._run), state.n - 1)
        if finished.seq > log.durable_seq:
            return None
        after = log.read(finished.seq - 1, COMPANIONS_MAX)
        beside = (r for r in after if r.ts_us == finished.ts_us and r.stream in self._streams)
        return max((record.place for record in beside), default=finished.place)

    async def records(self, after: int | Place) -> AsyncGenerator[RecordView]:
        """Those after a position that are there, then as they come. Raises Denied once the reader may not any more."""
        self._ask()
        log = self._journal.log
        async with aclosing(log.follow(after, self._streams)) as records:
            async for record in records:
                self._ask()
                yield record_view(log, record, self._sight())

    def is_end(self, record: RecordView) -> bool:
        """Whether this is the run's last record."""
        self._ask()
        return record.type == "run_finished" and record.stream == str(run_stream(self._run))

    def _sight(self) -> Sight:
        return sight(self._access.sees(self._journal.scope, self._actor, of_run(self._run)))

    def _ask(self) -> e.Ruling:
        return self._access.ask("run.read", self._journal.scope, self._actor, of_run(self._run))
