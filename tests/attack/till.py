"""A process that is asked for many payments of one person at once: `python -m tests.attack.till FOLDER COUNT`."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel

from lichen import Agent, CallMeta, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.scope import Customer, Scope
from lichen.runtime import Runtime

BANK = "bank.sqlite"
OPEN = "open"  # said on stdout when the payments begin
BUDGET, AMOUNT = 50, 10
SCOPE, WHO = Scope("acme", "dev"), Customer("customer-7")
POLICY = """
@id("pay") permit (principal is Agent, action == Action::"till.pay", resource)
when { context.meters.paid + context.args.amount <= %d };
"""
METERS = '[[meter]]\nname = "paid"\ntools = ["till.pay"]\namount = "amount"\nper = "subject"\nwindow = "day"\n'

_folder = Path()


class Paid(BaseModel):
    """A receipt."""

    amount: int


def _find(idempotency_key: str, amount: int, *, meta: CallMeta) -> Paid | None:
    with closing(sqlite3.connect(_folder / BANK)) as bank:
        found = bank.execute("SELECT 1 FROM payments WHERE key = ?", (idempotency_key,)).fetchone()
    return Paid(amount=amount) if found else None


@tool(name="till.pay", effects="once", probe=_find)
def pay(amount: int, *, meta: CallMeta) -> Paid:
    """Pays out, blindly: only the gate counts."""
    with closing(sqlite3.connect(_folder / BANK, timeout=30)) as bank, bank:
        bank.execute("INSERT INTO payments VALUES (?)", (meta.idempotency_key,))
    return Paid(amount=amount)


class Payer:
    """Pays once, and says how that went."""

    pure = True
    digest = "payer"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer=input.results[0].outcome)
        return Plan(calls=(CallRequest(pay.spec.name, b'{"amount":%d}' % AMOUNT),))


async def main(folder: Path, count: int) -> None:
    """Starts every payment under a key of its own, and ends when nothing is under way."""
    global _folder  # the tool is a function, and this process has one folder
    _folder = folder
    with closing(sqlite3.connect(folder / BANK)) as bank, bank:
        bank.execute("CREATE TABLE IF NOT EXISTS payments (key TEXT NOT NULL)")
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "till.cedar").write_text(POLICY % BUDGET)
    (policies / "meters.toml").write_text(METERS)
    agents = [Agent("till.clerk", planner=Payer(), tools=[pay])]
    async with Runtime.open(folder / "home", agents=agents, policies=policies) as runtime:
        sys.stdout.write(f"{OPEN}\n")
        sys.stdout.flush()
        keys = [f"k{i}" for i in range(count)]
        runs = await asyncio.gather(*(runtime.runs.start(SCOPE, "till.clerk", "pay", WHO, key=key) for key in keys))
        for run in runs:
            await runtime.runs.result(SCOPE, run, WHO)
        await runtime.idle()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
