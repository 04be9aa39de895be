"""Small projects of one's own, written file by file, and the real command on them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from tests.cli.shop import Ended
from tests.forge import FORGE

SETTINGS = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]
    policies = "policies"
    actors = [
        {id = "ops", kind = "operator", roles = ["operator"]},
        {id = "customer-7", kind = "customer"},
    ]
"""
POLICIES = """
    @id("talk") permit (
        principal, action in [Action::"session.open", Action::"run.start", Action::"message.send"], resource
    );
    @id("look") permit (principal is Agent, action == Action::"orders.lookup", resource);
    @id("operate") permit (principal in Role::"operator", action, resource);
"""
SHOP = '''
    from lichen import Agent, tool
    from lichen.agents import RulePlanner
    from lichen.agents.rules.rules import Call, Intent, Slot


    @tool(name="orders.lookup", effects="none", runs="loop")
    async def lookup(order_id: str) -> dict[str, str]:
        """Looks up one order."""
        if order_id == "13":
            raise RuntimeError("database is down: password=hunter2")
        return {"order_id": order_id, "status": "on its way"}


    where = Intent(
        "where",
        phrases=["where is"],
        slots=[Slot("order_id", pattern=r"(\\d+)", ask="Which order?")],
        calls=[Call("orders.lookup", {"order_id": "{order_id}"})],
        answer="Order {order_id} is {lookup.status}.",
    )
    planner = RulePlanner(intents=[where], fallback="Ask me about an order.")
    support = Agent("shop.support", planner=planner, tools=[lookup])
'''


class Project:
    """A folder with files, and commands in processes of their own."""

    def __init__(self, root: Path, files: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.home = root / ".lichen"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        self.environ = {**kept, "COLUMNS": "120"}
        self.write(**{"lichen.toml": SETTINGS, "shop.py": SHOP, "policies/shop.cedar": POLICIES, **(files or {})})

    def write(self, **files: str) -> None:
        """Writes these files; the indentation they share is not theirs."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")

    def run(self, *arguments: str, text: str = "", **environ: str) -> Ended:
        """The command, ended."""
        return Ended(*FORGE.run(arguments, self.root, {**self.environ, **environ}, text=text))
