"""What waits for a person: approvals, and outcomes that nobody but a person can find out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lichen.core.errors import Conflict, Invalid
from lichen.core.wait import OUTCOMES, WaitOutcome
from lichen.runtime.waits import WaitView
from lichen.serve.api.route import ApiRoute
from lichen.serve.exchange import Body, Exchange, Note, Nothing

KINDS = ("approval", "reconcile")
ALL_KINDS = tuple(OUTCOMES)
GONE = (409, 410)  # somebody answered before, or time did


class Answering(Body, frozen=True):
    """An answer. `digest` is the one shown with the wait: then it is about exactly what was seen."""

    note: Note = ""
    digest: str | None = None


class Reconciling(Body, frozen=True):
    """What a person found out about an effect: `result` is the tool's result when it happened."""

    outcome: Literal["happened", "did_not_happen", "try_again"]
    result: dict[str, Any] | None = None
    note: Note = ""
    digest: str | None = None


class Told(Body, frozen=True):
    """What a run waits for from outside: `result` is handed to its planner."""

    result: Mapping[str, Any] = {}
    digest: str | None = None


async def list_all(x: Exchange) -> tuple[WaitView, ...]:
    """Every open wait of this scope's runs, of whatever kind, oldest first."""
    return x.runtime.waits.list(x.scope, kinds=ALL_KINDS)


async def answer(x: Exchange) -> Nothing:
    """Brings what a run waits for from outside: a clarification or an external result."""
    given = x.body(Told)
    return await _answer(x, "answered", given.digest, {"result": given.result})


async def list_waits(x: Exchange) -> tuple[WaitView, ...]:
    """Everything in this scope that waits for a person, oldest first."""
    return x.runtime.waits.list(x.scope, kinds=KINDS)


async def show(x: Exchange) -> WaitView:
    """One of them."""
    return x.runtime.waits.show(x.scope, x.part("wait"))


async def approve(x: Exchange) -> Nothing:
    """Agrees to exactly the call that is shown."""
    given = x.body(Answering)
    return await _answer(x, "approved", given.digest, {"note": given.note})


async def deny(x: Exchange) -> Nothing:
    """Refuses it."""
    given = x.body(Answering)
    return await _answer(x, "denied", given.digest, {"note": given.note})


async def reconcile(x: Exchange) -> Nothing:
    """Says what became of an effect in doubt."""
    given = x.body(Reconciling)
    if given.result is not None and given.outcome != "happened":
        raise Invalid("Only what happened has a result.", code="body_invalid", place="$.result")
    body: dict[str, Any] = {"note": given.note}
    return await _answer(
        x, given.outcome, given.digest, body if given.result is None else {**body, "result": given.result}
    )


async def _answer(x: Exchange, outcome: WaitOutcome, digest: str | None, body: dict[str, Any]) -> Nothing:
    """Answers once. The same answer sent again under its idempotency key is no conflict."""
    if digest is not None and not _is_hex(digest):
        raise Invalid("A digest is written in hexadecimal.", code="body_invalid", place="$.digest")
    wait = x.part("wait")
    try:
        await x.runtime.waits.answer(
            x.scope, wait, outcome, x.actor, digest=digest, body=body if x.key is None else {**body, "key": x.key}
        )
    except Conflict as conflict:
        if conflict.code != "wait_closed" or x.key is None or not _is_repeated(x, wait, outcome, x.key):
            raise
    return Nothing()


def _is_repeated(x: Exchange, id: str, outcome: WaitOutcome, key: str) -> bool:
    record = x.runtime.waits.closing(x.scope, id)
    if record is None:
        return False
    answer: dict[str, Any] = (record.contents or {}).get("body") or {}
    return record.control["outcome"] == outcome and answer.get("key") == key


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


ROUTES = (
    ApiRoute("GET", "approvals", "approvals.answer", list_waits, owner_may=True),
    ApiRoute("GET", "approvals/{wait}", "approvals.answer", show, owner_may=True, fails=(409,)),
    ApiRoute(
        "POST", "approvals/{wait}/approve", "approvals.answer", approve, body=Answering, fails=GONE, takes_key=True
    ),
    ApiRoute("POST", "approvals/{wait}/deny", "approvals.answer", deny, body=Answering, fails=GONE, takes_key=True),
    ApiRoute(
        "POST",
        "approvals/{wait}/reconcile",
        "approvals.answer",
        reconcile,
        body=Reconciling,
        fails=GONE,
        takes_key=True,
    ),
    ApiRoute("GET", "waits", "runs.read", list_all, owner_may=True),
    ApiRoute("POST", "waits/{wait}/answer", "waits.answer", answer, body=Told, fails=GONE, takes_key=True),
)
