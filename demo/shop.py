"""The demo shop: its own database, reached only by tools, and the support agent that uses them.

The shop is somebody else's system. Its `refunds` table has no unique constraint and `refund` inserts blindly:
only the runtime keeps it to one row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from lichen import CallMeta, Money, NotDone, tool
from lichen.agents import load_agent

OrderId = Annotated[str, Field(pattern=r"^[0-9]{4,12}$", description="The number of the order.")]


class Order(BaseModel):
    """An order as the shop knows it. Money is in cents."""

    order_id: str
    item: str
    price: int
    status: str


class OrderFacts(BaseModel):
    """What policy needs to know of an order: what it cost and what was refunded."""

    price: int
    refunded: int


class Receipt(BaseModel):
    """A refund that was made."""

    order_id: str
    amount: int


@contextmanager
def _shop(meta: CallMeta) -> Generator[sqlite3.Connection]:
    """The tenant's shop, with three orders when it is new. Commits when all went well."""
    path = Path(meta.attributes["home"]) / "shop" / f"{meta.scope.tenant}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10)
    connection.executescript(
        """
        create table if not exists orders (id text primary key, item text, price integer, status text);
        create table if not exists refunds (order_id text, amount integer, idempotency_key text, refunded_at text);
        insert or ignore into orders values
            ('1042', 'espresso machine', 12000, 'shipped, arrives tomorrow'),
            ('1043', 'coffee grinder', 7500, 'delivered'),
            ('1044', 'milk frother', 7500, 'delivered');
        """
    )
    with closing(connection), connection:
        yield connection


def order_facts(order_id: str, *, meta: CallMeta) -> OrderFacts:
    """Reads what the order cost and what was refunded already. An unknown order cost nothing."""
    with _shop(meta) as shop:
        price = shop.execute("select price from orders where id = ?", (order_id,)).fetchone()
        refunded = shop.execute("select coalesce(sum(amount), 0) from refunds where order_id = ?", (order_id,))
        return OrderFacts(price=price[0] if price else 0, refunded=refunded.fetchone()[0])


def find_refund(idempotency_key: str, *, meta: CallMeta) -> Receipt | None:
    """The refund made under this key, or None if there certainly is none."""
    with _shop(meta) as shop:
        row = shop.execute(
            "select order_id, amount from refunds where idempotency_key = ?", (idempotency_key,)
        ).fetchone()
        return Receipt(order_id=row[0], amount=row[1]) if row else None


@tool(name="orders.lookup", effects="none")
def lookup(order_id: OrderId, *, meta: CallMeta) -> Order:
    """Looks up one order."""
    with _shop(meta) as shop:
        row = shop.execute("select id, item, price, status from orders where id = ?", (order_id,)).fetchone()
    if row is None:
        raise NotDone(f"There is no order {order_id}.", code="order_unknown", retryable=False)
    return Order(order_id=row[0], item=row[1], price=row[2], status=row[3])


@tool(name="payments.refund", effects="once", facts=order_facts, probe=find_refund, audit=["order_id", "amount"])
def refund(order_id: OrderId, amount: Money, *, meta: CallMeta) -> Receipt:
    """Pays money for an order back to the customer."""
    with _shop(meta) as shop:
        shop.execute("insert into refunds values (?, ?, ?, datetime('now'))", (order_id, amount, meta.idempotency_key))
    return Receipt(order_id=order_id, amount=amount)


support = load_agent(Path(__file__).parent / "support.toml", tools=[lookup, refund])
