"""A shop with something to read and something that happens once, for agents that are written elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lichen import ModelCall, ModelError, ModelReply, ModelRequest, NotDone, tool
from lichen.agents.models.model import ScriptLine
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.testing.models import ScriptedModel

ALLOWED = """
permit (principal, action, resource);
"""
ASKED = """
@id("read") permit (principal, action, resource) unless { action == Action::"shop.refund" };
@id("ask") @approval("operator") permit (principal, action == Action::"shop.refund", resource);
"""
FORBIDDEN = """
@id("read") permit (principal, action, resource);
@id("no") forbid (principal, action == Action::"shop.refund", resource);
"""


class Till:
    """What happened outside, in order."""

    def __init__(self) -> None:
        self.did: list[tuple[str, Any]] = []


def tools_of(till: Till) -> tuple[Any, Any]:
    """`shop.lookup`, which reads, and `shop.refund`, which may happen once."""

    @tool(name="shop.lookup", effects="none")
    async def lookup(order_id: str) -> dict[str, str]:
        """Looks up an order."""
        till.did.append(("lookup", order_id))
        return {"order_id": order_id, "status": "late"}

    @tool(name="shop.refund", effects="once")
    async def refund(order_id: str, amount: int) -> dict[str, str]:
        """Refunds an order."""
        if amount > 100:
            raise NotDone("Too much.", code="too_much", retryable=False)
        till.did.append(("refund", (order_id, amount)))
        return {"receipt": f"r-{order_id}-{amount}"}

    return lookup, refund


Line = str | ModelReply | ModelError | Callable[[ModelRequest], str]


def scripted(*replies: Line) -> ScriptedModel:
    """A model that says these, in order, each for ten tokens."""
    return ScriptedModel([_costly(reply) for reply in replies], name="scripted:own")


def _costly(reply: Line) -> ScriptLine:
    if callable(reply):
        return lambda request: _spoken(reply(request))
    return _spoken(reply) if isinstance(reply, str) else reply


def _spoken(text: str) -> ModelReply:
    return ModelReply(text, usage=Usage(7, 3), model="scripted:own")


def upper(request: ModelRequest) -> str:
    """The last words of a request, louder."""
    return last(request).upper()


def wants(*calls: tuple[str, str], text: str = "") -> ModelReply:
    """A reply that asks for these calls, each a tool and its arguments as JSON."""
    made = tuple(ModelCall(f"m{i}", ToolName(name), args.encode()) for i, (name, args) in enumerate(calls, 1))
    return ModelReply(text, made, usage=Usage(7, 3), model="scripted:own", finish="calls")


def last(request: ModelRequest) -> str:
    """The last words of a request."""
    return request.messages[-1].text


def policies(folder: Path, text: str) -> Path:
    """A folder with this policy."""
    place = folder / "policies"
    place.mkdir(exist_ok=True)
    (place / "shop.cedar").write_text(text)
    return place
