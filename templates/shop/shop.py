"""What the agent can do in the shop. The database stands for whatever system you have."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from lichen import Balance, CallMeta, Currency, Money, NotDone, tool

ORDERS = (("1001", "customer-7", "tea pot", 4000), ("1002", "customer-7", "samovar", 18000))
OrderId = Annotated[str, Field(pattern=r"^[0-9]{4}$", description="The number of the order.")]
Price = Annotated[Balance, Currency("EUR")]


class Order(BaseModel):
    """An order. Money is in cents."""

    order_id: str
    item: str


class Facts(BaseModel):
    """What policy compares a refund with, whatever an agent claims."""

    owner: str
    price: Price


class Refund(BaseModel):
    """Money that was paid back."""

    order_id: str
    amount: int


@contextmanager
def database(meta: CallMeta) -> Iterator[sqlite3.Connection]:
    """The shop's own database; each tenant and environment has a folder for its files."""
    found = sqlite3.connect(Path(meta.attributes["files"]) / "shop.sqlite", timeout=10)
    with closing(found), found:
        found.execute("create table if not exists orders (id text primary key, owner text, item text, price integer)")
        found.execute("create table if not exists refunds (order_id text, amount integer, key text)")
        found.executemany("insert or ignore into orders values (?, ?, ?, ?)", ORDERS)
        yield found


def facts(order_id: str, *, meta: CallMeta) -> Facts:
    """Whose order it is and what it cost; an unknown order is nobody's."""
    with database(meta) as shop:
        row = shop.execute("select owner, price from orders where id = ?", (order_id,)).fetchone() or ("", 0)
    return Facts(owner=row[0], price=row[1])


def find(idempotency_key: str, *, meta: CallMeta) -> Refund | None:
    """The probe: after a crash it says whether the refund with this key happened."""
    with database(meta) as shop:
        row = shop.execute("select order_id, amount from refunds where key = ?", (idempotency_key,)).fetchone()
    return Refund(order_id=row[0], amount=row[1]) if row else None


@tool(name="orders.lookup", effects="none")
def lookup(order_id: OrderId, *, meta: CallMeta) -> Order:
    """Looks up an order of the customer."""
    with database(meta) as shop:
        row = shop.execute("select item from orders where id = ? and owner = ?", (order_id, meta.actor.subject.id))
        found = row.fetchone()
    if found is None:
        raise NotDone(f"There is no order {order_id}.", code="order_unknown", retryable=False)
    return Order(order_id=order_id, item=found[0])


@tool(name="orders.refund", effects="once", facts=facts, probe=find, audit=["order_id", "amount"])
def refund(order_id: OrderId, amount: Annotated[Money, Currency("EUR")], *, meta: CallMeta) -> Refund:
    """Pays money for an order back to the customer."""
    with database(meta) as shop:
        shop.execute("insert into refunds values (?, ?, ?)", (order_id, amount, meta.idempotency_key))
    return Refund(order_id=order_id, amount=amount)
