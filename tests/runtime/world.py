"""A runtime over a directory, a till that pays blindly, and a disk that can be told to fail."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from lichen import Agent, CallMeta, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words import faults
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime import Runtime

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
CUSTOMER = Customer("customer-7")
DEADLINE_S = 20.0

POLICY = """
@id("pay") permit (principal is Agent, action == Action::"till.pay", resource)
when { context.meters.paid + context.args.amount <= 100 };
@id("ask") @approval("operator") @expires("1h") @public("Please wait.") @reason("more than 100")
permit (principal is Agent, action == Action::"till.pay", resource)
when { context.meters.paid + context.args.amount > 100 };
@id("lose") permit (principal is Agent, action == Action::"till.lose", resource);
"""
METERS = '[[meter]]\nname = "paid"\ntools = ["till.pay"]\namount = "amount"\nper = "subject"\n'

PAID: Counter[str] = Counter()
"""What the till paid out, by idempotency key."""


class Paid(BaseModel):
    """A receipt."""

    amount: int


Amount = Annotated[int, Field(ge=0, le=10_000)]


def _find(idempotency_key: str, amount: Amount, *, meta: CallMeta) -> Paid | None:
    return Paid(amount=amount) if PAID[idempotency_key] else None


@tool(name="till.pay", effects="once", runs="loop", probe=_find)
async def pay(amount: Amount, *, meta: CallMeta) -> Paid:
    """Pays out."""
    PAID[meta.idempotency_key] += 1
    return Paid(amount=amount)


@tool(name="till.lose", effects="once", runs="loop")
async def lose(amount: Amount, *, meta: CallMeta) -> Paid:
    """Pays out and loses the receipt."""
    PAID[meta.idempotency_key] += 1
    raise ConnectionError("lost")


class Payer:
    """Pays the amounts that the message names, all at once; answers anything else by repeating it."""

    pure = True
    digest = "payer"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer=" ".join(result.outcome for result in input.results))
        if input.reason == "finalize":
            return Plan(answer=f"limit {input.limit}")
        words = input.input[-1].text.split()
        if words[0] == "history":
            history = await input.history()
            return Plan(answer=" / ".join(message.text for message in history.messages) or "nothing")
        if words[0] not in ("pay", "lose"):
            return Plan(answer=" ".join(words))
        name = pay.spec.name if words[0] == "pay" else lose.spec.name
        return Plan(calls=tuple(CallRequest(name, b'{"amount":%d}' % int(word)) for word in words[1:]))


def runtime_in(home: Path) -> Runtime:
    """A runtime that is not entered yet, and its policies."""
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "till.cedar").write_text(POLICY)
    (policies / "meters.toml").write_text(METERS)
    return Runtime.open(home, agents=[Agent("till.clerk", planner=Payer(), tools=[pay, lose])], policies=policies)


class Disk:
    """Every commit fails while `is_full`, as soon as it `may_fail`. `fails_on` narrows that to a type of record."""

    def __init__(self) -> None:
        self.is_full = False
        self.fails_on = ""
        self.may_fail = threading.Event()
        self.may_fail.set()
        faults.install(self._hit)

    def _hit(self, name: str) -> None:
        if self.is_full and name.startswith(f"commit.before/{self.fails_on}"):
            self.may_fail.wait(DEADLINE_S)
            raise OSError(errno.ENOSPC, "No space left on device")


async def until(is_so: Callable[[], object]) -> None:
    """Polls until it is so; the deadline is the test's failure."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event, and the deadline bounds it
            await asyncio.sleep(0.002)
