"""Words carry their label: whatever a stranger said taints whoever is handed it, however it came there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, NotDone
from lichen.core.ports.model import Deltas, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.ports.policy import NO_FACTS, Check, Facts, Verdict
from lichen.core.words.errors import Conflict, Denied, Invalid, LichenError
from lichen.core.words.ids import AgentName, RunId, SessionId, run_stream, session_stream
from lichen.core.words.label import EMPTY, EXTERNAL, Label
from lichen.core.words.scope import Scope, Service
from lichen.engine.intake.labels import declassify
from lichen.engine.ports import NOBODY, Options, Whose
from lichen.runtime.operations.talk.session import Session
from lichen.testing.clock import SimulatedClock
from lichen.testing.models import ScriptedModel
from tests.engine.conftest import MakeWorld
from tests.engine.world import (
    CUSTOMER,
    OPS,
    SCOPE,
    FakeAgent,
    FakeTool,
    Script,
    ScriptedGate,
    World,
    agent,
    call,
    calls,
)

MARK = "EVIL-IBAN"
FETCH = "third_party:web.fetch"
ROBOT = Service("robot")


def says(text: str) -> Callable[[CallMeta], Awaitable[bytes]]:
    """A page with these words."""

    async def does(meta: CallMeta) -> bytes:
        return msgspec.json.encode({"text": text})

    return does


def refuses(text: str) -> Callable[[CallMeta], Awaitable[bytes]]:
    """A page that is not there, in these words."""

    async def does(meta: CallMeta) -> bytes:
        raise NotDone(text, code="http_404", retryable=False)

    return does


def web(does: Callable[[CallMeta], Awaitable[bytes]], effects: Any = "none", **more: Any) -> FakeTool:
    return FakeTool("web.fetch", effects, does=does, origin="third_party", **more)


def call_of(tool: str, args: str) -> Plan:
    """A plan of one call with these arguments."""
    return Plan(calls=(call(tool, args),))


def last(input: PlanInput) -> Plan:
    """Answers with the last result, in its own words."""
    result = input.results[-1]
    return Plan(answer=result.data.decode() or result.reason or result.code)


class Reader:
    """Reads the whole conversation whenever it is asked, then says the next of these lines."""

    pure = False
    digest = "reader"

    def __init__(self, lines: Sequence[Plan | Callable[[PlanInput], Plan]]) -> None:
        self._script = Script(lines)
        self.read: list[str] = []

    async def plan(self, input: PlanInput) -> Plan:
        history = await input.history()
        self.read.append(" ".join(message.text for message in history.messages))
        return await self._script.plan(input)


async def two_turns(make_world: MakeWorld, second: Any, *, options: Options | None = None) -> tuple[World, Session]:
    """A conversation in which the first turn repeated a stranger's words; the agent of the next ones is `second`."""

    def opening(input: PlanInput) -> Plan:
        return calls("web.fetch") if input.input[0].text == "read it" else Plan()

    class Both:
        pure = second.pure
        digest = "both"

        async def plan(self, input: PlanInput) -> Plan:
            if input.results and input.results[0].tool == "web.fetch":
                return last(input)
            if input.reason == "start" and input.input[0].text == "read it":
                return opening(input)
            return await second.plan(input)

    tools = [web(says(MARK)), FakeTool("till.pay", "once")]
    world = await make_world(agent("shop.bot", Both(), tools), options=options)
    session = await world.session()
    assert MARK in (await (await session.say("read it")).result()).text
    return world, session


def label_at(world: World, action: str) -> Label:
    """The label that the gate was last asked this with."""
    return next(check for check in reversed(world.gate.checked) if check.action == action).label


# -- across turns ------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.21")
async def test_a_strangers_words_in_an_earlier_turn_taint_the_turn_that_is_shown_them(make_world: MakeWorld) -> None:
    reader = Reader([calls("till.pay"), Plan(answer="done")])
    world, session = await two_turns(make_world, reader)
    await (await session.say("thanks, go on")).result()
    assert MARK in reader.read[0]
    assert label_at(world, "till.pay").sources == (FETCH,)
    assert label_at(world, "message.send").is_tainted


@pytest.mark.req("LIC-10.22")
async def test_a_turn_that_is_not_shown_them_is_clean(make_world: MakeWorld) -> None:
    world, session = await two_turns(make_world, Script([calls("till.pay"), Plan(answer="done")]))
    await (await session.say("thanks, go on")).result()
    assert label_at(world, "till.pay") == EMPTY


@pytest.mark.req("LIC-10.22")
async def test_the_label_fades_when_the_words_and_what_was_made_of_them_leave_the_window(
    make_world: MakeWorld,
) -> None:
    reader, blind = Reader([calls("till.pay"), Plan(answer="done")]), Script([Plan(answer="yes")])

    class Looking:
        pure = False
        digest = "looking"

        async def plan(self, input: PlanInput) -> Plan:
            is_blind = input.reason == "start" and input.input[0].text != "look back"
            return await (blind if is_blind else reader).plan(input)

    world, session = await two_turns(make_world, Looking(), options=Options(history_messages_max=2))
    seen: list[bool] = []
    for text in ("look back", "look back", "hello", "look back"):
        await (await session.say(text)).result()
        seen.append(label_at(world, "till.pay").is_tainted)
    assert seen == [True, True, True, False]  # "done" was said by who had read the words; "yes" was not
    assert [MARK in text for text in reader.read[::2]] == [True, False, False]


@pytest.mark.req("LIC-10.21")
async def test_a_model_that_is_sent_earlier_words_is_asked_for_with_their_label(make_world: MakeWorld) -> None:
    model = ScriptedModel(["fine"])

    class Asking:
        pure = False
        digest = "asking"

        async def plan(self, input: PlanInput) -> Plan:
            history = await input.history()
            request = ModelRequest("", tuple(ModelMessage("user", m.text) for m in history.messages))
            return Plan(answer=(await input.model(model, request)).text)

    world, session = await two_turns(make_world, Asking())
    await (await session.say("and now?")).result()
    assert label_at(world, "model.invoke").sources == (FETCH,)


@pytest.mark.req("LIC-10.23")
async def test_whether_text_may_be_streamed_is_asked_with_the_label_of_all_it_might_read(
    make_world: MakeWorld,
) -> None:
    worlds: list[World] = []

    def while_somebody_looks(input: PlanInput) -> Plan:
        assert input.run.session is not None
        worlds[0].engine.services.deltas.speaking(SCOPE, input.run.session)
        return Plan(answer="done")

    world, session = await two_turns(make_world, Reader([while_somebody_looks]))
    worlds.append(world)
    asked = len(world.gate.checked)
    await (await session.say("go on")).result()
    sends = [check for check in world.gate.checked[asked:] if check.action == "message.send"]
    assert len(sends) == 2
    assert all(check.label.is_tainted for check in sends)


# -- versions ----------------------------------------------------------------------------------------------------


class Versions:
    """An agent in two versions: runs that began with the older one keep it."""

    def __init__(self, older: FakeAgent, newer: FakeAgent) -> None:
        self._older, self._newer = older, newer

    def get(self, name: AgentName, scope: Scope, whose: Whose = NOBODY, /) -> FakeAgent:
        return self._newer

    def pinned(self, name: AgentName, digest: str, scope: Scope, /) -> FakeAgent | None:
        return next((each for each in (self._older, self._newer) if each.digest == digest), None)


@pytest.mark.req("LIC-10.21")
async def test_a_strangers_words_stay_a_strangers_when_a_newer_version_of_the_agent_calls_them_its_own(
    make_world: MakeWorld,
) -> None:
    worlds: list[World] = []

    async def while_the_newer_is_hosted(meta: CallMeta) -> bytes:
        msgspec.structs.force_setattr(worlds[0].engine.services, "agents", Versions(older, newer))
        return await says(MARK)(meta)

    pay, lines = FakeTool("shop.pay", "once"), [calls("web.fetch"), calls("shop.pay"), Plan(answer="done")]
    older = agent("shop.bot", lines, [web(while_the_newer_is_hosted), pay])
    own = agent("shop.bot", lines, [FakeTool("web.fetch", does=says(MARK)), pay])
    newer = msgspec.structs.replace(own, digest="newer")
    worlds.append(world := await make_world(older))
    await world.start()
    assert label_at(world, "shop.pay").sources == (FETCH,)


# -- however a call ends -----------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.24")
@pytest.mark.parametrize("effects", ["none", "idempotent", "once"])
async def test_the_words_of_a_failure_taint_as_those_of_a_result_do(make_world: MakeWorld, effects: str) -> None:
    world = await make_world(
        agent(
            "shop.bot",
            [calls("web.fetch"), calls("till.pay"), last],
            [web(refuses(MARK), effects), FakeTool("till.pay")],
        )
    )
    run = await world.start()
    assert world.state(run).outcome
    assert label_at(world, "till.pay").sources == (FETCH,)


@pytest.mark.req("LIC-10.24")
@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_a_call_of_a_stranger_that_breaks_off_taints(
    make_world: MakeWorld, clock: SimulatedClock, how: str
) -> None:
    async def does(meta: CallMeta) -> bytes:
        if how == "raises":
            raise ValueError(MARK)
        await asyncio.sleep(1_000)
        return b"{}"

    tools = [web(does, timeout_s=5), FakeTool("till.pay")]
    world = await make_world(agent("shop.bot", [calls("web.fetch"), calls("till.pay"), last], tools))
    await world.start()
    await clock.advance(6)
    assert label_at(world, "till.pay").sources == (FETCH,)


@pytest.mark.req("LIC-10.24")
@pytest.mark.parametrize("is_hosted", [True, False])
async def test_a_result_that_a_person_brings_for_a_strangers_tool_is_the_strangers(
    make_world: MakeWorld, is_hosted: bool
) -> None:
    async def does(meta: CallMeta) -> bytes:
        raise ValueError(MARK)

    tool = web(does, "once")
    world = await make_world(agent("shop.bot", [calls("web.fetch"), last], [tool]))
    run = await world.start()
    if not is_hosted:
        await world.crash()
        world.forget_agents()
        await world.open()
    await world.reconcile("happened")
    assert world.state(run).label.sources == (FETCH,)
    closed = [event.label for event in world.log.events(run_stream(run)) if isinstance(event.control, e.CallFinished)]
    assert closed[-1].sources == (FETCH,)


@pytest.mark.req("LIC-10.24")
async def test_a_result_found_by_a_probe_is_the_strangers(make_world: MakeWorld, clock: SimulatedClock) -> None:
    made: list[FakeTool] = []

    async def does(meta: CallMeta) -> bytes:
        made[0].happen(meta)
        raise ValueError

    made.append(web(does, "once", has_probe=True))
    world = await make_world(agent("shop.bot", [calls("web.fetch"), last], made))
    run = await world.start()
    await clock.advance(20)
    assert world.ended(run) == {"c1": "ok"}
    assert world.state(run).label.sources == (FETCH,)


@pytest.mark.req("GOA-6.5")
async def test_a_tool_is_told_the_label_of_what_its_run_has_read(make_world: MakeWorld) -> None:
    pay = FakeTool("till.pay", "once")
    tools = [web(says(MARK)), pay]
    world = await make_world(agent("shop.bot", [calls("till.pay"), calls("web.fetch"), calls("till.pay"), last], tools))
    await world.start()
    assert [meta.label.sources for meta in pay.entered] == [(), (FETCH,)]


@pytest.mark.req("LIC-10.29")
@pytest.mark.parametrize(
    ("asked", "records", "vouched"),
    [
        ('{"to":"EVIL "}', (), []),
        ('{"to":"EVIL "}', ("owner",), ["ours"]),
        ('{"to":"EVIL "}', ("to", "owner"), ["ours"]),
        ('{"to":"Anna"}', (), ["evil", "ours"]),
        ('{"to":["Anna"]}', (), []),
        ('{"to":{"EVIL":"Anna"}}', (), []),
        ('{"to":null}', (), []),
        ("{}", (), ["evil", "ours"]),
    ],
)
async def test_a_tool_of_our_own_vouches_only_where_all_it_was_asked_with_was_vouched_for(
    make_world: MakeWorld, asked: str, records: tuple[str, ...], vouched: list[str]
) -> None:
    """What it declares as its records it vouches for whatever it was asked, but for what it was given."""

    async def does(meta: CallMeta) -> bytes:
        return b'{"to":"e-v-i-l","owner":"ours"}'.replace(b"-", b"" if "EVIL " not in asked else b"-")

    tools = [FakeTool("shop.note", does=does, record_fields=records), FakeTool("till.pay", "once")]
    world = await make_world(agent("shop.bot", [call_of("shop.note", asked), calls("till.pay"), last], tools))
    await (await (await world.session()).say("send it to Anna")).result()
    evidence = next(check.evidence for check in world.gate.checked if check.action == "till.pay")
    assert [value for found in evidence for value in found.values if found.source == "tool:shop.note"] == vouched


@pytest.mark.req("LIC-10.29")
async def test_what_nobody_vouched_for_is_not_vouched_for_by_a_later_call_that_gives_it_back(
    make_world: MakeWorld,
) -> None:
    async def does(meta: CallMeta) -> bytes:
        return b'{"to":"E-V-I-L","owner":"ours"}'

    tools = [FakeTool("shop.keep"), FakeTool("shop.kept", does=does), FakeTool("till.pay", "once")]
    lines = [call_of("shop.keep", '{"note":{"to":["evil"]}}'), calls("shop.kept"), calls("till.pay"), last]
    world = await make_world(agent("shop.bot", lines, tools))
    await world.start()
    evidence = next(check.evidence for check in world.gate.checked if check.action == "till.pay")
    assert [value for found in evidence for value in found.values if found.source.startswith("tool:")] == ["ours"]


# -- answers from outside ----------------------------------------------------------------------------------------

BRING = Plan(waits=(WaitRequest("external", may_answer=("service", "operator")),))


@pytest.mark.req("LIC-10.25")
@pytest.mark.parametrize(("who", "sources"), [(ROBOT, (EXTERNAL,)), (OPS, ())])
async def test_what_a_program_brings_is_a_strangers_word_and_what_an_operator_brings_is_not(
    make_world: MakeWorld, who: Any, sources: tuple[str, ...]
) -> None:
    world = await make_world(agent("shop.bot", [BRING, calls("till.pay"), last], [FakeTool("till.pay")]))
    await world.start()
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("external",))
    await world.waits.answer(SCOPE, wait.id, "answered", who, body={"text": MARK})
    await world.clock.settle()
    assert label_at(world, "till.pay").sources == sources


@pytest.mark.req("LIC-10.5")
@pytest.mark.parametrize(
    ("who", "sources"), [(ROBOT, (EXTERNAL,)), (Service("app", ("channel",)), ()), (OPS, ()), (CUSTOMER, ())]
)
async def test_what_a_program_says_in_a_customers_session_is_a_strangers_word_in_every_turn_that_is_shown_it(
    make_world: MakeWorld, who: Any, sources: tuple[str, ...]
) -> None:
    reader = Reader([calls("till.pay"), Plan(answer="done")])
    world = await make_world(agent("shop.bot", reader, [FakeTool("till.pay")]))
    session = await world.session()
    await (await world.sessions.get(SCOPE, session.id, who).say(MARK)).run()
    await world.clock.settle()
    assert label_at(world, "till.pay").sources == sources
    await (await session.say("go on")).result()
    assert MARK in reader.read[-1]
    assert label_at(world, "till.pay").sources == sources


@pytest.mark.req("LIC-10.5")
async def test_what_a_program_says_while_a_run_is_under_way_taints_what_it_does_next(make_world: MakeWorld) -> None:
    ask = Plan(waits=(WaitRequest("clarification", "Sure?"),))
    world = await make_world(agent("shop.bot", [ask, calls("till.pay"), Plan(answer="done")], [FakeTool("till.pay")]))
    session = await world.session(double_texting="merge")
    await session.say("hello")
    await world.clock.settle()
    assert (await world.sessions.get(SCOPE, session.id, ROBOT).say(MARK)).disposition == "joined"
    await session.say("yes")
    await world.clock.settle()
    assert label_at(world, "till.pay").sources == (EXTERNAL,)


@pytest.mark.req("LIC-10.5")
async def test_a_programs_own_session_is_in_its_own_words(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("till.pay"), Plan(answer="done")], [FakeTool("till.pay")]))
    session = await world.sessions.open(SCOPE, ROBOT, agent=world.agent)
    await (await session.say("pay")).result()
    assert label_at(world, "till.pay") == EMPTY


# -- declassifying -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.26")
async def test_policy_may_let_the_result_of_one_call_go_without_a_source(make_world: MakeWorld) -> None:
    tools = [web(says("checked")), FakeTool("till.pay")]
    world = await make_world(agent("shop.bot", [calls("web.fetch"), calls("till.pay"), last], tools))
    world.gate.declassified["web.fetch"] = (FETCH,)
    run = await world.start()
    assert label_at(world, "till.pay") == EMPTY
    decided = next(c for c in world.controls(run) if isinstance(c, e.Decided))
    assert decided.declassified == (FETCH,)


@pytest.mark.req("LIC-10.26")
async def test_policy_vouches_for_results_and_never_for_the_words_of_a_failure(make_world: MakeWorld) -> None:
    tools = [web(refuses(MARK)), FakeTool("till.pay")]
    world = await make_world(agent("shop.bot", [calls("web.fetch"), calls("till.pay"), last], tools))
    world.gate.declassified["web.fetch"] = (FETCH,)
    await world.start()
    assert label_at(world, "till.pay").sources == (FETCH,)


@pytest.mark.req("LIC-10.27")
async def test_a_person_may_vouch_for_what_was_said_in_a_session_and_the_record_says_who(
    make_world: MakeWorld,
) -> None:
    world, session = await two_turns(make_world, Reader([calls("till.pay"), Plan(answer="done")]))
    await declassify(world.request(OPS), (FETCH,), reason="I read the page.", session=session.id)
    await (await session.say("go on")).result()
    assert label_at(world, "till.pay") == EMPTY
    stream = session_stream(session.id)
    (vouched,) = [event for event in world.log.events(stream) if isinstance(event.control, e.Declassified)]
    assert isinstance(vouched.control, e.Declassified)
    assert vouched.control.by == world.log.name(OPS)
    assert world.log.contents(stream, vouched.n)["reason"] == b"I read the page."


@pytest.mark.req("LIC-10.27")
async def test_what_is_read_after_a_person_vouched_taints_again(make_world: MakeWorld) -> None:
    world, session = await two_turns(make_world, Reader([calls("till.pay"), Plan(answer="done")]))
    await declassify(world.request(OPS), (FETCH,), reason="I read the page.", session=session.id)
    await (await session.say("read it")).result()
    await (await session.say("go on")).result()
    assert label_at(world, "till.pay").sources == (FETCH,)


@pytest.mark.req("LIC-10.27")
async def test_a_person_may_vouch_for_a_run_that_goes_on(make_world: MakeWorld) -> None:
    world = await make_world(
        agent("shop.bot", [calls("web.fetch"), BRING, calls("till.pay"), last], [web(says(MARK)), FakeTool("till.pay")])
    )
    run = await world.start()
    await declassify(world.request(OPS), (FETCH,), reason="ours", run=run)
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("external",))
    await world.waits.answer(SCOPE, wait.id, "answered", OPS, body={})
    await world.clock.settle()
    assert label_at(world, "till.pay") == EMPTY
    with pytest.raises(Conflict, match="run_finished"):
        await declassify(world.request(OPS), (FETCH,), reason="ours", run=run)


@pytest.mark.req("LIC-34.12")
async def test_what_a_person_vouched_for_is_vouched_for_after_a_crash_as_well(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("web.fetch"), BRING, last], [web(says(MARK))]))
    run = await world.start()
    assert world.state(run).label.sources == (FETCH,)
    await declassify(world.request(OPS), (FETCH,), reason="ours", run=run)
    await world.reopen()
    assert world.state(run).label == EMPTY


@pytest.mark.req("LIC-10.27")
@pytest.mark.parametrize(
    ("who", "sources", "reason", "error"),
    [
        (ROBOT, (FETCH,), "ours", Denied),
        (OPS, (FETCH,), " ", Invalid),
        (OPS, ("third_party:other",), "ours", Invalid),
        (OPS, (), "ours", Invalid),
    ],
)
async def test_nobody_vouches_without_being_an_operator_a_reason_and_what_was_read(
    make_world: MakeWorld, who: Any, sources: tuple[str, ...], reason: str, error: type[LichenError]
) -> None:
    world, session = await two_turns(make_world, Reader([Plan(answer="done")]))
    with pytest.raises(error):
        await declassify(world.request(who), sources, reason=reason, session=session.id)


# -- whatever happens --------------------------------------------------------------------------------------------


class Move(NamedTuple):
    """What the agent does next, once it was asked."""

    kind: str
    reads: bool = False


MOVES = st.builds(
    Move,
    st.sampled_from(
        ["ok", "fails", "raises", "hangs", "lost", "records", "child", "held", "say", "ask", "wait", "answer", "answer"]
    ),
    st.booleans(),
)
EVENTS = st.sampled_from(["message", "message", "program", "person", "approve", "time", "crash"])


def shown(value: object) -> str:
    """Everything that was shown; bytes are JSON, and as legible as texts."""
    return str(msgspec.to_builtins(value, builtin_types=(bytes,)))


class Parrot:
    """Repeats all it is shown, in everything it does: arguments, questions, says, answers, and its own state."""

    pure = False
    digest = "parrot"

    def __init__(self, moves: list[Move], witness: Witness) -> None:
        self._moves = moves
        self._witness = witness

    async def plan(self, input: PlanInput) -> Plan:
        move = self._moves.pop(0) if self._moves and input.reason != "finalize" else Move("answer")
        seen = shown((input.input, input.results, input.answers, input.state))
        if move.reads:
            seen += shown(await input.history())
        await input.model(self._witness, ModelRequest("", (ModelMessage("user", seen),)))
        echo = MARK if MARK in seen else "hello"
        return self._do(move.kind, echo)

    def _do(self, kind: str, echo: str) -> Plan:
        match kind:
            case "answer":
                return Plan(answer=echo, state=echo.encode())
            case "say":
                return Plan(calls=(call("shop.records", f'{{"said":"{echo}"}}'),), says=(echo,), state=echo.encode())
            case "ask":
                return Plan(waits=(WaitRequest("clarification", f"{echo}?", expires_s=600),), state=echo.encode())
            case "wait":
                wait = WaitRequest("external", echo, may_answer=("service",), expires_s=600)
                return Plan(waits=(wait,), state=echo.encode())
            case _:
                return Plan(calls=(call(f"shop.{kind}", f'{{"said":"{echo}"}}'),), state=echo.encode())


class Witness:
    """Looks at every question to the gate and every request to a model: where a stranger's words are shown, the label
    says so."""

    name = "witness"

    def __init__(self) -> None:
        self.washed: list[str] = []
        self.tainted = 0
        self._last: Check | None = None

    def look(self, gate: ScriptedGate) -> None:
        """Stands at this gate from now on."""
        ask = gate.decide

        def decide(check: Check, facts: Facts = NO_FACTS) -> Verdict:
            self._last = check
            self._see(check, str(check.args))
            return ask(check, facts)

        gate.decide = decide  # type: ignore[method-assign]

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        assert self._last is not None
        self._see(self._last, str(request))
        return ModelReply("ok")

    def _see(self, check: Check, shown: str) -> None:
        if MARK in shown:
            self.tainted += 1
            if not check.label.is_tainted:
                self.washed.append(f"{check.run} {check.action}")


def strangers() -> list[FakeTool]:
    async def raises(meta: CallMeta) -> bytes:
        raise ValueError(MARK)

    async def hangs(meta: CallMeta) -> bytes:
        await asyncio.sleep(1_000)
        return b"{}"

    def stranger(name: str, does: Any, effects: Any = "none") -> FakeTool:
        return FakeTool(f"shop.{name}", effects, does=does, origin="third_party", timeout_s=5)

    return [
        stranger("ok", says(MARK)),
        stranger("fails", refuses(MARK)),
        stranger("raises", raises),
        stranger("hangs", hangs, "idempotent"),
        stranger("lost", raises, "once"),
        stranger("held", says(MARK), "once"),
        FakeTool("shop.records"),
    ]


async def live(home: Path, moves: list[Move], events: list[str], double_texting: str) -> tuple[list[str], int]:
    """A conversation in which all of this happens. Says where words were washed, and how often there were any."""
    with SimulatedClock() as clock:
        tools = strangers()
        witness = Witness()
        parrot = Parrot(moves, witness)
        asks = FakeTool("shop.child", "child", agent="shop.helper")
        world = World(home, clock, agent("shop.bot", parrot, [*tools, asks]), agent("shop.helper", parrot, tools))
        witness.look(world.gate)
        await world.open()
        world.gate.held.add("shop.held")
        try:
            for event in events:
                await _happen(world, clock, event, double_texting)
            for _ in range(4):
                await _happen(world, clock, "time", double_texting)
            return [*witness.washed, *_washed(world)], witness.tainted
        finally:
            await world.close()


async def _happen(world: World, clock: SimulatedClock, event: str, double_texting: str) -> None:
    match event:
        case "message":
            session = await world.session(key="s", double_texting=double_texting)
            await session.say("hello")
        case "program":
            for wait in world.waits.list(SCOPE, OPS, kinds=("external",)):
                await world.waits.answer(SCOPE, wait.id, "answered", ROBOT, body={"text": MARK})
        case "person":
            for wait in world.waits.list(SCOPE, OPS, kinds=("reconcile",)):
                await world.waits.answer(SCOPE, wait.id, "happened", OPS, body={"result": {"text": MARK}})
        case "approve":
            await world.approve()
        case "crash":
            await world.reopen()
        case _:
            await clock.advance(400)
    await clock.settle()


def _washed(world: World) -> list[str]:
    """Every record that holds a stranger's words under a clean label."""
    log = world.log
    streams = [run_stream(RunId(row.id)) for row in log.stream_rows("run", limit=1_000)]
    streams += [session_stream(SessionId(row.id)) for row in log.stream_rows("session", limit=1_000)]
    return [
        f"{stream} {event.n} {event.control.type}"
        for stream in streams
        for event in log.events(stream)
        if not event.label.is_tainted and any(MARK.encode() in data for data in log.contents(stream, event.n).values())
    ]


@pytest.mark.req("LIC-10.28")
@settings(max_examples=60, deadline=None, derandomize=True, print_blob=True)
@given(
    moves=st.lists(MOVES, min_size=2, max_size=8),
    events=st.lists(EVENTS, min_size=2, max_size=7),
    double_texting=st.sampled_from(["enqueue", "merge", "interrupt"]),
)
def test_no_byte_of_a_stranger_is_shown_or_kept_under_a_clean_label(
    moves: list[Move], events: list[str], double_texting: str
) -> None:
    with tempfile.TemporaryDirectory() as home:
        washed, _ = asyncio.run(live(Path(home), [*moves], ["message", *events], double_texting))
    assert washed == []
