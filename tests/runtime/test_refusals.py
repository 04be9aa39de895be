"""What was refused and what was opened stand in the tenant's log, and no more often than they must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lichen.core.deciders import events as e
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope, Service
from lichen.log.records.record import Record
from lichen.runtime import Runtime
from lichen.runtime.access import refusals
from tests.runtime.world import CUSTOMER, OPS, SCOPE, runtime_in

FORBID = """
@id("no-cancel") @public("Not today.") @reason("month's end")
forbid(principal, action == Action::"run.cancel", resource);
"""


ONE_PAYMENT = """
@id("one") forbid(principal, action == Action::"till.pay", resource) when { context.meters.payments >= 1 };
"""


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime_in(tmp_path) as runtime:
        (tmp_path / "policies" / "never.cedar").write_text(FORBID)
        await runtime.policies.reload(SCOPE, OPS)
        yield runtime


def written(runtime: Runtime, kind: type[e.Control]) -> list[Record]:
    """The tenant's own records of a kind."""
    return [record for record in runtime.log(SCOPE).records(TENANT_STREAM) if isinstance(record.control, kind)]


def counts(runtime: Runtime) -> list[tuple[str, int]]:
    found = (record.control for record in written(runtime, e.Refused))
    return [(each.action, each.count) for each in found if isinstance(each, e.Refused)]


def opened(runtime: Runtime) -> list[tuple[str, str]]:
    return [(r.control.what, r.actor) for r in written(runtime, e.Accessed) if isinstance(r.control, e.Accessed)]


def resources(runtime: Runtime) -> list[str]:
    log = runtime.log(SCOPE)
    return [log.contents(record.stream, record.n)["resource"].decode() for record in written(runtime, e.Accessed)]


@pytest.mark.req("SYM-77.4")
async def test_a_refusal_is_a_record_of_its_own_that_says_which_policy_and_hides_what_it_was_about(
    till: Runtime,
) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    with pytest.raises(Denied):
        await till.runs.cancel(SCOPE, run, OPS)
    (record,) = written(till, e.Refused)
    refused = record.control
    assert isinstance(refused, e.Refused)
    assert (refused.action, refused.verdict, refused.policies, refused.count) == (
        "run.cancel",
        "deny",
        ("no-cancel",),
        1,
    )
    assert refused.policy_digest == till.engine.services.policy_digest(SCOPE)
    assert record.actor == till.log(SCOPE).pseudonym(OPS)
    assert run not in str(refused)
    contents = till.log(SCOPE).contents(record.stream, record.n)
    assert contents["resource"] == run.encode()
    assert b"month's end" in contents["operator"]


@pytest.mark.req("SYM-77.4")
async def test_who_may_never_ask_is_refused_in_the_log_too(till: Runtime) -> None:
    with pytest.raises(Denied, match="role_missing"):
        await till.records.page(SCOPE, CUSTOMER)
    assert counts(till) == [("log.read", 1)]


@pytest.mark.req("SYM-77.5")
async def test_equal_refusals_are_one_record_at_once_and_one_with_their_count(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        for _ in range(100):
            with pytest.raises(Denied):
                await till.records.page(SCOPE, CUSTOMER)
        with pytest.raises(Denied):
            await till.records.page(SCOPE, Customer("customer-8"))
        assert counts(till) == [("log.read", 1), ("log.read", 1)]
    async with runtime_in(tmp_path) as till:
        assert counts(till) == [("log.read", 1), ("log.read", 1), ("log.read", 99)]


@pytest.mark.req("SYM-77.5")
async def test_when_the_minute_is_over_the_count_is_written(till: Runtime) -> None:
    now_us, woken = [1_000_000], asyncio.Event()

    async def sleep(seconds: float) -> None:
        await woken.wait()
        woken.clear()

    access = till.runs._access  # pyright: ignore[reportPrivateUsage]
    access.refusals = refusals.Refusals(
        till.engine.journal, clock=lambda: now_us[0], sleep=sleep, new_id=till.engine.services.new_id
    )
    for _ in range(3):
        with pytest.raises(Denied):
            await till.records.page(SCOPE, CUSTOMER)
    for passed_s, found in ((59, [1]), (2, [1, 2])):
        now_us[0] += passed_s * 1_000_000
        woken.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert counts(till) == [("log.read", count) for count in found]


@pytest.mark.req("SYM-77.5")
async def test_a_flood_of_different_refusals_writes_no_more_than_its_bound(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        for n in range(1000):
            with pytest.raises(Denied):
                await till.records.page(SCOPE, Customer(f"customer-{n}"))
        assert len(written(till, e.Refused)) == refusals.RECORDS_MAX // 2
    async with runtime_in(tmp_path) as till:
        found = counts(till)
        assert found[-1] == ("", 1000 - refusals.RECORDS_MAX // 2)
        assert sum(count for _, count in found) == 1000


@pytest.mark.req("SYM-77.6")
async def test_an_allowed_act_says_what_allowed_it(till: Runtime) -> None:
    session = await till.sessions.open(SCOPE, CUSTOMER)
    await (await session.say("hello")).result()
    run = await till.runs.start(SCOPE, "till.clerk", "pay 500", CUSTOMER)
    await till.runs.pause(SCOPE, run, OPS)
    await till.runs.resume(SCOPE, run, OPS)
    await till.stops.set(SCOPE, "tool", "till.pay", OPS)
    await session.close()
    found = {
        ruling.action: ruling
        for record in till.log(SCOPE).read(0, 500)
        if (ruling := getattr(record.control, "ruling", None)) is not None
    }
    assert {"session.open", "session.say", "session.close", "run.start", "run.pause", "run.resume", "stop.set"} <= set(
        found
    )
    assert found["stop.set"].policies == ("lichen/operator",)
    assert found["session.open"].policies == ("base.talk",)
    assert {each.policy_digest for each in found.values()} == {till.engine.services.policy_digest(SCOPE)}


# -- what was opened ---------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-77.7")
async def test_contents_that_are_opened_are_noted_once_for_each_opening(till: Runtime) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    await till.runs.result(SCOPE, run, CUSTOMER)
    for _ in range(20):
        till.runs.show(SCOPE, run, OPS)
        till.runs.outcome(SCOPE, run, CUSTOMER)  # their own
    till.runs.show(SCOPE, run, Operator("other", ("operator",)))
    found = written(till, e.Accessed)
    assert opened(till) == [
        ("run", till.log(SCOPE).pseudonym(OPS)),
        ("run", till.log(SCOPE).pseudonym(Operator("other"))),
    ]
    assert till.log(SCOPE).contents(found[0].stream, found[0].n)["resource"] == run.encode()


@pytest.mark.req("SYM-77.7")
async def test_a_feed_and_an_export_are_noted_and_what_shows_control_alone_writes_nothing(till: Runtime) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    await till.runs.result(SCOPE, run, CUSTOMER)
    before = till.log(SCOPE).last_seq
    await till.sessions.list(SCOPE, OPS)
    till.stops.list(SCOPE, OPS)
    till.keys.list(SCOPE, OPS)
    till.agents.all(SCOPE, Service("crm"))
    till.policies.check(SCOPE, OPS)
    till.admin.health(SCOPE, SYSTEM)
    till.admin.load(SCOPE, OPS)
    till.waits.count(SCOPE, OPS)
    assert (await till.proofs.verify(SCOPE, OPS)).ok
    assert till.log(SCOPE).last_seq == before
    feed = till.runs.follow(SCOPE, run, OPS)
    assert feed.last() is not None
    await till.proofs.export(SCOPE, OPS, run=run)
    await till.proofs.export(SCOPE, OPS, run=run)
    assert [what for what, _ in opened(till)] == ["feed", "export", "export"]


@pytest.mark.req("SYM-77.8")
async def test_a_page_of_rows_that_shows_words_is_one_opening(till: Runtime) -> None:
    assert till.runs.list(SCOPE, OPS) == ()
    assert opened(till) == []
    for text in ("hello", "hello again"):
        await till.runs.result(SCOPE, await till.runs.start(SCOPE, "till.clerk", text, CUSTOMER), CUSTOMER)
    (newest,) = till.runs.list(SCOPE, OPS, limit=1)
    assert till.runs.list(SCOPE, OPS, limit=1) == (newest,)
    assert resources(till) == ["runs"]
    till.runs.list(SCOPE, OPS, limit=1, before=newest.first_seq)
    till.runs.explain(SCOPE, newest.id, OPS)
    assert resources(till) == ["runs", f"runs before {newest.first_seq}", newest.id]


@pytest.mark.req("SYM-69.10")
async def test_what_is_counted_in_one_environment_may_be_counted_in_no_other(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        own = tmp_path / "policies" / "prod"
        own.mkdir()
        (own / "meters.toml").write_text('[[meter]]\nname = "payments"\ntools = ["till.pay"]\nper = "tenant"\n')
        (own / "one.cedar").write_text(ONE_PAYMENT)
        answers: dict[str, list[str]] = {}
        for scope in (SCOPE, Scope("acme", "prod")):
            runs = [await till.runs.start(scope, "till.clerk", f"pay {amount}", CUSTOMER) for amount in (1, 2)]
            answers[scope.env] = sorted([await till.runs.result(scope, run, CUSTOMER) for run in runs])
        assert answers == {"dev": ["ok", "ok"], "prod": ["denied", "ok"]}
        prod = Scope("acme", "prod")
        (own / "meters.toml").write_text('[[meter]]\nname = "payments"\ntools = ["till.give"]\n')
        with pytest.raises(Invalid, match=r"prod/meters\.toml:1:1.*no tool till\.give"):
            await till.policies.reload(prod, OPS)


@pytest.mark.req("SYM-69.9")
async def test_what_one_environment_forbids_another_allows(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        (tmp_path / "policies" / "prod").mkdir()
        (tmp_path / "policies" / "prod" / "never.cedar").write_text(FORBID)
        prod = Scope("acme", "prod")
        runs = {scope: await till.runs.start(scope, "till.clerk", "pay 500", CUSTOMER) for scope in (SCOPE, prod)}
        with pytest.raises(Denied, match="Not today"):
            await till.runs.cancel(prod, runs[prod], OPS)
        await till.runs.cancel(SCOPE, runs[SCOPE], OPS)
