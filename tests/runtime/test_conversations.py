"""Lists of conversations: none is left out between two pages, whatever happened at one moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lichen import Agent
from lichen.core.ports.plan import Plan, PlanInput
from lichen.log.volume import VolumeOptions
from lichen.runtime import Runtime
from lichen.runtime.views.talks.conversation import ConversationBook
from tests.runtime.world import OPS, SCOPE, Customer


class Echo:
    pure, digest = True, "echo"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=input.input[-1].text)


@pytest.mark.req("LIC-16.16")
async def test_conversations_of_one_moment_are_all_on_one_page(tmp_path: Path) -> None:
    made = Runtime.open(tmp_path, agents=[Agent("shop.echo", planner=Echo())])
    moment = 1_800_000_000_000_000
    now = [moment]
    runtime = made.simulated(clock=lambda: now[0], random=os.urandom, volume=VolumeOptions())
    async with runtime:

        async def say(who: str) -> None:
            session = await runtime.sessions.open(SCOPE, Customer(who))
            await (await session.say(f"I am {who}.")).result()

        async def page(before: int | None) -> ConversationBook:
            return await runtime.conversations.list(SCOPE, OPS, limit=2, before=before)

        for who in ("ann", "bob", "cyd", "dan"):
            await say(who)
        now[0] += 1
        await say("eve")
        await runtime.idle()
        first = await page(None)
        said = [each.said.text or "" for each in first.conversations if each.said is not None]
        assert said[0] == "I am eve."
        assert sorted(said[1:]) == ["I am ann.", "I am bob.", "I am cyd.", "I am dan."]
        assert first.next_before == moment
        assert (await page(first.next_before)).conversations == ()
