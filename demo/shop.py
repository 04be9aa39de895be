"""The demo shop: its own database, reached only by tools, and the support agent that uses them.

Orders belong to customers: nobody reads or refunds those of others, whatever number they guess.

The shop is somebody else's system. Its `refunds` table has no unique constraint and `refund` inserts blindly:
only the runtime keeps it to one row.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from lichen import Agent, Balance, CallMeta, Currency, Limits, Money, NotDone, tool, withdraw
from lichen.agents import LLMPlanner, load_agent
from lichen.core.words.errors import Invalid

ORDERS = (
    ("1042", "customer-7", "espresso machine", "Espressomaschine", 12000, "shipped"),
    ("1043", "customer-7", "coffee grinder", "Kaffeemühle", 7500, "delivered"),
    ("1044", "customer-7", "milk frother", "Milchaufschäumer", 7500, "delivered"),
    ("1045", "customer-7", "kettle", "Wasserkocher", 8900, "delivered"),
    ("1046", "customer-7", "pair of cups", "Tassenpaar", 3200, "packed"),
    ("1047", "customer-7", "espresso machine", "Espressomaschine", 12000, "delivered"),
    ("1048", "customer-7", "coffee roaster", "Kaffeeröster", 24900, "delivered"),
    ("1052", "customer-8", "espresso machine", "Espressomaschine", 12000, "shipped"),
    ("1053", "customer-8", "coffee grinder", "Kaffeemühle", 7500, "delivered"),
    ("1054", "customer-8", "milk frother", "Milchaufschäumer", 7500, "delivered"),
    ("1055", "customer-8", "coffee roaster", "Kaffeeröster", 24900, "delivered"),
)
"""Number, whose it is, item in English and German, price in cents, status."""

STATUS = {
    "shipped": ("shipped, arrives tomorrow", "unterwegs, kommt morgen an"),
    "delivered": ("delivered", "zugestellt"),
    "packed": ("being packed", "wird gerade verpackt"),
}

OrderId = Annotated[str, Field(pattern=r"^[0-9]{4,12}$", description="The number of the order.")]


Euros = Annotated[Balance, Currency("EUR")]


class Order(BaseModel):
    """An order as the shop knows it. Money is in cents."""

    order_id: str
    item: str
    price: Euros
    status: str


class OrderFacts(BaseModel):
    """What policy needs to know of an order: whose it is, what it cost and what was refunded."""

    owner: str
    price: Euros
    refunded: Euros


class Offer(BaseModel):
    """That the shop refunds by chat."""


class Receipt(BaseModel):
    """A refund that was made."""

    order_id: str
    amount: Euros


@contextmanager
def _shop(meta: CallMeta) -> Generator[sqlite3.Connection]:
    """The tenant's shop, with the orders of its customers when it is new. Commits when all went well."""
    path = Path(meta.attributes["files"]) / "shop.sqlite"
    connection = sqlite3.connect(path, timeout=10)
    connection.executescript(
        """
        create table if not exists orders
            (id text primary key, owner text, item text, item_de text, price integer, status text);
        create table if not exists refunds (order_id text, amount integer, idempotency_key text, refunded_at text);
        """
    )
    connection.executemany("insert or ignore into orders values (?, ?, ?, ?, ?, ?)", ORDERS)
    with closing(connection), connection:
        yield connection


def order_facts(order_id: str, *, meta: CallMeta) -> OrderFacts:
    """Reads whose the order is, what it cost and what was refunded already. An unknown order is nobody's."""
    with _shop(meta) as shop:
        found = shop.execute("select owner, price from orders where id = ?", (order_id,)).fetchone() or ("", 0)
        refunded = shop.execute("select coalesce(sum(amount), 0) from refunds where order_id = ?", (order_id,))
        return OrderFacts(owner=found[0], price=found[1], refunded=refunded.fetchone()[0])


def find_refund(idempotency_key: str, *, meta: CallMeta) -> Receipt | None:
    """The refund made under this key, or None if there certainly is none."""
    with _shop(meta) as shop:
        row = shop.execute(
            "select order_id, amount from refunds where idempotency_key = ?", (idempotency_key,)
        ).fetchone()
        return Receipt(order_id=row[0], amount=row[1]) if row else None


@tool(name="orders.lookup", effects="none")
def lookup(order_id: OrderId, *, meta: CallMeta) -> Order:
    """Looks up one order. A customer finds their own only, and cannot tell those of others from none."""
    asks, german = meta.actor.subject, meta.attributes.get("language") == "de"
    with _shop(meta) as shop:
        row = shop.execute("select * from orders where id = ?", (order_id,)).fetchone()
    if row is None or (asks.kind == "customer" and row[1] != asks.id):
        raise NotDone(f"There is no order {order_id}.", code="order_unknown", retryable=False)
    return Order(order_id=row[0], item=row[2 + german], price=row[4], status=STATUS[row[5]][german])


@tool(name="refunds.offered", effects="none")
def offered() -> Offer:
    """Whether this shop refunds by chat at all: policy says so."""
    return Offer()


@tool(name="payments.refund", effects="once", facts=order_facts, probe=find_refund, audit=["order_id", "amount"])
def refund(order_id: OrderId, amount: Annotated[Money, Currency("EUR")], *, meta: CallMeta) -> Receipt:
    """Pays money for an order back to the customer."""
    with _shop(meta) as shop:
        shop.execute("insert into refunds values (?, ?, ?, datetime('now'))", (order_id, amount, meta.idempotency_key))
    return Receipt(order_id=order_id, amount=amount)


FOLDER = Path(__file__).parent
TOOLS = (lookup, offered, refund, withdraw)


def _assistant(model: str) -> Agent:
    """The support agent with a language model in the place of its rules; tools and policies stay."""
    try:
        planner = LLMPlanner(model, instructions=(FOLDER / "support.md").read_text(encoding="utf-8"))
    except Invalid as error:
        error.place = "LICHEN_MODEL"  # the variable named it, and no file
        raise
    return Agent("shop.support", planner=planner, tools=TOOLS, limits=Limits(calls=8, time_s=120, tokens=200_000))


_model = os.environ.get("LICHEN_MODEL")  # such as openai:gpt-5
support = _assistant(_model) if _model else load_agent(FOLDER / "support.toml", tools=TOOLS)
