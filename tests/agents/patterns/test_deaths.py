"""A process that dies in the middle of a pattern goes on there: nobody whose answer is in the log is asked again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest

from lichen import Agent
from lichen.agents import patterns
from lichen.testing.worlds import World, world
from tests.agents.patterns.members import STRIDE, died, ended, member


def panel() -> Agent:
    """Two answer at once, one of two wins a race on it, and a critic has it written twice."""
    answers = [member(name, lambda text: f"{text} {len(text)}")[0] for name in ("law", "sums")]
    fast, slow = member("fast", lambda text: "won")[0], member("slow", lambda text: "won")[0]
    judge = member("judge", lambda text: '{"scores": {"x": %s}}' % (1.0 if "again" in text else 0.0))[0]
    writer = member("writer", lambda text: "again" if "critic" in text else "once")[0]
    members = [
        patterns.parallel("team.parallel", answers),
        patterns.race("team.race", [fast, slow]),
        patterns.critic("team.critic", writer, judge, rubric={"x": 1.0}),
    ]
    return patterns.chain("team.panel", members)


def work() -> Agent:
    """A lead hands out work, the parts of which are mapped, and there is a debate about it."""
    lead = member("lead", lambda text: "Done." if "workers say" in text else WANTED)[0]
    mapped = patterns.map_reduce("team.map", member("each", str.upper)[0], member("all", lambda text: text)[0])
    writer, critic = member("writer", lambda text: "a")[0], member("critic", lambda text: "No")[0]
    debate = patterns.debate("team.debate", writer, critic)
    return patterns.director("team.work", lead, [mapped, debate])


WANTED = json.dumps(
    {"assignments": [{"worker": "team.map", "task": '["a", "b"]'}, {"worker": "team.debate", "task": "?"}]}
)


def answers(team: World) -> Counter[str]:
    """How often each agent answered."""
    return Counter(
        str(record.summary).removeprefix("agent ").partition(",")[0]
        for record in team.records()
        if record.type == "run_started"
    )


@pytest.mark.req("SYM-86.9")
@pytest.mark.parametrize("make", [panel, work], ids=["panel", "work"])
async def test_a_process_that_dies_anywhere_goes_on_and_asks_nobody_again(make: Callable[[], Agent]) -> None:
    async with world(agents=[make()]) as team:
        run = await team.start(make().name, "Go.")
        whole, counted = await ended(team, run), answers(team)
    deaths, is_over = 0, False
    while not is_over:
        async with world(agents=[make()]) as team:
            run = await team.start(make().name, "Go.")
            is_over = not await died(team, at=deaths * STRIDE)
            assert await ended(team, run) == whole
            assert answers(team) == counted
        deaths += 1
    assert deaths > 10
