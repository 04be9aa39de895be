"""Waits as the people who answer them see them: what exactly is asked, on which facts, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core import events as e
from lichen.core.errors import Conflict, Invalid, NotFound
from lichen.core.ids import RunId, StreamId, WaitId, run_stream
from lichen.core.scope import Actor, Scope
from lichen.core.wait import Wait, WaitKind, WaitOutcome
from lichen.engine.intake import Intake
from lichen.engine.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.log.erasures import Erased
from lichen.runtime.records import RecordView, view


class WaitView(msgspec.Struct, frozen=True):
    """An open wait. `id` names it in its scope; `digest` is what an answer is bound to.

    `operator` holds, for an approval, the resolved call (`tool`, `arguments`), the `facts`, the policy's `reason`,
    and in `origins` where each argument came from.
    """

    id: str
    run: RunId
    wait: WaitId
    kind: WaitKind
    may_answer: tuple[str, ...]
    digest: str
    opened_at_us: int
    expires_at_us: int | None
    public_text: str
    operator: dict[str, Any]


class Waits:
    """The open waits of a runtime."""

    def __init__(self, engine: LocalEngine, intake: Intake) -> None:
        self._engine = engine
        self._intake = intake

    def list(self, scope: Scope, *, kinds: tuple[str, ...] = ("approval", "reconcile")) -> tuple[WaitView, ...]:
        """Open waits of these kinds, oldest first."""
        journal = self._engine.journal(scope)
        rows = journal.log.wait_rows()
        found = (self._view(journal, RunId(row.run), WaitId(row.wait)) for row in rows if row.kind in kinds)
        return tuple(wait for wait in found if wait is not None)

    def show(self, scope: Scope, id: str) -> WaitView:
        """One open wait. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`)."""
        run, wait = parse(id)
        journal = self._engine.journal(scope)
        state = journal.run(run)
        number = int(wait[1:])
        if not state.n or number > state.waits_made:
            raise NotFound("There is no such wait in this scope.", code="wait_unknown")
        found = self._view(journal, run, wait)
        if found is None:
            raise Conflict(
                "This was answered already.",
                code="wait_closed",
                next_step=f"Run `lichen runs show {run}` to see by whom.",
            )
        return found

    async def answer(
        self,
        scope: Scope,
        id: str,
        outcome: WaitOutcome,
        actor: Actor,
        *,
        digest: str | None = None,
        body: dict[str, Any],
    ) -> None:
        """Answers a wait; returns once durable. Without `digest` the answer is about what is asked now.

        Raises NotFound, Denied, Conflict (`wait_closed` on the second answer), Expired, Invalid.
        """
        shown = self.show(scope, id)
        await self._intake.answer(
            scope,
            shown.run,
            shown.wait,
            outcome,
            actor,
            digest=bytes.fromhex(digest if digest is not None else shown.digest),
            body=body,
        )

    def closing(self, scope: Scope, id: str) -> RecordView | None:
        """The record that closed a wait; None while it is open."""
        run, wait = parse(id)
        log = self._engine.journal(scope).log
        for record in log.records(run_stream(run)):
            if isinstance(record.control, e.WaitClosed) and record.control.wait == wait:
                return view(log, record)
        return None

    async def approve(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Agrees to exactly the call that is shown. Policy and facts are checked again before it is made."""
        await self.answer(scope, id, "approved", actor, digest=digest, body={"note": note})

    async def deny(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Refuses it; the agent is told and answers accordingly."""
        await self.answer(scope, id, "denied", actor, digest=digest, body={"note": note})

    def _view(self, journal: Journal, run: RunId, id: WaitId) -> WaitView | None:
        wait: Wait | None = journal.run(run).waits.get(id)
        if wait is None:
            return None
        stream = run_stream(run)
        contents = _contents(journal, stream, wait.n)
        event = journal.log.event(stream, wait.n)
        assert isinstance(event.control, e.WaitOpened)
        return WaitView(
            id=f"{run}.{id}",
            run=run,
            wait=id,
            kind=wait.kind,
            may_answer=wait.may_answer,
            digest=wait.digest.hex(),
            opened_at_us=event.ts_us,
            expires_at_us=wait.expires_at_us,
            public_text=contents.get("public", b"").decode(),
            operator=msgspec.json.decode(contents.get("operator", b"{}")),
        )


def _contents(journal: Journal, stream: StreamId, n: int) -> Mapping[str, bytes]:
    """None of them once whom they are about was erased; the wait can be answered all the same."""
    try:
        return journal.log.contents(stream, n)
    except Erased:
        return {}


def parse(id: str) -> tuple[RunId, WaitId]:
    """The run and wait of a wait's id. Raises Invalid (`wait_id_invalid`)."""
    run, _, wait = id.rpartition(".")
    if not run or not wait.startswith("w") or not wait[1:].isdigit() or len(id) > 256:
        raise Invalid("This is not the id of a wait.", code="wait_id_invalid")
    return RunId(run), WaitId(wait)
