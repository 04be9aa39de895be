"""The clerk and the cashier, with models of a real provider's client, and tools that act blindly."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from lichen import Agent, CallMeta, tool
from lichen.agents import LLMPlanner
from lichen.core.words.scope import Scope
from lichen.runtime.project.project import Project
from lichen.settings import Settings, Tenant
from tests.crash import world
from tests.crash.world import Done, act

SCOPE = Scope("acme", "dev")
POLICY = "permit (principal, action, resource);"


class Receipt(BaseModel):
    """What the cashier answers with."""

    receipt: str


@tool(name="shop.look", effects="none", runs="loop")
async def look(order: str) -> str:
    """Looks an order up."""
    return f"order {order}: paid, not sent"


@tool(name="shop.note", effects="idempotent", runs="loop")
async def note(order: str, *, meta: CallMeta) -> Done:
    """Writes down that an order is paid back."""
    return act("shop.note", meta)


async def _pay(order: str, *, meta: CallMeta) -> Done:
    """Pays an order back."""
    return act("shop.pay", meta)


def agents() -> list[Agent]:
    """Both."""
    pay = tool(name="shop.pay", effects="once", runs="loop", probe=world.probe_pay)(_pay)
    means = LLMPlanner("openai-chat:gpt-4.1-mini", instructions="You are the cashier.", max_tokens=400)
    cashier = Agent("shop.cashier", planner=means, tools=[pay], answers=Receipt)
    helper = cashier.as_tool(description="Pays back.", template="{message}")
    words = LLMPlanner("openai:gpt-5", instructions="You are the clerk.", max_tokens=400)
    return [Agent("shop.clerk", planner=words, tools=[look, note, helper]), cashier]


def project(home: Path) -> Project:
    """One tenant, to whom the clerk speaks."""
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "open.cedar").write_text(POLICY)
    tenant = Tenant(policies="policies", agent="shop.clerk")
    return Project(Settings(home, home, {"acme": tenant}), tuple(agents()))
