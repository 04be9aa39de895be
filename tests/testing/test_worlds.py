"""Worlds as people who write agents use them: a conversation, its time, a crash, and what was done meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from lichen import Agent, CallMeta, ModelCall, ModelReply, ModelRequest, NotDone, Operator, Retry, tool
from lichen.agents import LLMPlanner
from lichen.core.ports.model import Deltas
from lichen.core.words.errors import Conflict, Denied, Invalid, NotFound
from lichen.core.words.ids import ToolName
from lichen.testing.worlds import ScriptedModel, World, as_sync, project_world, world

SHOP = Path(__file__).parents[2] / "templates/shop/lichen.toml"
DEMO = Path(__file__).parents[2] / "demo/lichen.toml"
DAY_S = 86_400
REAL_S_MAX = 20.0  # generous: what is meant are hours

POLICY = """
@id("small") permit (principal is Agent, action == Action::"till.pay", resource) when { context.args.euros <= 50 };
@id("large") @approval("lead") @expires("1h") @public("A colleague looks at it.") @reason("More than 50.")
permit (principal is Agent, action == Action::"till.pay", resource) when { context.args.euros > 50 };
@id("look") permit (principal is Agent, action == Action::"till.look", resource);
"""


class Paid(BaseModel):
    """A receipt."""

    euros: int


class Till:
    """What is outside of Lichen. `attempts` by idempotency key; `does` is what an attempt does."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.is_slow_s = 0.0
        self.fails = 0

    def agent(self, *replies: str | ModelReply) -> Agent:
        @tool(name="till.look", effects="none", timeout_s=30)
        def look() -> Paid:
            """Counts what is there."""
            time.sleep(self.is_slow_s)
            return Paid(euros=7)

        @tool(name="till.pay", effects="once", retry=Retry(attempts=3, backoff_s=1.0))
        async def pay(euros: Annotated[int, Field(ge=1)], *, meta: CallMeta) -> Paid:
            """Pays out."""
            self.attempts[meta.idempotency_key] += 1
            if self.attempts.total() <= self.fails:
                raise NotDone("The till is busy.", code="busy", retryable=True)
            await asyncio.sleep(self.is_slow_s)
            return Paid(euros=euros)

        planner = LLMPlanner(ScriptedModel(replies), instructions="You are a till.")
        return Agent("till.clerk", planner=planner, tools=[look, pay])


def call(name: str, args: bytes = b"{}") -> ModelReply:
    return ModelReply("", (ModelCall("one", ToolName(name), args),))


def pays(euros: int) -> ModelReply:
    return call("till.pay", b'{"euros":%d}' % euros)


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "till.cedar").write_text(POLICY)
    return folder


@contextmanager
def another_system() -> Generator[int]:
    """The port of a server in a thread of its own, which takes its time to say a line in capitals."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as lines:
            said = lines.readline()
            time.sleep(0.03)
            lines.write(said.upper())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


# -- a conversation ----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-46.5")
async def test_a_conversation_shows_what_was_said_called_decided_and_agreed_to(till: Till, policies: Path) -> None:
    agent = till.agent(pays(80), "Done.")
    async with world([agent], policies=policies) as w:
        talk = await w.talk("customer-7")
        reply = await talk.say("Pay me 80 euros.")
        assert (reply.text, reply.outcome) == ("A colleague looks at it.", "released")
        (wait,) = w.approvals()
        assert wait.operator["arguments"] == {"euros": 80}
        assert w.calls("till.pay")[0].outcome == ""
        await w.approve(wait, by=Operator("lena", ("lead",)), note="fine")
        reply = await talk.reply()
        assert (reply.text, reply.outcome) == ("Done.", "answered")
        (made,) = w.calls("till.pay")
        assert (made.arguments, made.outcome, made.verdict, made.policies) == ({"euros": 80}, "ok", "allow", ("large",))
        assert [person.name for person in made.people] == ["lena"]
        assert talk.heard == ["A colleague looks at it.", "Done."]
        assert reply.run is not None
        assert w.records(reply.run)[-1].type == "run_finished"
    assert till.attempts.total() == 1


@pytest.mark.req("LIC-46.5")
async def test_whoever_policy_does_not_name_may_not_agree_in_a_world_either(till: Till, policies: Path) -> None:
    async with world([till.agent(pays(80), "It was declined.")], policies=policies) as w:
        talk = await w.talk()
        await talk.say("Pay me 80 euros.")
        with pytest.raises(Denied, match="may_not_answer"):
            await w.approve()
        await w.deny(by=Operator("lena", ("lead",)))
        assert (await talk.reply()).text == "It was declined."
        assert w.calls("till.pay")[0].word == "declined"
    assert till.attempts.total() == 0


@pytest.mark.req("LIC-46.5")
async def test_a_run_without_a_conversation_is_followed_to_where_it_waits_and_to_its_end(
    till: Till, policies: Path
) -> None:
    async with world([till.agent(pays(80), "Done.")], policies=policies) as w:
        run = await w.start("till.clerk", "Pay 80 euros.")
        waiting = await w.result(run)
        assert (waiting.status, len(waiting.waits)) == ("waiting", 1)
        await w.approve(by=Operator("lena", ("lead",)))
        ended = await w.result(run)
        assert (ended.status, ended.answer) == ("completed", "Done.")


# -- time --------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-46.6")
async def test_an_approval_expires_when_its_time_is_over_and_not_before(till: Till, policies: Path) -> None:
    begun = time.monotonic()
    async with world([till.agent(pays(80), "Nobody agreed.")], policies=policies) as w:
        talk = await w.talk()
        await talk.say("Pay me 80 euros.")
        await w.clock.advance(3599)
        assert len(w.approvals()) == 1
        await w.clock.advance(2)
        assert w.approvals() == ()
        assert (await talk.reply()).text == "Nobody agreed."
    assert time.monotonic() - begun < REAL_S_MAX


@pytest.mark.req("LIC-46.6")
async def test_a_reply_lets_pass_as_much_time_as_retries_and_a_slow_tool_take(till: Till, policies: Path) -> None:
    till.fails, till.is_slow_s = 2, 20.0
    begun = time.monotonic()
    async with world([till.agent(pays(20), "Done.")], policies=policies) as w:
        at_us = w.clock.now_us()
        talk = await w.talk()
        assert (await talk.say("Pay me 20 euros.")).text == "Done."
        assert w.calls("till.pay")[0].attempts == 3
        assert 20 < (w.clock.now_us() - at_us) / 1e6 < 200
    assert time.monotonic() - begun < REAL_S_MAX


@pytest.mark.req("LIC-46.6")
async def test_a_tool_that_hangs_is_cut_off_at_its_limit_in_no_time(till: Till, policies: Path) -> None:
    till.is_slow_s = DAY_S
    async with world([till.agent(pays(20), "I do not know.")], policies=policies) as w:
        talk = await w.talk()
        reply = await talk.say("Pay me 20 euros.")
        assert reply.outcome == "released"
        assert [wait.kind for wait in w.unknown()] == ["reconcile"]
        till.is_slow_s = 0
        await w.reconcile("happened", result={"euros": 20})
        assert (await talk.reply()).text == "I do not know."
        assert w.calls("till.pay")[0].result == {"euros": 20}


@pytest.mark.req("LIC-46.6")
async def test_what_runs_in_a_thread_has_the_real_time_it_takes(till: Till, policies: Path) -> None:
    till.is_slow_s = 0.3
    async with world([till.agent(call("till.look"), "Seven.")], policies=policies) as w:
        at_us = w.clock.now_us()
        talk = await w.talk()
        await talk.send("How much is there?")
        await w.clock.advance(3600)  # its limit of thirty seconds is not the thread's fault
        assert w.calls("till.look")[0].result == {"euros": 7}
        assert (await talk.reply()).text == "Seven."
        assert w.clock.now_us() - at_us == 3600 * 10**6


@pytest.mark.req("LIC-46.6")
async def test_an_answer_from_the_network_is_waited_for_before_time_passes(policies: Path) -> None:
    @tool(name="till.look", effects="none", timeout_s=30)
    async def look() -> dict[str, str]:
        """Asks another system."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"seven\n")
        said = (await reader.readline()).decode().strip()
        writer.close()
        return {"said": said}

    agent = Agent("till.clerk", planner=LLMPlanner(ScriptedModel([call("till.look"), "Seven."])), tools=[look])
    (policies / "till.cedar").write_text(POLICY.splitlines()[-1])
    with another_system() as port:
        async with world([agent], policies=policies) as w:
            assert (await (await w.talk()).say("How much is there?")).text == "Seven."
            assert w.calls()[0].result == {"said": "SEVEN"}


@pytest.mark.req("LIC-46.6")
async def test_outside_a_world_time_is_real_again(till: Till) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    async with world([till.agent("Hello.")]) as w:
        await w.clock.advance(DAY_S)
    assert loop.time() - before < DAY_S / 2
    await asyncio.sleep(0.001)


# -- a crash -----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-46.7")
async def test_after_a_crash_what_was_durable_is_there_and_the_talk_goes_on(till: Till, policies: Path) -> None:
    async with world([till.agent(pays(80), "Done.", "You are welcome.")], policies=policies) as w:
        talk = await w.talk("customer-7")
        await talk.say("Pay me 80 euros.")
        await w.restart()
        await w.approve(by=Operator("lena", ("lead",)))
        await w.restart()
        assert (await talk.reply()).text == "Done."
        assert (await talk.say("Thank you.")).text == "You are welcome."
    assert till.attempts.total() == 1


@pytest.mark.req("LIC-46.7")
async def test_a_crash_in_the_middle_of_a_payment_leaves_it_to_a_person(till: Till, policies: Path) -> None:
    till.is_slow_s = 10
    async with world([till.agent(pays(20), "Done.")], policies=policies) as w:
        talk = await w.talk()
        await talk.send("Pay me 20 euros.")
        await w.clock.advance(5)
        assert till.attempts.total() == 1
        await w.restart()
        assert len(w.unknown()) == 1
        await w.reconcile("happened", result={"euros": 20})
        assert (await talk.reply()).text == "Done."
    assert till.attempts.total() == 1


@pytest.mark.req("LIC-46.7")
async def test_a_world_with_a_home_is_there_for_the_next_one(till: Till, policies: Path, tmp_path: Path) -> None:
    agent = till.agent(pays(20), "Done.")
    async with world([agent], policies=policies, home=tmp_path / "data") as w:
        await (await w.talk()).say("Pay me 20 euros.")
    async with world([agent], policies=policies, home=tmp_path / "data", seed=2) as w:
        assert [each.outcome for each in w.calls("till.pay")] == ["ok"]


# -- the same again ----------------------------------------------------------------------------------------------


async def told(till: Till, policies: Path, *, seed: int) -> list[tuple[object, ...]]:
    async with world([till.agent(pays(20), "Done.")], policies=policies, seed=seed) as w:
        await (await w.talk()).say("Pay me 20 euros.")
        return [(each.seq, each.ts_us, each.stream, each.type, each.actor) for each in w.records()]


@pytest.mark.req("LIC-46.8")
async def test_a_test_that_is_run_again_has_the_same_ids_and_times(till: Till, policies: Path) -> None:
    first = await told(till, policies, seed=1)
    assert len(first) > 3
    assert await told(till, policies, seed=1) == first
    assert await told(till, policies, seed=2) != first


# -- mistakes ----------------------------------------------------------------------------------------------------


async def misspell(w: World) -> object:
    return w.calls("till.pya")


async def approve_nothing(w: World) -> object:
    return await w.approve()


async def hear_nothing(w: World) -> object:
    talk = await w.talk()
    await talk.say("Hello?")
    return await talk.reply()


async def approve_one_of_two(w: World) -> object:
    for customer in ("one", "two"):
        await (await w.talk(customer)).say("Pay me 80 euros.")
    return await w.approve()


async def open_another(w: World) -> object:
    async with world([Till().agent()]):
        pass


@pytest.mark.req("LIC-46.9")
@pytest.mark.parametrize(
    ("mistake", "replies", "code", "helps"),
    [
        (misspell, (), "tool_unhosted", "till.pay"),
        (approve_nothing, (), "approval_missing", "world.calls()"),
        (approve_one_of_two, (pays(80), pays(90)), "approval_unnamed", "80"),
        (hear_nothing, ("Hi.",), "reply_missing", "world.clock.advance"),
        (open_another, (), "world_open", "restart"),
    ],
)
async def test_a_mistake_in_a_test_is_said_with_what_to_do(
    till: Till,
    policies: Path,
    mistake: Callable[[World], object],
    replies: tuple[ModelReply],
    code: str,
    helps: str,
) -> None:
    async with world([till.agent(*replies)], policies=policies) as w:
        with pytest.raises((NotFound, Invalid, Conflict), match=code) as told:
            await mistake(w)  # type: ignore[misc]
        assert helps in str(told.value)


@pytest.mark.req("LIC-46.9")
async def test_a_world_without_agents_and_a_talk_with_nobody_in_particular_are_mistakes(till: Till) -> None:
    with pytest.raises(Invalid, match="agent_unnamed"):
        async with world([]):
            pass
    other = Agent("till.other", planner=LLMPlanner(ScriptedModel(())))
    async with world([till.agent(), other]) as w:
        with pytest.raises(Invalid, match=r"till\.clerk, till\.other"):
            await w.talk()


@pytest.mark.req("LIC-46.9")
def test_a_loop_whose_time_cannot_be_simulated_is_said_to_be_one(till: Till) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def story() -> None:
        with pytest.raises(Invalid, match="loop_unsuitable"):
            async with world([till.agent()]):
                pass

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


class Unreachable:
    """A model that no test can reach."""

    name = "far:away"

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        raise AssertionError("a test asked a model over the network")


# -- projects ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-46.10")
async def test_a_project_is_a_world_with_its_policies_and_the_people_it_declares() -> None:
    async with project_world(SHOP) as w:
        talk = await w.talk("customer-7")
        assert (await talk.say("Where is order 1001?")).text == "Order 1001, your tea pot, is on its way."
        await talk.say("I want a refund of 80 EUR for order 1002.")
        await w.approve(by="ops")
        assert (await talk.reply()).text.startswith("Done: 80.00 EUR")
        assert [each.policies for each in w.calls("orders.refund")] == [("refund-large",)]
        assert not (SHOP.parent / ".lichen").exists()


@pytest.mark.req("LIC-46.12")
async def test_a_world_answers_in_the_place_of_the_model_that_an_agent_asks() -> None:
    asking = Agent("shop.asking", planner=LLMPlanner(Unreachable()))
    async with world([asking], models={"shop.asking": ScriptedModel(["Yes.", "No."])}) as w:
        talk = await w.talk("customer-7")
        assert (await talk.say("Really?")).text == "Yes."
        await w.restart()
        assert (await talk.say("Are you sure?")).text == "No."


@pytest.mark.req("LIC-46.10")
async def test_a_project_with_several_tenants_asks_for_one() -> None:
    with pytest.raises(Invalid, match=r"tenant_unnamed.*acme"):
        async with project_world(DEMO):
            pass
    async with project_world(DEMO, tenant="acme") as w:
        assert (w.scope.tenant, w.operator.kind) == ("acme", "operator")
        assert (await (await w.talk("customer-7")).say("Where is order 1042?")).text


# -- without a plugin --------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-46.11")
@pytest.mark.parametrize("said", ["Hello.", "Good day."])
def test_a_test_can_be_plain_and_keeps_its_fixtures_and_parameters(till: Till, said: str) -> None:
    seen: list[str] = []

    @as_sync
    async def test(expected: str) -> None:
        async with world([till.agent(expected)]) as w:
            seen.append((await (await w.talk()).say("Hello")).text)

    test(said)
    assert seen == [said]


@as_sync
@pytest.mark.req("LIC-46.11")
async def test_a_plain_test_is_given_what_it_asks_for(till: Till) -> None:
    assert isinstance(till, Till)
