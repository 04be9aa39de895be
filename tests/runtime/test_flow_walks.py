"""Flows that wait, are called, share state and end, through a real engine that is closed and opened in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lichen import Runtime
from lichen.core.words.scope import SYSTEM
from lichen.engine.act import Act
from lichen.engine.brief.history import read_history
from lichen.runtime import Session
from tests.runtime.test_flow_calls import DEADLINE_S, DONE, KEYS, OPS, SCOPE, Bench, meet
from tests.runtime.world import until


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    DONE.clear()
    KEYS.clear()
    return Bench(tmp_path)


async def hear(session: Session, text: str) -> str:
    async with asyncio.timeout(DEADLINE_S):
        return (await (await session.say(text)).result()).text


async def decide(runtime: Runtime, verdict: str) -> None:
    (wait,) = runtime.waits.list(SCOPE, SYSTEM)
    await getattr(runtime.waits, verdict)(SCOPE, wait.id, OPS)
    await runtime.idle()


ASK = """
ask:
  approval.call: {text: Really?}
  routing: [{status: approved, to: yes}, {status: denied, to: no}, {status: timeout, to: late}]
"""


@pytest.mark.req("LIC-15.10")
async def test_a_released_run_that_ends_in_silence_is_no_open_request_any_more(bench: Bench) -> None:
    nodes = ASK + "yes: {var.set: {a: 1}, routing: out}\nno: {text: no}\nlate: {text: late}"
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        await hear(session, "go")
        journal = runtime.engine.journal(SCOPE)
        assert len(journal.mailbox(session.id).released) == 1
        await decide(runtime, "approve")
        assert journal.mailbox(session.id).released == ()
        reply = await (await session.say("again")).result()
        history = await read_history(Act.on(runtime.engine.services, journal, reply.run))
        assert history.notes == ()


@pytest.mark.req("LIC-15.11")
async def test_the_answer_to_a_question_of_a_released_run_has_a_result(bench: Bench) -> None:
    nodes = (
        ASK
        + """
yes: {session.wait: {prompt: "Where to?"}, routing: [{to: done}]}
done: {text: "To {{input.text}}"}
no: {text: no}
late: {text: late}
"""
    )
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        await hear(session, "go")
        await decide(runtime, "approve")
        reply = await asyncio.wait_for((await session.say("Rome")).result(), DEADLINE_S)
        assert (reply.text, reply.outcome) == ("To Rome", "answered")


@pytest.mark.req("GRE-20.3")
@pytest.mark.parametrize(("verdict", "said"), [("approve", "yes"), ("deny", "no")])
async def test_an_approval_is_decided_after_a_restart(bench: Bench, verdict: str, said: str) -> None:
    nodes = ASK + "yes: {text: yes}\nno: {text: no}\nlate: {text: late}"
    async with bench.open(nodes) as runtime:
        await hear(await meet(runtime), "go")
    async with bench.open(nodes) as runtime:
        await decide(runtime, verdict)
        assert [m.text for m in await (await meet(runtime)).pending()][-1] == said


@pytest.mark.req("GRE-21.3")
async def test_an_approval_that_expires_while_nobody_runs_takes_its_route(bench: Bench) -> None:
    soon = ASK.replace("{text: Really?}", "{text: Really?, timeout_s: 0.05}")
    nodes = soon + "yes: {text: y}\nno: {text: n}\nlate: {text: late}"
    async with bench.open(nodes) as runtime:
        await hear(await meet(runtime), "go")
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        mailbox = runtime.engine.journal(SCOPE).mailbox
        await until(lambda: not mailbox(session.id).released)
        assert [m.text for m in await session.pending()][-1] == "late"


@pytest.mark.req("GRE-23.7")
async def test_a_flow_that_was_called_waits_over_a_restart_and_hands_its_result_back(bench: Bench) -> None:
    outer = """
a: {flow.call: {flow_id: shop.flow1, input: {who: "{{entry.text}}"}}, routing: [{to: b}]}
b: {text: "{{node.a.city}} for {{node.a.who}}"}
"""
    inner = """
a: {qa.process: {questions: [{id: city, prompt: "Which city, {{in.who}}?"}]}, routing: [{to: b}]}
b: {flow.return: {city: in.city, who: in.who}}
"""
    async with bench.open(outer, inner) as runtime:
        assert await hear(await meet(runtime), "Ada") == "Which city, Ada?"
    async with bench.open(outer, inner) as runtime:
        assert await hear(await meet(runtime), "Rome") == "Rome for Ada"


@pytest.mark.req("GOA-40.2")
@pytest.mark.parametrize("body", [{"city": "Rome"}, {"result": {"city": "Rome"}}, {"result": {"text": "Rome"}}])
async def test_a_question_of_a_flow_is_answered_by_words_or_by_the_fields_of_a_form(
    bench: Bench, body: dict[str, object]
) -> None:
    nodes = """
a: {qa.process: {questions: [{id: city, prompt: "Which city?"}]}, routing: [{to: b}]}
b: {text: "To {{node.a.city}}"}
"""
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        assert await hear(session, "go") == "Which city?"
        (wait,) = runtime.waits.list(SCOPE, SYSTEM, kinds=("clarification",))
        await runtime.waits.answer(SCOPE, wait.id, "answered", session.actor, body=dict(body))
        await runtime.idle()
        assert [message.text for message in await session.pending()][-1] == "To Rome"


@pytest.mark.req("GRE-25.8")
async def test_two_conversations_change_one_tenants_value_at_once_and_lose_nothing(bench: Bench) -> None:
    nodes = """
a: {state.set: {key: all, scope: tenant, pointer: "/{{entry.text}}", value: "{{entry.text}}"}, routing: [{to: b}]}
b: {state.get: {key: all, scope: tenant}, routing: [{to: c}]}
c: {text: "{{json node.b.value}}"}
"""
    async with bench.open(nodes) as runtime:
        sessions = [await meet(runtime, key=str(i)) for i in range(8)]
        await asyncio.gather(*(hear(session, f"k{i}") for i, session in enumerate(sessions)))
        told = await hear(sessions[0], "k0")
        assert all(f'"k{i}":"k{i}"' in told for i in range(8))


@pytest.mark.req("GRE-25.9")
async def test_a_value_that_is_too_large_takes_the_route_of_its_code(bench: Bench) -> None:
    nodes = """
a: {session.wait: {prompt: more}, routing: [{to: b}]}
b: {session.wait: {prompt: more}, routing: [{to: c}]}
c: {state.set: {key: big, pointer: /x, value: "{{entry.text}}{{node.a.text}}"}, routing: [{to: d}]}
d: {state.set: {key: big, pointer: /y, value: "{{entry.text}}{{node.a.text}}"}, routing: [{to: e}]}
e:
  state.set: {key: big, pointer: /z, value: "{{node.b.text}}"}
  routing: [{status: state_too_large, to: f}]
f: {text: too much}
"""
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        for _ in range(2):
            assert await hear(session, "x" * 14_000) == "more"
        assert await hear(session, "x" * 14_000) == "too much"


@pytest.mark.req("GRE-11.9")
async def test_what_a_customer_writes_is_never_read_as_a_template_or_a_condition(bench: Bench) -> None:
    nodes = """
a: {session.wait: {prompt: "{{entry.text}}"}, routing: [{condition: 'input.text == "open"', to: no}, {to: b}]}
b: {try.first: {word: "{{input.text}}"}, routing: [{to: c}]}
c: {text: "{{node.b.text}} {{ifEq input.text 'x' 'no' 'ok'}}"}
no: {text: no}
"""
    hostile = '{{vars}} {{#if x}} ${inputs.text} parameters.x" or "1" == "1'
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        assert await hear(session, hostile) == hostile
        assert await hear(session, hostile) == f"{hostile} ok"


@pytest.mark.req("GRE-21.4")
async def test_a_wait_of_many_years_ends_some_day(bench: Bench) -> None:
    nodes = "a: {session.wait: {prompt: well, timeout_s: 1.0e+300}, routing: [{to: b}]}\nb: {text: b}"
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        assert await hear(session, "go") == "well"
        assert await hear(session, "go") == "b"


@pytest.mark.req("GRE-26.5")
async def test_a_flow_that_talks_without_end_is_stopped(bench: Bench) -> None:
    async with bench.open("a: {emit.response: again, routing: [{to: a}]}") as runtime:
        session = await meet(runtime)
        reply = await (await session.say("go")).result()
        assert runtime.runs.show(SCOPE, reply.run, SYSTEM).code == "messages_too_many"
        assert len(await session.pending()) < 110


@pytest.mark.req("GRE-23.8")
async def test_a_menu_goes_round_for_as_long_as_somebody_writes(bench: Bench) -> None:
    nodes = """
a: {session.wait: {prompt: "menu"}, routing: [{to: b}]}
b: {flow.goto: {flow_id: shop.flow1}}
"""
    other = """
a: {session.wait: {prompt: "other"}, routing: [{to: b}]}
b: {flow.goto: {flow_id: shop.flow}}
"""
    async with bench.open(nodes, other) as runtime:
        session = await meet(runtime)
        assert await hear(session, "go") == "menu"
        for _ in range(40):
            assert await hear(session, "x") == "other"
            assert await hear(session, "x") == "menu"


@pytest.mark.req("GRE-20.4")
async def test_a_parked_node_takes_the_message_that_fits_after_a_restart(bench: Bench) -> None:
    nodes = """
a:
  text: "yes or no?"
  routing: [{condition: 'response.text == yes', to: b}, {condition: 'response.text == no', to: c}]
b: {text: B}
c: {text: C}
"""
    async with bench.open(nodes) as runtime:
        assert await hear(await meet(runtime), "go") == "yes or no?"
    async with bench.open(nodes) as runtime:
        session = await meet(runtime)
        assert await hear(session, "maybe") == ""
        assert await hear(session, "No") == "C"
