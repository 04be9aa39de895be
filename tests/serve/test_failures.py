"""What went wrong in a run, in the words for each of its readers: its customer, and operators."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, tool
from lichen.core.ports.model import ModelError
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.speech.wording import Texts
from lichen.core.words.ids import ToolName
from lichen.runtime.project.project import Project
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from lichen.settings import Settings, Tenant
from lichen.settings.file import DeclaredActor
from tests.serve.asgi import Door
from tests.serve.talk import say, session
from tests.serve.widget import runtime_of

DEBUG = "relation orders_v7 is missing at db.internal:5432"
PEOPLE = (DeclaredActor("ann", "customer"), DeclaredActor("ops", "operator", ("operator",)))


@tool(name="orders.look", effects="none", runs="loop")
def look() -> int:
    """Breaks."""
    raise RuntimeError(DEBUG)


class Breaks:
    """Breaks in itself, by its model, or in its tool, as it is told; then tells all that it knows of it."""

    pure = True
    digest = "breaks"

    async def plan(self, input: PlanInput) -> Plan:
        said = input.input[-1].text if input.input else ""
        if input.results:
            return Plan(answer=DEBUG if DEBUG in repr(input.results) else "I could not look.")
        if said == "tool":
            return Plan(calls=(CallRequest(ToolName("orders.look"), b"{}"),))
        if said == "model":
            raise ModelError(DEBUG, code="model_auth")
        raise RuntimeError(DEBUG)


@pytest.mark.req("GOA-79.2")
@pytest.mark.parametrize(
    ("said", "heard"), [("planner", Texts().failed), ("model", "Back at nine."), ("tool", "I could not look.")]
)
async def test_no_face_tells_a_customer_what_only_operators_are_to_read(tmp_path: Path, said: str, heard: str) -> None:
    texts = {"en": {"model_broken": "Back at nine."}}
    bot = Agent("shop.bot", planner=Breaks(), tools=[look])
    tenants = {"acme": Tenant(agent="shop.bot", texts=texts, actors=PEOPLE)}
    async with runtime_of(Project(Settings(tmp_path, tmp_path / "data", tenants), (bot,))) as runtime:
        door = Door(make_app(runtime, identify=by_owner(runtime)))
        ann, ops = door.of("acme", "ann"), door.of("acme", "ops")
        id = await session(ann)
        assert await say(ann, id, said) == [heard]
        (run,) = [each["id"] for each in (await ops.get("runs")).data]
        for path in (f"sessions/{id}", f"runs/{run}", f"runs/{run}/result"):
            assert DEBUG.encode() not in (await ann.get(path)).body
        assert DEBUG.encode() in (await ops.get(f"runs/{run}")).body
