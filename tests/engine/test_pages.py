"""Results that come in pages: how planners go on, and what they are told beside them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen.core.ports.call import Paging, Tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools import tool
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, SYSTEM, Script, agent, call

ORDERS = [f"order {i}" for i in range(5)]


class Page(BaseModel):
    items: list[str]
    returned: int
    truncated: bool
    total: int = 5
    next_cursor: str | None = None


@tool(name="orders.list", effects="none", runs="loop", pages=Paging(), reminder="Newest first.")
def orders(kind: str, limit: int = 2, cursor: str | None = None) -> Page:
    """Lists orders."""
    start = int(cursor.removeprefix("secret-")) if cursor else 0
    items = [f"{kind} {each}" for each in ORDERS[start : start + limit]]
    end = start + len(items)
    is_more = end < len(ORDERS)
    return Page(items=items, returned=len(items), truncated=is_more, next_cursor=f"secret-{end}" if is_more else None)


TOOLS: list[Tool] = [orders]


def actions(input: PlanInput) -> list[str]:
    return [spec.name for spec in input.tools if spec.name.startswith("lichen.continue_")]


def more(input: PlanInput) -> Plan:
    """Goes on with everything there is; answers when nothing is left."""
    wanted = tuple(CallRequest(ToolName(name), b"{}") for name in actions(input))
    return Plan(calls=wanted) if wanted else Plan(answer="all")


def items(input: PlanInput) -> list[list[str]]:
    return [msgspec.json.decode(result.data)["items"] for result in input.results]


@pytest.mark.req("GOA-34.1")
async def test_a_planner_pages_with_one_action_without_arguments_until_nothing_is_left(make_world: MakeWorld) -> None:
    script = Script([Plan(calls=(call("orders.list", '{"kind":"big"}'),)), more])
    world = await make_world(agent("shop.bot", script, TOOLS))
    run = await world.start()
    assert await world.answer(run) == "all"
    pages = [page for input in script.seen[1:] for page in items(input)]
    assert pages == [["big order 0", "big order 1"], ["big order 2", "big order 3"], ["big order 4"]]
    assert len({name for input in script.seen for name in actions(input)}) == 1
    assert actions(script.seen[0]) == actions(script.seen[-1]) == []
    (spec,) = [spec for spec in script.seen[1].tools if spec.name.startswith("lichen.")]
    assert spec.input_schema["properties"] == {}
    shown = [each.arguments for each in world.runs.show(SCOPE, run, SYSTEM).story.calls]
    assert [each["cursor"] for each in shown] == [None, "secret-2", "secret-4"]


@pytest.mark.req("GOA-34.2")
async def test_no_planner_sees_a_cursor_or_may_name_one(make_world: MakeWorld) -> None:
    script = Script(
        [
            Plan(calls=(call("orders.list", '{"kind":"big"}'),)),
            Plan(calls=(call("orders.list", '{"kind":"big","cursor":"secret-4"}'),)),
            more,
        ]
    )
    world = await make_world(agent("shop.bot", script, TOOLS))
    await world.start()
    assert "cursor" not in script.seen[0].tools[0].input_schema["properties"]
    for input in script.seen:
        history = await input.history()
        told: Any = [input.results, input.tools[1:], [(step.calls[:1], step.results) for step in history.steps if step]]
        assert "secret-2" not in msgspec.json.encode(told).decode()
    assert [issue.field for issue in script.seen[2].results[0].issues] == ["/cursor"]


@pytest.mark.req("GOA-34.3")
async def test_several_results_go_on_apart(make_world: MakeWorld) -> None:
    both = Plan(calls=(call("orders.list", '{"kind":"big"}'), call("orders.list", '{"kind":"small","limit":4}')))
    script = Script([both, more], pure=False)
    world = await make_world(agent("shop.bot", script, TOOLS))
    await world.start()
    first, second = script.seen[1], script.seen[2]
    assert len(actions(first)) == 2
    assert items(second) == [["big order 2", "big order 3"], ["small order 4"]]
    assert actions(second) == actions(first)[:1]


@pytest.mark.req("GOA-35.4")
async def test_a_result_that_was_cut_off_comes_with_how_to_go_on(make_world: MakeWorld) -> None:
    script = Script([Plan(calls=(call("orders.list", '{"kind":"big","limit":4}'),)), more])
    world = await make_world(agent("shop.bot", script, TOOLS))
    await world.start()
    (name,) = actions(script.seen[1])
    reminder = script.seen[1].results[0].reminder
    assert reminder == f"Newest first.\nOnly 4 of 5 were returned. For the next page call {name} without arguments."
    assert script.seen[2].results[0].reminder == "Newest first."
    history = await script.seen[2].history()
    assert [(each.tool, each.args) for step in history.steps for each in step.calls][1:] == [(name, b"{}")]


@pytest.mark.req("GOA-34.1")
async def test_an_action_takes_no_arguments_and_one_that_is_over_is_not_there(make_world: MakeWorld) -> None:
    def wrong(input: PlanInput) -> Plan:
        return Plan(calls=(CallRequest(ToolName(actions(input)[0]), b'{"limit":1}'), call("lichen.continue_0")))

    script = Script([Plan(calls=(call("orders.list", '{"kind":"big"}'),)), wrong, Plan(answer="ok")])
    await (await make_world(agent("shop.bot", script, TOOLS))).start()
    assert [result.code for result in script.seen[2].results] == ["arguments_invalid", "tool_unavailable"]


@tool(name="orders.stuck", effects="none", runs="loop", pages=Paging())
def stuck(cursor: str | None = None) -> Page:
    """Gives the same page again and again."""
    return Page(items=["order 0"], returned=1, truncated=True, next_cursor="secret-1")


@pytest.mark.req("GOA-34.5")
async def test_a_page_that_goes_on_where_it_began_is_a_fault_of_its_tool(make_world: MakeWorld) -> None:
    script = Script([Plan(calls=(call("orders.stuck"),)), more, Plan(answer="enough")])
    world = await make_world(agent("shop.bot", script, [stuck]))
    run = await world.start()
    assert await world.answer(run) == "enough"
    (result,) = script.seen[2].results
    assert (result.outcome, result.code, result.kind) == ("failed", "cursor_unchanged", "malformed_result")
    assert b"secret-1" not in result.data


def bare(a: int) -> int:
    return a


def half(cursor: str | None = None) -> Page:
    return Page(items=[], returned=0, truncated=False)


@pytest.mark.req("GOA-34.4")
@pytest.mark.parametrize(
    ("function", "said", "words"),
    [
        (bare, {"effects": "none", "pages": Paging("a")}, "optional parameter"),
        (half, {"effects": "once", "pages": Paging()}, "without effects"),
        (half, {"effects": "none", "pages": Paging(next="more")}, "no field"),
        (half, {"effects": "none", "pages": Paging("page")}, "optional parameter"),
    ],
)
def test_pages_that_cannot_be_meant_are_refused(function: Any, said: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        tool(name="a.b", **said)(function)
    assert "test_pages.py:" in (caught.value.place or "")


@pytest.mark.req("GOA-33.3")
async def test_where_the_next_plan_has_no_tools_nothing_names_an_action_to_go_on(make_world: MakeWorld) -> None:
    asked = Plan(calls=(call("orders.list", '{"kind":"big"}'),), synthesize=True)
    script = Script([asked, Plan(answer="Some of them.")])
    world = await make_world(agent("shop.bot", script, TOOLS))
    assert await world.answer(await world.start()) == "Some of them."
    assert script.seen[1].tools == ()
    assert script.seen[1].results[0].reminder == "Newest first.\nOnly 2 of 5 were returned. Say so where it matters."


@tool(name="orders.sparse", effects="none", runs="loop", pages=Paging())
def sparse(cursor: str | None = None) -> Page:
    """Finds nothing on its second page, and something on the third."""
    match cursor:
        case None:
            return Page(items=["order 0"], returned=1, truncated=True, next_cursor="secret-1")
        case "secret-1":
            return Page(items=[], returned=0, truncated=True, next_cursor="secret-2")
        case _:
            return Page(items=["order 4"], returned=1, truncated=False)


@pytest.mark.req("GOA-34.6")
async def test_an_empty_page_in_the_middle_says_that_it_is_not_the_last(make_world: MakeWorld) -> None:
    script = Script([Plan(calls=(call("orders.sparse"),)), more])
    world = await make_world(agent("shop.bot", script, [sparse]))
    assert await world.answer(await world.start()) == "all"
    (name,) = actions(script.seen[1])
    empty, last = script.seen[2], script.seen[3]
    said = f"This page is empty and not the last one. For the next page call {name} without arguments."
    assert (items(empty), empty.results[0].reminder, actions(empty)) == ([[]], said, [name])
    assert (items(last), last.results[0].reminder, actions(last)) == ([["order 4"]], "", [])
