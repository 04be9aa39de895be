"""Who only looks at a log, without opening what people said, leaves nothing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import SYSTEM, Scope
from lichen.log.log import Log
from tests.runtime.world import CUSTOMER, OPS, SCOPE, runtime_in

OTHER = Scope("globex", "dev")


def opened(log: Log) -> int:
    """How often a process noted itself in the log."""
    return sum(isinstance(event.control, e.LogOpened) for event in log.events(TENANT_STREAM))


@pytest.mark.req("LIC-3.12")
async def test_a_process_that_only_reads_writes_neither_a_record_nor_a_head(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        for scope in (SCOPE, OTHER):
            run = await till.runs.start(scope, "till.clerk", "hello", CUSTOMER)
            await till.runs.result(scope, run, CUSTOMER)
    async with runtime_in(tmp_path) as till:
        before = [(till.log(scope).last_seq, len(till.log(scope).checkpoints(100))) for scope in (SCOPE, OTHER)]
        assert till.stops.list(SCOPE, OPS) == ()
        assert [view.name for view in till.agents.list(SCOPE, OPS)] == ["till.clerk"]
        assert (await till.proofs.verify(SCOPE, SYSTEM)).ok
    async with runtime_in(tmp_path) as till:
        after = [(till.log(scope).last_seq, len(till.log(scope).checkpoints(100))) for scope in (SCOPE, OTHER)]
        assert after == before


@pytest.mark.req("LIC-3.12")
async def test_the_first_thing_a_process_writes_is_that_it_writes(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        await till.stops.set(SCOPE, "tool", "till.pay", OPS)
        await till.stops.clear(SCOPE, "tool", "till.pay", OPS)
        assert opened(till.log(SCOPE)) == 1
        assert opened(till.log(OTHER)) == 0
    async with runtime_in(tmp_path) as till:
        await till.stops.set(SCOPE, "tool", "till.pay", OPS)
        types = [record.type for record in till.log(SCOPE).records(TENANT_STREAM)]
        assert types == ["log_opened", "changed", "changed", "log_opened", "changed"]
        assert (await till.proofs.verify(SCOPE, SYSTEM)).ok
