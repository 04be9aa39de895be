"""What must be true of the world after any number of deaths."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import SYSTEM, Scope
from lichen.log.log import Log
from lichen.log.records import record
from lichen.log.sqlite.file import FILE_NAME
from lichen.runtime import Runtime
from tests.crash.world import outside

ANSWERS = {
    "hello": "hello",
    "look": "look: ok",
    "pay 10": "pay: ok",
    "pay 80": "pay: ok",
    "note": "note: ok",
    "flaky": "flaky: ok",
    "child": "child: ok",
    "ask": "ask: answered",
    "person": "person: answered",
    "nap": "nap: expired",
    "forever": "limit calls",
    "hang": "This request was stopped.",
}
PAYMENTS = 3  # "pay 10", "pay 80" and the child's


class Judgement(AssertionError):
    """Something a death did that no death may do."""


async def judge(runtime: Runtime, home: Path, answers: dict[str, str], *, has_probe: bool) -> None:
    """Raises Judgement naming what is wrong."""
    scope = Scope("acme", "dev")
    log = runtime.log(scope)
    if answers != ANSWERS:
        raise Judgement(f"answers differ: {answers}")
    _paid_once(home)
    _told_once(home, log)
    _written_once(home)
    _terminal(log)
    unknown = unknown_outcomes(log)
    if has_probe and unknown:
        raise Judgement(f"with a probe nothing may stay unknown: {unknown}")
    report = await runtime.proofs.verify(scope, SYSTEM)
    if not report.ok:
        raise Judgement(f"the log does not verify: {report}")


def _paid_once(home: Path) -> None:
    with outside(home) as world:
        rows = world.execute("select key, count(*) from effects where tool = 'shop.pay' group by key").fetchall()
    if len(rows) != PAYMENTS or any(n != 1 for _, n in rows):
        raise Judgement(f"every payment happens exactly once: {rows}")


def _written_once(home: Path) -> None:
    """What a person wrote who had a conversation reaches its customer exactly once, in its order."""
    with outside(home) as world:
        rows = world.execute("select text from sent where text in ('Ada here.', 'Bye.') order by rowid").fetchall()
    if rows != [("Ada here.",), ("Bye.",)]:
        raise Judgement(f"a person's words reach the customer once: {rows}")


def _told_once(home: Path, log: Log) -> None:
    """One final answer for each message, sent under one id."""
    for row in log.stream_rows("session", limit=1000):
        stream = row.stream
        finals = [
            ev for ev in log.events(stream) if isinstance(ev.control, e.MessageQueued) and ev.control.kind == "answer"
        ]
        runs = [ev.control.run for ev in finals if isinstance(ev.control, e.MessageQueued)]
        if len(runs) != len(set(runs)):
            raise Judgement(f"two answers for one run in {stream}")
        queued = [ev.control.message for ev in log.events(stream) if isinstance(ev.control, e.MessageQueued)]
        with outside(home) as world:
            sent = world.execute("select message from sent where session = ?", (stream.id,)).fetchall()
        if sorted(m for (m,) in sent) != sorted(queued):
            raise Judgement(f"queued {queued} but sent {sent} in {stream}")


def _terminal(log: Log) -> None:
    """Every allowed call of every run has exactly one terminal record."""
    for row in log.stream_rows("run", limit=1000):
        ended: dict[str, int] = {}
        planned: set[str] = set()
        for event in log.events(run_stream(RunId(row.id))):
            control = event.control
            if isinstance(control, e.Planned):
                planned |= {call.id for call in control.calls}
            elif isinstance(control, e.CallFinished) and control.outcome != "unknown":
                ended[control.call] = ended.get(control.call, 0) + 1
        if set(ended) != planned or any(n != 1 for n in ended.values()):
            raise Judgement(f"{row.id}: planned {planned}, ended {ended}")


def unknown_outcomes(log: Log) -> list[str]:
    """Every attempt whose outcome nobody knew."""
    return [
        f"{row.id}/{event.control.call}"
        for row in log.stream_rows("run", limit=1000)
        for event in log.events(run_stream(RunId(row.id)))
        if isinstance(event.control, e.CallFinished) and event.control.outcome == "unknown"
    ]


def left_started(home: Path, tool: str = "shop.pay") -> int:
    """How many calls of a tool a death left started and not finished, read from the file it left."""
    with closing(sqlite3.connect(home / FILE_NAME)) as volume:
        stored = volume.execute("select record from records order by pos")
        rows = [fact for (data,) in stored for fact in record.decode(data)]
    wanted = {
        (row.stream, call.id)
        for row in rows
        if isinstance(row.control, e.Planned)
        for call in row.control.calls
        if call.tool == tool
    }
    started = {(row.stream, row.control.call) for row in rows if isinstance(row.control, e.CallStarted)}
    finished = {(row.stream, row.control.call) for row in rows if isinstance(row.control, e.CallFinished)}
    return len(wanted & started - finished)
