"""The same agent for everybody: five tools with nested arguments, and the type of its answer. Plain pydantic."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, Field

INSTRUCTIONS = "You help the customers of a shop. Look up before you promise, and never promise what a tool refused."
QUESTION = "Where is order 1042?"
PROVIDED = '{"summary": "Order 1042 is on its way and will be there in two days.", "refunds": [], "parcels": []}'
ANSWER = "Order 1042 is on its way."
MODEL = "gpt-4.1-mini"  # by its price list a known one; what plays it answers at once


class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"


class Money(BaseModel):
    amount: float = Field(gt=0, description="In whole units of the currency.")
    currency: Currency


class Address(BaseModel):
    street: str = Field(max_length=200)
    city: str
    postal_code: str = Field(pattern=r"^[0-9A-Z -]{3,10}$")
    country: str = Field(min_length=2, max_length=2)


class Item(BaseModel):
    sku: str
    quantity: int = Field(ge=1, le=100)
    price: Money


class Parcel(BaseModel):
    items: list[Item]
    to: Address
    deliver_after: date | None = None


class Reason(BaseModel):
    code: str = Field(description="One of the shop's own codes.")
    words: str = ""
    items: list[Item] = []


class Resolution(BaseModel):
    """How the customer's matter ends."""

    summary: str
    refunds: list[Money] = []
    parcels: list[Parcel] = []
    follow_up: date | None = None


async def lookup(order_id: str) -> str:
    """Looks up one order."""
    return f"order {order_id} is shipped"


async def quote(items: list[Item], to: Address) -> str:
    """Says what sending these would cost."""
    return f"{len(items)} items to {to.city}"


async def ship(order_id: str, parcel: Parcel, gift_note: str | None = None) -> str:
    """Ships an order again."""
    return f"{order_id} is shipped to {parcel.to.city}"


async def refund(order_id: str, amount: Money, reason: Reason) -> str:
    """Pays money back."""
    return f"{amount.amount} {amount.currency} for {order_id}"


async def move(order_id: str, to: Address, notify: list[str] = []) -> str:  # noqa: B006 - what frameworks read is the default
    """Changes where an order goes."""
    return f"{order_id} goes to {to.city}"


TOOLS = (lookup, quote, ship, refund, move)
