"""The log: read it, prove it, take it away, back it up, erase a person from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from starlette.responses import Response

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, SessionId
from lichen.core.words.scope import Actor, ActorKind
from lichen.runtime.operations.people import Erasure
from lichen.runtime.views.record import RecordView
from lichen.runtime.views.tenant import Head, Verification
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Name, Position, WaitS

PAGE_MAX = 500
HEADS_MAX = 100
BINARY = "application/octet-stream"


Checkpoint = Annotated[str, msgspec.Meta(max_length=4_000)]
"""The text of a signed head."""


class Reading(Body, frozen=True):
    """Records after position `after`, waiting up to `wait_s` for the first of them."""

    after: Position = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 100
    wait_s: WaitS = 0.0


class Listing(Body, frozen=True):
    """How many, at most."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=HEADS_MAX)] = 10


class Exporting(Body, frozen=True):
    """Which part of the log: one run, one session, one record, or all of it."""

    run: RunId | None = None
    session: SessionId | None = None
    record: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None


class BackingUp(Body, frozen=True):
    """Absolute paths on this machine. Without `keys` they are left out, so the backup alone can be read by nobody."""

    to: str
    keys: str | None = None


class Backup(msgspec.Struct, frozen=True):
    """What was written: which logs, and how many records."""

    to: str
    keys: str | None
    logs: tuple[str, ...]
    records: int


class Erasing(Body, frozen=True):
    """Whose contents become unreadable for good: a pseudonym, or the id of somebody of this kind.

    With `force` somebody nobody knows is shut out beforehand.
    """

    actor: Name
    kind: ActorKind = "customer"
    force: bool = False


async def read(x: Exchange) -> tuple[RecordView, ...]:
    """A page of durable records in order; the last one's `seq` is the next `after`."""
    wanted = x.query(Reading)
    records = x.runtime.records
    await x.wait(records.after(x.scope, x.actor, wanted.after), timeout_s=wanted.wait_s)
    return await records.page(x.scope, x.actor, after=wanted.after, limit=wanted.limit)


async def list_heads(x: Exchange) -> tuple[Head, ...]:
    """The last signed heads of the log, the newest first. Keep one apart: it proves everything before it."""
    wanted = x.query(Listing)
    return await x.runtime.proofs.heads(x.scope, x.actor, limit=wanted.limit)


class Verifying(Body, frozen=True):
    """Signed heads that the caller kept, as `log/heads` showed them: the log must hold each of them."""

    heads: Annotated[tuple[Checkpoint, ...], msgspec.Meta(max_length=HEADS_MAX)] = ()


async def verify(x: Exchange) -> Verification:
    """Reads all of the log again and says what is wrong with it, if anything is."""
    kept = tuple(text.encode() for text in x.body(Verifying).heads)
    with x.audit():
        return await x.runtime.proofs.verify(x.scope, x.actor, kept=kept)


async def export(x: Exchange) -> Response:
    """The log, or a part of it with its proofs, to be verified by anybody who knows its public key."""
    wanted = x.query(Exporting)
    if sum(each is not None for each in (wanted.run, wanted.session, wanted.record)) > 1:
        raise Invalid("One run, one session or one record, not several.", code="query_invalid", place="$.session")
    with x.audit():
        data = await x.runtime.proofs.export(
            x.scope, x.actor, run=wanted.run, session=wanted.session, record=wanted.record
        )
    return Response(data, media_type=BINARY)


async def backup(x: Exchange) -> Backup:
    """Copies the logs of the environment that is named, or every log there is, and their keys to another place."""
    wanted = x.body(BackingUp)
    to = _path(wanted.to, "$.to")
    keys = _path(wanted.keys, "$.keys") if wanted.keys is not None else None
    where = x.caller.where
    report = await x.runtime.proofs.backup(x.actor, to, keys=keys, scopes=None if where is None else [where])
    return Backup(wanted.to, wanted.keys, report.logs, report.records)


async def erase(x: Exchange) -> Erasure:
    """Destroys the keys of everything one person said and of what was said about them."""
    wanted = x.body(Erasing)
    return await x.runtime.people.erase(x.scope, Actor(wanted.kind, wanted.actor), x.actor, force=wanted.force)


def _path(text: str, place: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise Invalid("The path is not absolute.", code="body_invalid", place=place)
    return path


ROUTES = (
    ApiRoute("GET", "log/records", "log.read", read, query=Reading),
    ApiRoute("GET", "log/heads", "log.verify", list_heads, query=Listing),
    ApiRoute("POST", "log/verify", "log.verify", verify, body=Verifying),
    ApiRoute("GET", "log/export", "log.export", export, query=Exporting, media=BINARY),
    ApiRoute("POST", "log/backup", "owner", backup, body=BackingUp),
    ApiRoute("POST", "log/erase", "log.erase", erase, body=Erasing, fails=(404,)),
)
