"""A tool that asks for a secret of each store, and looks for what it should not find."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lichen import Agent, Secret, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName


@tool(name="till.pay", effects="none", runs="process")
def pay(
    *,
    a: Annotated[Secret, "vault.key"],
    b: Annotated[Secret, "aws.key"],
    c: Annotated[Secret, "azure.key"],
    d: Annotated[Secret, "gcp.key"],
) -> dict[str, str]:
    """Pays, and tells what it was handed."""
    about = [Path(f"/proc/self/{name}").read_bytes() for name in ("environ", "cmdline")]
    seen = [each.reveal() for each in (a, b, c, d) if any(each.reveal_bytes() in text for text in about)]
    return {"told": " ".join(each.reveal() for each in (a, b, c, d)), "seen": str(len(seen))}


class Payer:
    """Calls it once."""

    pure = True
    digest = "payer"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            result = input.results[0]
            return Plan(answer=(result.data or result.code.encode()).decode())
        return Plan(calls=(CallRequest(ToolName("till.pay"), b"{}"),))


clerk = Agent("till.clerk", planner=Payer(), tools=[pay])
