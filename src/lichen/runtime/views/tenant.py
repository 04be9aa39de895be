"""What governs and proves a tenant as operators see it: its stops, its keys, its signed heads, what verifying found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import ActorKind
from lichen.gate.switches import StopKind
from lichen.log.keys.apikeys import ApiKey
from lichen.log.log import Log
from lichen.log.proof.checkpoint import parse_and_verify
from lichen.runtime.names import name_of
from lichen.runtime.views.record import opened

if TYPE_CHECKING:
    from lichen.log.audit.findings import Report


class Stop(msgspec.Struct, frozen=True):
    """A switch that is on. `by` is a pseudonym, `by_name` who that is where somebody may know."""

    kind: StopKind
    name: str
    reason: str
    by: str
    by_name: str
    at_us: int
    summary: str


def stop_view(log: Log, kind: StopKind, name: str, n: int) -> Stop:
    """A switch with what its record `n` of the tenant's stream says of it."""
    each = opened(log, log.record(TENANT_STREAM, n))
    by, by_name = each.record.actor, name_of(log, each.record.actor)
    summary = f"{kind} {name} is stopped by {by_name}"
    return Stop(kind, name, each.text("reason"), by, by_name, each.record.ts_us, summary)


class KeyView(msgspec.Struct, frozen=True):
    """Who the holder of a key is: one actor of one tenant's environment. `expires_at_us` is None for never."""

    id: str
    tenant: str
    env: str
    actor_kind: ActorKind
    actor_id: str
    roles: tuple[str, ...]
    expires_at_us: int | None
    summary: str


def key_view(key: ApiKey) -> KeyView:
    """A key without its secret."""
    roles = f" with {', '.join(key.roles)}" if key.roles else ""
    return KeyView(**msgspec.structs.asdict(key), summary=f"{key.actor_kind} {key.actor_id}{roles}")


class Verification(msgspec.Struct, frozen=True):
    """What a log's verification found. `unsigned` records are newer than the last signed head; `first` is the first
    thing that is wrong. `remembered` says whether the log was compared with a head kept apart from it. `unread` streams
    hold records of types that this version does not know: as they were written, but their views are not compared."""

    ok: bool
    log: str
    records: int
    heads: int
    unsigned: int
    root: str
    remembered: bool
    first: str | None
    findings: tuple[str, ...]
    summary: str
    unread: int = 0


def verification(report: Report, log: str) -> Verification:
    """What a report says of one log, and of what is wrong with the file as a whole.

    A log that nothing was written to yet is sound; one that is gone is missed by the head that lies with the keys.
    """
    own = [finding for finding in report.findings if finding.place.log in ("", log)]
    found = next((each for each in report.logs if each.id == log), None)
    records, heads = (found.records, found.heads) if found else (0, 0)
    return Verification(
        ok=not own,
        log=log,
        records=records,
        heads=heads,
        unsigned=found.unsigned if found else 0,
        root=found.root.hex() if found else "",
        remembered=report.remembered > 0,
        first=str(own[0]) if own else None,
        findings=tuple(map(str, own)),
        summary=str(own[0]) if own else f"{records} records, {heads} signed heads: everything is as it was written",
        unread=found.unread if found else 0,
    )


class Head(msgspec.Struct, frozen=True):
    """A signed tree head: the log's size and root (hexadecimal) at a moment, and the text anybody may keep."""

    size: int
    root: str
    ts_us: int
    checkpoint: str


def heads(log: Log, limit: int) -> tuple[Head, ...]:
    """The last signed heads, the newest first, their signatures checked. Raises Corrupt (`checkpoint_corrupt`)."""
    texts = log.checkpoints(limit)
    found = ((parse_and_verify(text, log.public_key), text) for text in texts)
    return tuple(Head(head.size, head.root.hex(), head.ts_us, text.decode()) for head, text in found)


class SecretUse(msgspec.Struct, frozen=True):
    """A use of a secret: when, in which run, and which version of it."""

    at_us: int
    run: str
    version: str


class SecretView(msgspec.Struct, frozen=True):
    """A secret without its value. `version` changes when the value does; empty, with `code` saying why, where there is
    none to be had. `tools` ask for it; `last` is its last use, as far back as was looked."""

    name: str
    source: str
    version: str
    code: str
    tools: tuple[str, ...]
    last: SecretUse | None
    summary: str


def secret_view(
    name: str, source: str, version: str, *, code: str, tools: tuple[str, ...], last: SecretUse | None
) -> SecretView:
    """A secret as operators see it."""
    where = f"version {version} from {source}" if version else f"none from {source}: {code}"
    return SecretView(name, source, version, code, tools, last, f"{name}, {where}")
