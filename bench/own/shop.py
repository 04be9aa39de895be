"""The agents that are measured: a model stub, a tool without effects, a tool that acts once."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from lichen import Agent, Limits, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName


class Order(BaseModel):
    order_id: str
    status: str


@tool(name="orders.lookup", effects="none", runs="loop")
async def lookup(order_id: str) -> Order:
    """Looks up one order."""
    return Order(order_id=order_id, status="shipped")


@tool(name="orders.ship", effects="once", runs="loop")
async def ship(order_id: str) -> Order:
    """Ships one order."""
    return Order(order_id=order_id, status="shipped")


class Stub:
    """Calls one tool so many times, then answers. Stands for the model, and so is not pure."""

    pure = False
    digest = "bench-stub-1"

    def __init__(self, tool_name: str, steps: int) -> None:
        self._call = CallRequest(ToolName(tool_name), b'{"order_id":"1042"}')
        self._steps = steps

    async def plan(self, input: PlanInput) -> Plan:
        if input.run.step < self._steps:
            return Plan(calls=(self._call,))
        return Plan(answer="Order 1042 is shipped.")


def agents(steps: int) -> list[Agent]:
    """One agent for each kind of effect."""
    limits = Limits(calls=max(32, steps + 1))
    return [
        Agent("bench.none", planner=Stub("orders.lookup", steps), tools=[lookup], limits=limits),
        Agent("bench.once", planner=Stub("orders.ship", steps), tools=[ship], limits=limits),
    ]


def policies(home: Path, count: int = 1000) -> Path:
    """A directory with so many policies, of which two concern these agents."""
    folder = home / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    own = '@id("all") permit (principal, action, resource);\n'
    rest = "".join(
        f'@id("p{i}") permit (principal == Agent::"a{i}", action == Action::"orders.lookup", resource)\n'
        f'when {{ context.args.order_id == "{i}" }};\n'
        for i in range(count)
    )
    (folder / "bench.cedar").write_text(own + rest)
    return folder
