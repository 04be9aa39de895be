"""Budgets hold under concurrency: of any number of parallel calls, exactly as many pass as the budget allows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest

from lichen.core.ports.policy import Check, Verdict
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Customer, Scope
from tests.gate.shop import ANNA, COUNTED, LOOKUP, MAIL, MAY_REFUND, SCOPE, Shop, policies

DAY_US = 86_400_000_000


def limited(limit: str) -> str:
    return f'@limit("{limit}") {MAY_REFUND}'


def meter(per: str, *, amount: str | None = None, window: str = "forever", tool: str = "payments.refund") -> str:
    argument = 'per_argument = "order_id"\n' if per == "argument" else ""
    summed = f'amount = "{amount}"\n' if amount else ""
    return f'[[meter]]\nname = "m"\ntools = ["{tool}"]\nper = "{per}"\nwindow = "{window}"\n{summed}{argument}'


async def outcomes(shop: Shop, *checks: Check) -> list[str]:
    return [(await shop.ask(check)).outcome for check in checks]


@pytest.mark.req("LIC-11.1")
@pytest.mark.parametrize("budget", [0, 1, 3, 20])
async def test_of_parallel_calls_exactly_as_many_pass_as_the_budget_allows(budget: int) -> None:
    shop = Shop(limited(f"refunds <= {budget}"), meters=COUNTED)
    verdicts = await asyncio.gather(*(shop.ask(shop.refund(f"c{n}")) for n in range(20)))
    assert sum(verdict.outcome == "allow" for verdict in verdicts) == budget


@pytest.mark.req("LIC-11.1")
async def test_a_sum_may_be_reached_and_not_passed() -> None:
    shop = Shop(limited("refunded <= 5000"), meters=COUNTED)
    asked = [shop.refund(f"c{n}", amount=amount) for n, amount in enumerate((3000, 2001, 2000, 1, 0))]
    assert await outcomes(shop, *asked) == ["allow", "deny", "allow", "deny", "allow"]


@pytest.mark.req("LIC-11.2")
async def test_a_call_that_did_not_happen_gives_back_what_it_reserved_and_a_paid_one_does_not() -> None:
    shop = Shop(limited("refunds <= 1"), meters=COUNTED)
    assert await outcomes(shop, shop.refund("c1"), shop.refund("c2")) == ["allow", "deny"]
    shop.end("c1", paid=False)
    assert await outcomes(shop, shop.refund("c2"), shop.refund("c3")) == ["allow", "deny"]
    shop.end("c2", paid=True)
    shop.end("c2", paid=False)
    assert await outcomes(shop, shop.refund("c4")) == ["deny"]


@pytest.mark.req("LIC-11.2")
async def test_a_call_decided_twice_counts_once() -> None:
    shop = Shop(limited("refunds <= 1"), meters=COUNTED)
    assert await outcomes(shop, shop.refund("c1"), shop.refund("c1"), shop.refund("c2")) == ["allow", "allow", "deny"]


@pytest.mark.req("LIC-11.2")
async def test_what_the_log_counted_before_a_restart_counts() -> None:
    shop = Shop(limited("refunds <= 5"), meters=COUNTED)
    key = (await shop.ask(shop.refund("c1"))).reservations[0].key
    after = Shop(limited("refunds <= 5"), meters=COUNTED)
    after.totals = {key: (1, 3)}
    assert await outcomes(after, after.refund("c2"), after.refund("c3")) == ["allow", "deny"]


@pytest.mark.req("LIC-11.3")
@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("subject", {"session": "ses-9", "run": "run-9", "order": "B"}, {"actor": "tom"}),
        ("session", {"run": "run-9", "actor": "tom", "order": "B"}, {"session": "ses-9"}),
        ("run", {"run": "run-1.c4.c2", "actor": "tom", "session": "ses-9"}, {"run": "run-10"}),
        ("tenant", {"run": "run-9", "actor": "tom", "session": "ses-9", "order": "B"}, {"scope": Scope("beta", "dev")}),
        ("argument", {"run": "run-9", "actor": "tom", "session": "ses-9"}, {"order": "B"}),
    ],
)
async def test_a_meter_counts_together_what_it_is_kept_for(
    per: str, same: dict[str, Any], other: dict[str, Any]
) -> None:
    shop = Shop(limited("m <= 1"), meters=meter(per))
    shop.gate.replace(Scope("beta", "dev"), policies(limited("m <= 1"), meters=meter(per)))

    def check(call: str, change: dict[str, Any]) -> Check:
        actor = Actor("agent", "shop.support", on_behalf_of=Customer(change.pop("actor", "anna")))
        return shop.refund(call, actor=actor, **change)

    assert await outcomes(shop, check("c1", {}), check("c2", same), check("c3", other)) == ["allow", "deny", "allow"]


@pytest.mark.req("LIC-11.3")
async def test_a_run_outside_a_session_is_counted_for_itself_and_its_children() -> None:
    shop = Shop(limited("m <= 1"), meters=meter("session"))
    checks = [shop.refund("c1", session=None), shop.refund("c2", run="run-1.c7", session=None),
              shop.refund("c1", run="run-2", session=None)]  # fmt: skip
    assert await outcomes(shop, *checks) == ["allow", "deny", "allow"]


@pytest.mark.req("LIC-11.3")
async def test_a_meter_of_a_day_begins_again_at_midnight_utc() -> None:
    shop = Shop(limited("m <= 1"), meters=meter("subject", window="day"))
    shop.now_us = 20_000 * DAY_US + 1
    assert await outcomes(shop, shop.refund("c1"), shop.refund("c2")) == ["allow", "deny"]
    shop.now_us = 20_001 * DAY_US - 1
    assert await outcomes(shop, shop.refund("c3")) == ["deny"]
    shop.now_us = 20_001 * DAY_US
    assert await outcomes(shop, shop.refund("c4"), shop.refund("c5")) == ["allow", "deny"]


@pytest.mark.req("LIC-11.4")
@pytest.mark.parametrize("amount", [None, -5, True, "5", 2.0])
async def test_a_call_whose_amount_is_missing_or_no_amount_is_denied(amount: object) -> None:
    shop = Shop(MAY_REFUND, meters=COUNTED)
    args = {"order_id": "A-1"} if amount is None else {"order_id": "A-1", "amount": amount}
    verdict = await shop.ask(shop.refund(args=args))
    assert verdict.outcome == "deny"
    assert verdict.operator_reason.startswith(("argument_unusable", "meter_unavailable"))


@pytest.mark.req("LIC-11.5")
async def test_after_reading_customer_data_no_external_mail() -> None:
    reads = '[[meter]]\nname = "reads"\ntools = ["orders.lookup"]\nper = "session"\n'
    shop = Shop(
        'permit(principal, action, resource);@id("leak") forbid(principal, action == Action::"mail.send", resource)'
        "when { context.meters.reads > 0 };",
        meters=reads,
    )
    mail, lookup = shop.call(MAIL, {"to": ["x@y.z"]}), shop.call(LOOKUP, {"order_id": "A-1"}, call="c2")
    assert await outcomes(shop, mail, lookup, mail) == ["allow", "allow", "deny"]


@pytest.mark.req("LIC-11.5")
async def test_a_limit_may_be_on_what_other_tools_count() -> None:
    reads = '[[meter]]\nname = "reads"\ntools = ["orders.lookup"]\nper = "session"\n'
    shop = Shop(
        '@limit("reads <= 0") permit(principal, action == Action::"mail.send", resource);'
        'permit(principal, action == Action::"orders.lookup", resource);',
        meters=reads,
    )
    mail, lookup = shop.call(MAIL, {"to": ["x@y.z"]}), shop.call(LOOKUP, {"order_id": "A-1"}, call="c2")
    assert await outcomes(shop, mail, lookup, mail) == ["allow", "allow", "deny"]


async def test_a_limit_on_what_no_meter_can_read_denies() -> None:
    shop = Shop(
        '@limit("m <= 9") permit(principal, action == Action::"mail.send", resource);', meters=meter("argument")
    )
    verdict = await shop.ask(shop.call(MAIL, {"to": ["x@y.z"]}))
    assert (verdict.outcome, verdict.operator_reason[:6]) == ("deny", "limit:")


async def test_keys_tell_nothing_and_differ_between_tenants() -> None:
    one = Shop(MAY_REFUND, meters=COUNTED)
    one.gate.replace(Scope("beta", "dev"), policies(MAY_REFUND, meters=COUNTED))
    here, there = await one.ask(one.refund()), await one.ask(one.refund(scope=Scope("beta", "dev")))
    keys = [{reservation.key for reservation in verdict.reservations} for verdict in (here, there)]
    assert len(keys[0] | keys[1]) == 4
    assert not any(ANNA.id in key or "A-1" in key or "refund" in key for key in keys[0])


# -- facts and payments ------------------------------------------------------------------------------------------

NEVER_MORE_THAN_PAID = MAY_REFUND.rstrip(";") + (
    " when { context.facts.refunded + context.pending.refunded + context.args.amount <= context.facts.price };"
)


class Bank:
    """A payments system beside the gate. Everything happens in the order that a seeded generator chooses."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.random = random.Random(seed)
        self.paid = 0
        self.waiting: list[asyncio.Future[None]] = []

    async def turn(self) -> None:
        """Waits until the scheduler picks this."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    async def facts(self) -> Mapping[str, Any]:
        refunded = self.paid  # what the database says when it is asked …
        await self.turn()  # … and payments go on while the answer travels
        return {"price": 5000, "refunded": refunded}

    async def refund(self, call: str) -> Verdict:
        await self.turn()
        verdict = await self.shop.ask(self.shop.refund(call, amount=1000, facts=self.facts))
        if verdict.outcome == "allow":
            await self.turn()
            happens = self.random.random() < 0.7
            self.paid += 1000 if happens else 0
            await self.turn()
            self.shop.end(call, paid=happens)
        return verdict

    async def run(self, calls: int) -> list[Verdict]:
        tasks = [asyncio.ensure_future(self.refund(f"c{n}")) for n in range(calls)]
        while not all(task.done() for task in tasks):
            for _ in range(50):  # everybody who can go on gets to their next wait
                await asyncio.sleep(0)
            if self.waiting:
                self.waiting.pop(self.random.randrange(len(self.waiting))).set_result(None)
        return [task.result() for task in tasks]


@pytest.mark.req("LIC-11.6")
@pytest.mark.parametrize("seed", range(25))
async def test_refunds_never_pass_the_price_in_whatever_order_facts_and_payments_arrive(seed: int) -> None:
    shop = Shop(NEVER_MORE_THAN_PAID, meters=COUNTED, facts_timeout_s=60)
    bank = Bank(shop, seed)
    await bank.run(14)
    assert 0 < bank.paid <= 5000


@pytest.mark.req("LIC-11.6")
async def test_parallel_calls_against_a_sum_of_facts_allow_exactly_what_is_left() -> None:
    shop = Shop(NEVER_MORE_THAN_PAID, meters=COUNTED)
    shop.refunded = 2000
    verdicts = await asyncio.gather(*(shop.ask(shop.refund(f"c{n}")) for n in range(20)))
    assert sum(verdict.outcome == "allow" for verdict in verdicts) == 3


@pytest.mark.req("LIC-11.6")
async def test_facts_that_a_payment_overtook_are_read_again() -> None:
    shop = Shop(NEVER_MORE_THAN_PAID, meters=COUNTED)
    assert (await shop.ask(shop.refund("c1", amount=5000))).outcome == "allow"
    reads: list[int] = []

    async def facts() -> Mapping[str, Any]:
        old = {"price": shop.price, "refunded": shop.refunded}
        if not reads:  # the first payment is made and settled while the old total is on its way
            shop.refunded = 5000
            shop.end("c1")
        reads.append(1)
        return old

    assert (await shop.ask(shop.refund("c2", amount=1, facts=facts))).outcome == "deny"
    assert len(reads) == 2


@pytest.mark.req("LIC-11.6")
async def test_facts_that_payments_overtake_again_and_again_end_in_a_no() -> None:
    shop = Shop(NEVER_MORE_THAN_PAID, meters=COUNTED)
    reads: list[int] = []

    async def facts() -> Mapping[str, Any]:
        reads.append(1)
        name = f"other{len(reads)}"
        assert (await shop.ask(shop.refund(name, amount=1))).outcome == "allow"
        shop.end(name)
        return {"price": 5000, "refunded": 0}

    verdict = await shop.ask(shop.refund("c1", facts=facts))
    assert (verdict.outcome, verdict.operator_reason.partition(":")[0]) == ("deny", "busy")
    assert len(reads) == 3


@pytest.mark.req("LIC-11.6")
@pytest.mark.parametrize(("paid", "order"), [(False, "A-1"), (True, "B-2")], ids=["given back", "another order"])
async def test_facts_are_not_read_again_for_what_cannot_be_missing_from_them(*, paid: bool, order: str) -> None:
    shop = Shop(NEVER_MORE_THAN_PAID, meters=COUNTED)
    await shop.ask(shop.refund("c1", order=order))
    reads: list[int] = []

    async def facts() -> Mapping[str, Any]:
        reads.append(1)
        shop.end("c1", paid=paid)
        return {"price": 5000, "refunded": 0}

    assert (await shop.ask(shop.refund("c2", facts=facts))).outcome == "allow"
    assert len(reads) == 1


@pytest.mark.req("LIC-11.6")
@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("context.pending.refunds > 0", {"refunds"}),
        ('if context.meters.refunds > 1 then context.pending["refunded"] == 0 else [context.pending.refunds].isEmpty()',
         {"refunds", "refunded"}),
        ("context.meters.refunds > 0 && context.args.amount > 1", set[str]()),
        ("{a: context.pending} == {a: context.meters}", None),
        ("context == context", None),
        ("context has pending", None),
    ],
)  # fmt: skip
def test_only_meters_whose_pending_sums_are_read_can_make_facts_stale(condition: str, read: set[str] | None) -> None:
    text = f'forbid(principal, action == Action::"payments.refund", resource) when {{ {condition} }};'
    assert policies(text, meters=COUNTED).pending == read


async def test_settling_a_call_nobody_knows_changes_nothing() -> None:
    shop = Shop(limited("refunds <= 1"), meters=COUNTED)
    shop.gate.settle(SCOPE, RunId("run-7"), CallId("c1"), paid=True)
    assert await outcomes(shop, shop.refund("c1")) == ["allow"]
