"""The log: how long it is, what was signed, its records a page at a time, its proof, and parts to take away."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.runtime.views.record import RecordView
from lichen.runtime.views.tenant import Head, Verification
from lichen.serve.console.visit import Outcome, Query, Visit

PAGE = 50
HEADS_SHOWN = 8


class Reading(Query, frozen=True):
    """Records before position `before`, or the newest."""

    before: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Taking(Query, frozen=True):
    """What to take away: one run, one record, or with neither the whole log."""

    run: str | None = None
    seq: Annotated[int, msgspec.Meta(ge=1)] | None = None


class LogPage(msgspec.Struct, frozen=True):
    """The log of this scope. `public_key` is hexadecimal; `unsigned` records are newer than the newest head."""

    log: str
    records_total: int
    durable: int
    unsigned: int
    public_key: str
    heads: tuple[Head, ...]
    records: tuple[RecordView, ...]
    next_before: int | None
    is_newest: bool


class Verified(msgspec.Struct, frozen=True):
    """What reading everything again found."""

    verification: Verification


async def show(visit: Visit) -> LogPage:
    """A page of records, the newest first, under what is signed."""
    wanted = visit.query(Reading)
    runtime, scope, actor = visit.runtime, visit.scope, visit.actor
    stand = runtime.records.position(scope, actor)
    end = min(wanted.before or stand.durable + 1, stand.durable + 1)
    first = max(1, end - PAGE)
    records = await runtime.records.page(scope, actor, after=first - 1, limit=end - first) if end > first else ()
    signed = runtime.proofs.signed(scope, actor, limit=HEADS_SHOWN)
    return LogPage(
        stand.log,
        stand.last,
        stand.durable,
        stand.durable - (signed[0].size if signed else 0),
        stand.public_key,
        signed,
        tuple(reversed(records)),
        first if first > 1 else None,
        end == stand.durable + 1,
    )


async def verify(visit: Visit) -> Outcome:
    """Reads every record again, derives everything from them, and compares."""
    with visit.audit():
        found = await visit.runtime.proofs.verify(visit.scope, visit.actor)
    return Outcome(template="console/verified.html", view=Verified(found))


async def take(visit: Visit) -> Response:
    """Records with their proofs and the signed head, as a file anybody with the public key can check."""
    wanted = visit.query(Taking)
    if wanted.run is not None and wanted.seq is not None:
        raise Invalid("One run or one record, not both.", code="query_invalid", place="$.seq")
    with visit.audit():
        run = RunId(wanted.run) if wanted.run else None
        data = await visit.runtime.proofs.export(visit.scope, visit.actor, run=run, record=wanted.seq)
    name = f"{visit.scope.tenant}-{visit.scope.env}-{_part(wanted)}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(data, headers=headers, media_type="application/octet-stream")


def _part(wanted: Taking) -> str:
    if wanted.seq is not None:
        return f"record-{wanted.seq}"
    return "run" if wanted.run else "log"
