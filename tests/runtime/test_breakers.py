"""A tool that hangs or breaks again and again is left alone, in its environment, and tried again."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lichen import CircuitBreaker, Customer, Scope, tool
from lichen.core.ports.call import Retry
from lichen.core.remote.tools import RemoteTools
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Operator
from lichen.runtime.project.loading import load
from lichen.testing.worlds import project_world, world
from tests.runtime.flaky import Moods, asked, caller
from tests.runtime.test_remote import ACME, Servers, clerk, opened, said

OPEN = "tool_circuit_open"


@pytest.mark.req("SYM-81.7")
@pytest.mark.parametrize(("mood", "code"), [("hangs", "timeout"), ("breaks", "exception_ValueError"), ("away", "away")])
async def test_a_tool_that_fails_so_often_is_refused_without_being_asked(mood: str, code: str) -> None:
    moods = Moods(mood)
    terms = CircuitBreaker(failures=3, of=4, open_s=60.0, codes=("away",))
    look = tool(name="shop.look", effects="none", timeout_s=5.0, breaker=terms)(moods.act())
    async with world(agents=[caller([look])]) as shop:
        said = [await asked(shop, "shop.look") for _ in range(5)]
        assert said == [code] * 3 + [OPEN] * 2
        assert moods.called == 3
        (call,) = shop.calls()[-1:]
        assert (call.outcome, call.code) == ("failed", OPEN)


@pytest.mark.req("SYM-81.7")
async def test_what_a_refusal_tells_the_planner_is_to_do_something_else_and_for_how_long() -> None:
    look = tool(name="shop.look", effects="none", breaker=CircuitBreaker(failures=1, of=1, open_s=60.0))(
        Moods("breaks").act()
    )
    async with world(agents=[caller([look])]) as shop:
        await asked(shop, "shop.look")
        await shop.clock.advance(20.0)
        await asked(shop, "shop.look")
        finished = shop.records(shop.runs()[-1])
        found = next(each for each in finished if each.type == "call_finished")
        assert "left alone for 40 s" in str(found.contents)
        assert "replan" in str(found.contents)


@pytest.mark.req("SYM-81.8")
async def test_a_refusal_of_the_tool_itself_is_an_answer_and_says_nothing_against_it() -> None:
    moods = Moods("breaks", "no_such_order", "breaks", "no_such_order", "no_such_order")
    look = tool(name="shop.look", effects="none", breaker=CircuitBreaker(failures=3, of=3))(moods.act())
    async with world(agents=[caller([look])]) as shop:
        said = [await asked(shop, "shop.look") for _ in range(8)]
        assert said[-1] == "no_such_order"
        assert moods.called == 8


@pytest.mark.req("SYM-81.9")
async def test_half_open_one_call_tries_it_and_two_answers_open_it_to_all() -> None:
    moods = Moods(*["breaks"] * 5, "slow")
    look = tool(name="shop.look", effects="none")(moods.act())
    async with world(agents=[caller([look])]) as shop:
        for _ in range(5):
            await asked(shop, "shop.look")
        await shop.clock.advance(29.0)
        assert await asked(shop, "shop.look") == OPEN
        await shop.clock.advance(1.1)
        assert await asked(shop, "shop.look shop.look shop.look") == f"ok {OPEN} {OPEN}"
        assert moods.called == 6
        assert await asked(shop, "shop.look") == "ok"
        assert await asked(shop, "shop.look shop.look shop.look") == "ok ok ok"


@pytest.mark.req("SYM-81.9")
async def test_half_open_a_failure_shuts_it_for_as_long_again() -> None:
    moods = Moods(*["breaks"] * 6, "works")
    look = tool(name="shop.look", effects="none")(moods.act())
    async with world(agents=[caller([look])]) as shop:
        for _ in range(5):
            await asked(shop, "shop.look")
        await shop.clock.advance(31.0)
        assert await asked(shop, "shop.look") == "exception_ValueError"
        await shop.clock.advance(29.0)
        assert await asked(shop, "shop.look") == OPEN
        await shop.clock.advance(2.0)
        assert await asked(shop, "shop.look") == "ok"


@pytest.mark.req("SYM-81.9")
async def test_a_call_that_is_cancelled_says_nothing_and_leaves_the_try_to_another() -> None:
    moods = Moods("breaks", "hangs", "works")
    terms = CircuitBreaker(failures=1, of=1, open_s=10.0, answers=1)
    look = tool(name="shop.look", effects="none", timeout_s=100.0, breaker=terms)(moods.act())
    async with world(agents=[caller([look])]) as shop:
        await asked(shop, "shop.look")
        await shop.clock.advance(11.0)
        run = await shop.start("shop.caller", "shop.look")
        await shop.clock.advance(5.0)
        assert moods.called == 2
        await shop.runtime.runs.cancel(shop.scope, run, shop.operator)
        await shop.clock.settle()
        assert await asked(shop, "shop.look") == "ok"


@pytest.mark.req("SYM-81.10")
async def test_what_a_tool_does_to_one_tenant_is_nothing_to_another() -> None:
    moods = Moods(*["breaks"] * 5, "works")
    look = tool(name="shop.look", effects="none")(moods.act())
    async with world(agents=[caller([look])]) as shop:
        for _ in range(6):
            await asked(shop, "shop.look")
        assert await asked(shop, "shop.look") == OPEN
        other = await shop.runtime.sessions.open(Scope("globex", "dev"), Customer("customer-8"))
        turn = await shop.until(other.say("shop.look"))
        assert turn is not None
        outcome = await shop.until(turn.result())
        assert outcome is not None
        assert outcome.text == "ok"


@pytest.mark.req("SYM-81.11")
async def test_the_facts_of_a_tool_that_is_left_alone_are_not_read_and_nobody_is_asked_to_approve_it() -> None:
    read = 0

    async def facts() -> dict[str, int]:
        nonlocal read
        read += 1
        return {"left": 3}

    pay = tool(name="shop.pay", effects="once", facts=facts, breaker=CircuitBreaker(failures=1, of=1))(
        Moods("breaks").act()
    )
    look = tool(name="shop.look", effects="none")(Moods("works").act())
    async with world(agents=[caller([pay, look])]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("shop.pay")
        assert read
        await shop.approve()
        counted = read
        assert await asked(shop, "shop.pay", person="customer-9") == OPEN
        assert (read, shop.approvals()) == (counted, ())


@pytest.mark.req("SYM-81.12")
async def test_a_restart_forgets_what_was_known_of_tools() -> None:
    moods = Moods(*["breaks"] * 5, "works")
    look = tool(name="shop.look", effects="none")(moods.act())
    async with world(agents=[caller([look])]) as shop:
        for _ in range(5):
            await asked(shop, "shop.look")
        assert await asked(shop, "shop.look") == OPEN
        await shop.restart()
        assert await asked(shop, "shop.look") == "ok"


@pytest.mark.req("SYM-81.7")
async def test_a_call_that_is_to_be_tried_again_is_not_while_its_tool_is_left_alone() -> None:
    moods = Moods("away")
    terms = CircuitBreaker(failures=2, of=2, codes=("away",))
    look = tool(name="shop.look", effects="none", retry=Retry(attempts=9), breaker=terms)(moods.act())
    async with world(agents=[caller([look])]) as shop:
        assert await asked(shop, "shop.look") == OPEN
        assert moods.called == 2


SHOP = """
    from lichen import CircuitBreaker, tool
    from tests.runtime.flaky import Moods, caller

    look = tool(name="shop.look", effects="none", breaker=CircuitBreaker(failures=9, of=9))(Moods("breaks").act())
    peek = tool(name="shop.peek", effects="none")(Moods("breaks").act())
    support = caller([look, peek])
"""
TOML = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]

    [breakers."shop.look"]
    failures = 1
    of = 1
    open_s = 600

    [breakers."*"]
    failures = 0
"""


def project(folder: Path, toml: str = TOML) -> Path:
    (folder / "lichen.toml").write_text(dedent(toml))
    (folder / "shop.py").write_text(dedent(SHOP))
    return folder / "lichen.toml"


@pytest.mark.req("SYM-81.13")
async def test_the_project_says_when_a_tool_is_left_alone_before_its_author_does(tmp_path: Path) -> None:
    async with project_world(project(tmp_path)) as shop:
        assert [await asked(shop, "shop.look") for _ in range(2)] == ["exception_ValueError", OPEN]
        assert {await asked(shop, "shop.peek") for _ in range(12)} == {"exception_ValueError"}


@pytest.mark.req("SYM-81.13")
@pytest.mark.parametrize(
    "wrong", ["failures = -1", "of = 0", "open_s = 0", "answers = 0", "fails = 3", "failures = 11"]
)
def test_terms_that_cannot_be_meant_are_refused_with_their_place(tmp_path: Path, wrong: str) -> None:
    path = project(tmp_path, TOML.replace("failures = 0", wrong))
    with pytest.raises(Invalid) as caught:
        load(path, environ={})
    assert "lichen.toml" in str(caught.value.place)
    assert "breakers" in f"{caught.value.place} {caught.value}"


@pytest.mark.req("SYM-81.13")
@pytest.mark.parametrize("terms", [CircuitBreaker(answers=0), CircuitBreaker(open_s=0.0)])
def test_terms_of_a_tool_that_cannot_be_meant_are_refused(terms: CircuitBreaker) -> None:
    async def look() -> str:
        return ""

    with pytest.raises(ValueError, match="do not fit"):
        CircuitBreaker(failures=4, of=3)
    with pytest.raises(Invalid, match="breaker"):
        tool(name="shop.look", effects="none", breaker=terms)(look)


@pytest.mark.req("SYM-81.14")
async def test_operators_see_which_tools_of_their_tenant_are_left_alone_and_of_no_other() -> None:
    look = tool(name="shop.look", effects="none", breaker=CircuitBreaker(failures=1, of=1))(Moods("breaks").act())
    async with world(agents=[caller([look])]) as shop:
        await asked(shop, "shop.look")
        health = shop.runtime.admin.health(shop.scope, Operator("ops", ("operator",)))
        assert (health.tools.open, health.tools.half_open) == (1, 0)
        assert [(each.tool, each.phase, each.left_s) for each in health.tools.shut] == [("shop.look", "open", 30.0)]
        theirs = shop.runtime.admin.health(Scope("globex", "dev"), Operator("their-ops", ("operator",)))
        assert (theirs.tools.open, theirs.tools.shut) == (1, ())


@pytest.mark.req("SYM-81.7")
async def test_a_tool_of_somebody_elses_server_is_left_alone_as_any_other(tmp_path: Path) -> None:
    called = 0

    @tool(name="files.read", effects="none", runs="loop")
    async def breaks(path: str) -> str:
        nonlocal called
        called += 1
        raise ConnectionError

    async with opened(tmp_path, Servers({ACME: (breaks,)}), clerk(RemoteTools("files"))) as runtime:
        assert [await said(runtime, ACME) for _ in range(7)] == ["failed"] * 7
        assert called == 5
