"""People who are to be written to and did not write: what is said where a platform does not let them be reached."""

from __future__ import annotations

import re

from lichen.core.words.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from lichen.engine.ports import Delivery


def check_customer(customer: str, pattern: str, example: str) -> str:
    """The customer, if that is how the platform calls people. Raises Invalid (`customer_invalid`)."""
    if re.fullmatch(pattern, customer) is None:
        step = f"Name them as the platform does, such as {example}."
        raise Invalid("This is nobody on this channel.", code="customer_invalid", next_step=step, place="customer")
    return customer


def unreachable(why: str, step: str) -> NotFound:
    """That a platform lets nobody write to somebody."""
    return NotFound(why, code="customer_unreachable", next_step=step)


def window_closed(why: str, step: str) -> Conflict:
    """That a platform takes nothing now that nobody asked for."""
    return Conflict(why, code="window_closed", next_step=step)


def refused(platform: str, delivery: Delivery) -> Unavailable | Denied | NotFound:
    """That a platform was asked where somebody is and did not say."""
    if delivery.code == "credentials_refused":
        step = "Give it its token again: `lichen channel update`."
        return Denied(f"{platform} does not accept the token.", code=delivery.code, next_step=step)
    if delivery.outcome == "failed":
        return unreachable(f"{platform} does not let us write to them: {delivery.code}.", "Let them write first.")
    step = "Look whether this machine reaches it, and its status page; then try again."
    return Unavailable(f"{platform} does not answer.", code=delivery.code or "platform_unreachable", next_step=step)
