"""People: forget one for good."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import msgspec

from lichen.core.words.errors import NotFound
from lichen.core.words.ids import Pseudonym, StreamId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake.request import Request
from lichen.engine.intake.subjects import ALL, end_all
from lichen.engine.journal.journal import Journal
from lichen.engine.letters.deliveries import drop_all
from lichen.log.log import Log
from lichen.runtime.access.access import About, Access
from lichen.runtime.access.register import Person, Register

ID_CHARACTERS_MAX = 128
VISITOR = "webchat:"  # how the ids of visitors begin whom no key vouches for
_PSEUDONYM = re.compile(r"(customer|operator|service|agent|system)_[0-9a-f]{16}")


class Erasure(msgspec.Struct, frozen=True):
    """What was erased: `keys` destroyed, and how much was sealed with them. `is_repeated`: it had been before."""

    subject: str
    keys: int
    sessions: int
    runs: int
    records: int
    is_repeated: bool = False


class People:
    """Those that a tenant's logs are about."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        *,
        register: Register,
        new_id: Callable[[str], str],
        forget: Callable[[Scope, str], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._access = access
        self._register = register
        self._new_id = new_id
        self._forget = forget

    async def erase(self, scope: Scope, who: str | Actor, actor: Actor, *, force: bool = False) -> Erasure:
        """Destroys the keys of everything a person said or that was said about them, and says how much that was.

        `who` is an actor, the id of a customer, or a pseudonym. What is open about them ends first. The log still
        verifies and runs still list; nobody can read the contents again, in backups neither. With `force` somebody
        nobody knows is shut out beforehand. Raises Denied, NotFound (`subject_unknown`), Unavailable.
        """
        ruling = self._access.ask("log.erase", scope, actor, About(scope.tenant))
        journal = self._engine.journal(scope)
        log = journal.log
        await log.durable()  # rows are as of the last commit
        subject = _subject(journal, who, force=force)
        await self._forget(scope, subject)  # what they signed in by elsewhere, and again where a crash came between
        if journal.is_erased(subject):
            return Erasure(subject, 0, 0, 0, 0, is_repeated=True)
        request = Request(self._engine, scope, actor)
        await end_all(request, subject)
        await drop_all(request, subject)
        await log.durable()
        sessions, runs = _streams(log, subject, "session"), _streams(log, subject, "run")
        records = _sealed(log, subject, [*sessions, *runs])
        keys = await log.erase(
            subject,
            self._new_id("erasure"),
            by=log.name(actor),
            sessions=len(sessions),
            runs=len(runs),
            records=records,
            ruling=ruling,
        )
        for stream in (*sessions, *runs):
            journal.forget(stream)
        self._register.end(Person(scope, subject))
        return Erasure(subject, len(keys), len(sessions), len(runs), records)


def _subject(journal: Journal, who: str | Actor, *, force: bool) -> Pseudonym:
    """The pseudonym of somebody the log knows. Raises NotFound (`subject_unknown`) with a hint who might be meant."""
    log = journal.log
    named = Actor("customer", who) if isinstance(who, str) else who
    subject = Pseudonym(named.id) if _PSEUDONYM.fullmatch(named.id) else log.pseudonym(named)
    if force or log.knows(subject):
        return subject
    is_short = len(named.id) + len(VISITOR) <= ID_CHARACTERS_MAX
    visitor = Actor("customer", VISITOR + named.id) if is_short else None
    is_visitor = visitor is not None and log.knows(log.pseudonym(visitor))
    raise NotFound(
        "Nobody is known here by this id or pseudonym, so nothing was erased.",
        code="subject_unknown",
        next_step=f"A visitor of the web chat is known by it: erase {VISITOR}{named.id}."
        if is_visitor
        else "Take the pseudonym from the session or run (`lichen runs list`); --force shuts somebody out beforehand.",
    )


def _streams(log: Log, subject: str, kind: str) -> list[StreamId]:
    rows = log.stream_rows("session" if kind == "session" else "run", limit=ALL)
    return [row.stream for row in rows if row.subject == subject]


def _sealed(log: Log, subject: str, streams: list[StreamId]) -> int:
    """How many records of these streams hold something sealed under the subject's keys."""
    keys = log.keys_of(subject)
    records = (record for stream in streams for record in log.records(stream))
    return sum(any(each.key_id in keys for each in record.contents) for record in records)
