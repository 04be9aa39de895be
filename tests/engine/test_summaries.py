"""Summaries of a conversation: in the log before anything is made of them, read by the runs that follow, labelled."""

from __future__ import annotations

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import History, Plan, PlanInput, Summary
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.label import Label
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeTool, World, agent, call


class Summing:
    """Sums up what was said before once that are so many messages, then answers. Keeps the histories it read."""

    pure, digest = False, "summing"

    def __init__(self, after: int, *, reads: bool = False) -> None:
        self.after, self.reads = after, reads
        self.seen: list[History] = []

    async def plan(self, input: PlanInput) -> Plan:
        history = await input.history()
        self.seen.append(history)
        if self.reads and not any(step.calls for step in history.steps):
            return Plan(calls=(call("web.fetch"),))
        said = len(history.messages) - 1  # the newest is what the run is about
        if said >= self.after:
            return Plan(summary=Summary(f"{said} messages", history.positions[said - 1]))
        return Plan(answer="ok")


async def talked(world: World, *texts: str) -> list[RunId]:
    session = await world.session(key="one")
    return [(await (await session.say(text)).result()).run for text in texts]


@pytest.mark.req("GOA-57.4")
async def test_a_summary_is_recorded_and_the_next_runs_read_it_also_after_a_restart(make_world: MakeWorld) -> None:
    planner = Summing(after=4)
    world = await make_world(agent("shop.bot", planner))
    runs = await talked(world, "one", "two", "three")
    assert [len(history.messages) for history in planner.seen] == [1, 3, 5, 1]
    own = planner.seen[-1].summary
    assert own is not None
    assert own.text == "4 messages"
    planned = [c for c in world.controls(runs[2]) if isinstance(c, e.Planned)]
    assert [(c.has_summary, c.has_answer) for c in planned] == [(True, False), (False, True)]
    await world.reopen()
    await talked(world, "four")
    assert planner.seen[-1].summary == own
    assert [message.text for message in planner.seen[-1].messages] == ["three", "ok", "four"]
    assert len(planner.seen) == 5, "nothing was summed up a second time"


@pytest.mark.req("GOA-57.5")
async def test_whoever_reads_a_summary_has_read_all_it_was_made_of(make_world: MakeWorld) -> None:
    planner = Summing(after=2, reads=True)
    web = FakeTool("web.fetch", origin="third_party")
    world = await make_world(agent("shop.bot", planner, [web]))
    await talked(world, "one", "two")
    planner.reads, planner.after = False, 99
    [run] = await talked(world, "three")
    assert planner.seen[-1].summary is not None
    assert world.state(run).label == Label(("third_party:web.fetch",))


@pytest.mark.req("GOA-57.4")
async def test_a_summary_is_sealed_words_of_which_no_control_says_anything(make_world: MakeWorld) -> None:
    planner = Summing(after=2)
    world = await make_world(agent("shop.bot", planner))
    runs = await talked(world, "one", "two")
    [(n, control)] = [
        (event.n, event.control)
        for event in world.log.events(run_stream(runs[1]))
        if isinstance(event.control, e.Planned) and event.control.has_summary
    ]
    kept = world.log.contents(run_stream(runs[1]), n)["summary"]
    assert msgspec.json.decode(kept)["text"] == "2 messages"
    assert "messages" not in msgspec.json.encode(msgspec.to_builtins(control)).decode()
