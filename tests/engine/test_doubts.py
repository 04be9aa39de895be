"""A message that was handed over, and of which nobody knows whether it is there: asked about, repeated or held."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.words.scope import Scope
from lichen.engine.ports import Delivery, Options, Outbound, Traits
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.test_sessions import echo
from tests.engine.world import OPS, SCOPE, Post, agent


class Mute:
    """A platform that takes the first `cut` messages and does not answer, or `hangs` with the first. `has` is what it
    says when it is asked."""

    def __init__(self, traits: Traits, *, cut: int = 1, has: bool | None = None, hangs: bool = False) -> None:
        self._traits, self._cut, self._has, self._hangs = traits, cut, has, hangs
        self.there: list[str] = []
        self.asked: list[str] = []

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        self.there.append(message.saying.text)
        if self._hangs:
            self._hangs = False
            await asyncio.Event().wait()
        self._cut -= 1
        if self._cut >= 0:
            raise TimeoutError
        return Delivery("delivered")

    def traits(self, scope: Scope) -> Traits:
        return self._traits

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        self.asked.append(message.saying.text)
        return self._has


class Closed(Mute):
    """One that cannot be asked what it has, though it says what may be relied on."""

    has = None  # type: ignore[assignment]


async def told(make_world: MakeWorld, clock: SimulatedClock, post: Mute, **options: Any) -> list[tuple[str, str]]:
    """What a session that says `one` and `two` over the platform tells of how the way of its messages went."""
    world = await make_world(agent("shop.bot", [echo]), channels={"post": post}, options=Options(**options))
    session = await world.session(channel="post", delivery="push")
    await session.say("one")
    await session.say("two")
    await clock.advance(100)
    ends = (e.DeliverySettled, e.DeliveryDoubted)
    found = [c for c in world.session_controls(session) if isinstance(c, ends)]
    return [(c.message, c.decision if isinstance(c, e.DeliveryDoubted) else c.outcome) for c in found]


LETTER, NUMBER = {"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["one", "two"]}


def asking(input: PlanInput) -> Plan:
    """Of the first run waits for somebody else and then asks for a letter; of the next asks for a number."""
    if input.run.step == 0 and input.input[0].text == "first":
        return Plan(waits=(WaitRequest("external", "One moment.", may_answer=("operator",)),))
    letter = bool(input.answers) and input.answers[-1].kind == "external"
    words, schema = ("Which letter?", LETTER) if letter else ("Which number?", NUMBER)
    return Plan(waits=(WaitRequest("clarification", words, answer_schema=schema),))


@pytest.mark.req("LIC-16.54")
async def test_a_question_that_waited_for_its_platform_bears_what_it_asks_for_and_not_what_is_asked_since(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Post()
    world = await make_world(agent("shop.bot", [asking]), channels={"post": post})
    session = await world.session(channel="post", delivery="push")
    await session.say("first")
    await clock.settle()
    post.failures = 1
    await session.say("second")
    await clock.settle()
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("external",))
    await world.waits.answer(SCOPE, wait.id, "answered", OPS, body={"text": "yes"})
    await clock.advance(100)
    asked = [(each.saying.text, each.schema) for each in post.received if each.kind == "question"]
    assert asked == [("Which number?", NUMBER), ("Which letter?", LETTER)]


@pytest.mark.req("LIC-16.20")
async def test_where_a_platform_doubles_a_message_in_doubt_is_held_and_the_next_goes(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Mute(Traits("doubles", "hold"))
    assert await told(make_world, clock, post) == [("o1", "hold"), ("o2", "delivered")]
    assert post.there == ["one", "two"]


@pytest.mark.req("LIC-16.20")
async def test_what_a_channel_says_of_its_platform_counts_also_where_that_cannot_be_asked(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Closed(Traits("doubles", "hold"))
    assert await told(make_world, clock, post) == [("o1", "hold"), ("o2", "delivered")]
    assert post.there == ["one", "two"]


@pytest.mark.req("LIC-16.21")
async def test_a_channel_may_say_that_a_message_in_doubt_goes_again(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Mute(Traits("doubles", "repeat"))
    assert await told(make_world, clock, post) == [("o1", "repeat"), ("o1", "delivered"), ("o2", "delivered")]
    assert post.there == ["one", "one", "two"]


@pytest.mark.req("LIC-16.21")
async def test_what_stays_in_doubt_is_held_after_so_many_attempts(make_world: MakeWorld, clock: SimulatedClock) -> None:
    post = Mute(Traits("doubles", "repeat"), cut=3)
    found = await told(make_world, clock, post, delivery_attempts_max=3)
    assert found == [("o1", "repeat"), ("o1", "repeat"), ("o1", "hold"), ("o2", "delivered")]


@pytest.mark.req("LIC-16.22")
@pytest.mark.parametrize(
    ("has", "ends", "there"),
    [
        (True, ["delivered"], ["one", "two"]),
        (False, ["retry", "delivered"], ["one", "one", "two"]),
        (None, ["hold"], ["one", "two"]),
    ],
)
async def test_a_platform_that_can_be_asked_is_asked_whether_it_has_a_message(
    make_world: MakeWorld, clock: SimulatedClock, has: bool | None, ends: list[str], there: list[str]
) -> None:
    post = Mute(Traits("asks", "hold"), has=has)
    found = await told(make_world, clock, post)
    assert [how for message, how in found if message == "o1"] == ends
    assert (post.there, post.asked) == (there, ["one"])


@pytest.mark.req("LIC-16.20", "LIC-16.22")
@pytest.mark.parametrize(
    ("traits", "has", "how"),
    [
        (Traits("same"), None, "retry"),
        (Traits("doubles", "hold"), None, "hold"),
        (Traits("doubles", "repeat"), None, "repeat"),
        (Traits("asks"), True, "delivered"),
    ],
)
async def test_a_delivery_that_a_death_cut_off_is_settled_before_anything_else_is_sent(
    make_world: MakeWorld, clock: SimulatedClock, traits: Traits, has: bool | None, how: str
) -> None:
    post = Mute(traits, cut=0, has=has, hangs=True)
    world = await make_world(agent("shop.bot", [echo]), channels={"post": post})
    session = await world.session(key="s", channel="post", delivery="push")
    await session.say("one")
    await clock.settle()
    await world.reopen()
    await clock.advance(100)
    session = await world.session(key="s", channel="post", delivery="push")
    ends = (e.DeliverySettled, e.DeliveryDoubted)
    found = [c for c in world.session_controls(session) if isinstance(c, ends)]
    assert (found[0].decision if isinstance(found[0], e.DeliveryDoubted) else found[0].outcome) == how
    assert post.there == (["one"] if how in ("hold", "delivered") else ["one", "one"])
