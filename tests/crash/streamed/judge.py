"""What must be true of the conversation after any number of deaths: told from the log, the provider's own count and the
tools' ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, SessionId, root_run, run_stream, session_stream
from lichen.core.words.scope import SYSTEM
from lichen.log.log import Log
from lichen.runtime import Runtime
from tests.crash.bills import Bills, Wrong, bills, check_budgets, check_estimates, check_requests, plans
from tests.crash.streamed.provider import READ, WROTE
from tests.crash.streamed.script import ANSWER, STEPS
from tests.crash.streamed.world import SCOPE
from tests.crash.world import outside


async def judge(runtime: Runtime, home: Path, session: SessionId, *, url: str, deaths: int, lost: int) -> None:
    """Raises Wrong for what is not as it must be, after so many deaths, of which this many took an attempt with them
    that the log knows to have asked a model."""
    log = runtime.log(SCOPE)
    async with httpx.AsyncClient() as http:
        seen = (await http.get(f"{url}/seen")).json()
    found = bills(log)
    _answered_once(log, home, session)
    _done_once(home)
    check_requests(len(seen), found, deaths)
    _billed_once(seen, found)
    check_estimates(found, lost)
    _estimates_are_dear(found)
    check_budgets(log, session, found)
    _caller_knows(log)
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _answered_once(log: Log, home: Path, session: SessionId) -> None:
    """The customer is told the answer once, and all else once too."""
    queued = [ev.control for ev in log.events(session_stream(session)) if isinstance(ev.control, e.MessageQueued)]
    if [each.kind for each in queued].count("answer") != 1:
        raise Wrong(f"not one answer: {[each.kind for each in queued]}")
    with outside(home) as world:
        sent = world.execute("select text from sent order by rowid").fetchall()
    if sent != [("Let me look.",), ("One moment, please.",), (ANSWER,)]:
        raise Wrong(f"the customer was told {sent}")


def _done_once(home: Path) -> None:
    """The payment happened once; the note, which may be written again, under one key."""
    with outside(home) as world:
        rows = world.execute("select tool, key, count(*) from effects group by tool, key").fetchall()
    paid = [(tool, n) for tool, _, n in rows if tool == "shop.pay"]
    if paid != [("shop.pay", 1)] or len(rows) != 2:
        raise Wrong(f"done: {rows}")


def _billed_once(seen: list[dict[str, Any]], found: Bills) -> None:
    """A bill says which request it is for: no two for the same one, and one for each step."""
    numbers = [asked.usage.cached_tokens for asked in found.replies]
    steps = Counter(each["step"] for each in seen if each["number"] in numbers)
    if len(numbers) != len(set(numbers)) or steps != Counter(STEPS):
        raise Wrong(f"billed are {numbers}, of {[each['step'] for each in seen]}")
    for asked in found.replies:
        told = (asked.usage.input_tokens, asked.usage.output_tokens)
        is_told = told == (READ, WROTE) if asked.tries == 1 else asked.is_estimate and told > (2 * READ, 2 * WROTE)
        if not is_told or asked.outcome != "ok":
            raise Wrong(f"a reply is not billed as its provider says, or without the try before it: {found}")


def _estimates_are_dear(found: Bills) -> None:
    """No estimate is cheaper than its request could be."""
    for asked in found.estimates:
        usage = asked.usage
        if usage.input_tokens < READ or usage.output_tokens < WROTE or not usage.cost_micro_usd:
            raise Wrong(f"the estimate of a lost attempt: {asked}")


def _caller_knows(log: Log) -> None:
    """What the cashier's models used counts against the clerk's limits."""
    used = sum(planned.usage.tokens for run, planned in plans(log) if run != root_run(run))
    told = [
        ev.control.used_tokens
        for row in log.stream_rows("run", limit=1000)
        for ev in log.events(run_stream(RunId(row.id)))
        if isinstance(ev.control, e.CallFinished) and ev.control.used_tokens
    ]
    if told != [used]:
        raise Wrong(f"the cashier used {used}, its caller was told {told}")
