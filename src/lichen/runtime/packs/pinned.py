"""What runs under way are pinned to: the versions of agents that must not be dropped yet."""

from __future__ import annotations

from typing import Final

from lichen.core.words.ids import RunId, run_stream
from lichen.engine.engine import Engine
from lichen.engine.journal.journal import Journal

PAGE: Final = 500


async def pinned(engine: Engine) -> frozenset[str]:
    """The digests of the agents that some run began with which is not over, in any scope."""
    found: set[str] = set()
    for scope in engine.scopes:
        found |= set((await pins_of(engine.journal(scope))).values())
    return frozenset(found)


async def pins_of(journal: Journal) -> dict[RunId, str]:
    """The runs of a scope that are not over, each with the digest of the agent it began with."""
    await journal.log.durable()
    found: dict[RunId, str] = {}
    before: int | None = None
    while rows := journal.log.stream_rows("run", PAGE, before, outcome=""):
        for row in rows:
            stream = run_stream(RunId(row.id))
            await journal.log.load(stream)
            found[RunId(row.id)] = journal.run(RunId(row.id)).pins.agent
            journal.forget(stream)
        before = rows[-1].first_seq
    return found
