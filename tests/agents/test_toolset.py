from __future__ import annotations

import pytest

from lichen.agents.agent import Agent
from lichen.agents.child import ChildTool
from lichen.agents.toolset import Renamed, Toolset
from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Resources, Tool
from lichen.core.words.errors import Invalid, NotFound
from lichen.testing.models import scripted_planner
from lichen.tools.spec import pinned
from lichen.tools.workers.placement import Workers
from tests.agents.tools import FakeTool, fake

LOOKUP = fake("shop.orders.lookup", tags=("read",))
CANCEL = fake("shop.orders.cancel", tags=("write", "slow"))
REFUND = fake("shop.payments.refund", tags=("write",), effects="once")
SHOP = Toolset("shop", [LOOKUP, CANCEL, REFUND])


def names(tools: Toolset) -> list[str]:
    return [tool.spec.name for tool in tools]


def sees(*tools: Tool | Toolset) -> list[str]:
    return list(Agent("shop.support", planner=scripted_planner([]), tools=tools).tools)


@pytest.mark.req("GOA-8.1")
def test_an_agent_sees_just_the_tools_of_the_subset_it_was_given() -> None:
    assert sees(SHOP.only("lookup")) == ["shop.orders.lookup"]
    assert sees(SHOP.only("refund", "shop.orders.lookup")) == ["shop.payments.refund", "shop.orders.lookup"]
    assert sees(SHOP.without("refund")) == ["shop.orders.lookup", "shop.orders.cancel"]
    assert sees(SHOP.tagged("write")) == ["shop.orders.cancel", "shop.payments.refund"]
    assert sees(SHOP.tagged("write", "slow")) == ["shop.orders.cancel"]


@pytest.mark.req("GOA-8.2")
def test_a_subset_shares_the_tools_and_leaves_the_set_as_it_was() -> None:
    assert SHOP.only("lookup")["lookup"] is LOOKUP
    assert len(SHOP) == 3


def test_sets_are_made_of_sets() -> None:
    assert names(Toolset("all", [SHOP.only("lookup"), fake("web.fetch")])) == ["shop.orders.lookup", "web.fetch"]


@pytest.mark.parametrize("name", ["refnd", "", "payments.refund", "Lookup"])
def test_a_name_that_no_tool_has_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        SHOP.only(name)
    assert caught.value.code == "tool_unknown"
    assert "shop.orders.lookup" in caught.value.next_step


def test_a_short_name_that_two_tools_share_must_be_given_in_full() -> None:
    both = Toolset("both", [LOOKUP, fake("web.lookup")])
    with pytest.raises(Invalid, match="2 tools"):
        both.only("lookup")
    assert names(both.only("web.lookup")) == ["web.lookup"]


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        Toolset("twice", [LOOKUP, SHOP])
    assert caught.value.code == "toolset_invalid"


@pytest.mark.req("GOA-8.2")
async def test_a_prefix_gives_tools_other_names_and_changes_nothing_else(meta: CallMeta) -> None:
    [renamed] = SHOP.only("refund").with_prefix("acme.money")
    assert renamed.spec.name == "acme.money.refund"
    assert renamed.spec.effects == "once"
    assert renamed.spec.digest not in ("", REFUND.spec.digest)
    assert renamed.spec == pinned(renamed.spec)
    assert renamed.decode(b" {} ").data == b"{}"
    assert await renamed.facts(Arguments(b"{}"), meta) == b'{"facts":1}'
    assert await renamed.execute(Arguments(b"{}"), meta) == b'{"tool":"shop.payments.refund"}'
    assert isinstance(await renamed.probe(Arguments(b"{}"), meta), CannotTell)
    assert names(SHOP.with_prefix("a").with_prefix("b")) == ["b.lookup", "b.cancel", "b.refund"]


def test_an_agent_under_another_name_is_still_that_agent() -> None:
    billing = Agent("shop.billing", planner=scripted_planner([]))
    [tool] = Toolset("agents", [billing.as_tool()]).with_prefix("acme")
    assert isinstance(tool, ChildTool)
    assert (tool.spec.name, tool.spec.agent, tool.child) == ("acme.billing", "shop.billing", billing)


@pytest.mark.parametrize("prefix", ["", "Acme", "a.b.c", "lichen"])
def test_a_prefix_that_makes_no_tool_name_is_refused(prefix: str) -> None:
    with pytest.raises(Invalid) as caught:
        SHOP.with_prefix(prefix)
    assert caught.value.code == "tool_invalid"


def test_a_renamed_tool_runs_on_the_workers_a_runtime_gives_it() -> None:
    given: list[Workers] = []

    class Threaded(FakeTool):
        def bound(self, resources: Resources) -> FakeTool:
            given.append(resources.get(Workers))
            return LOOKUP

    workers = Workers()
    [renamed] = Toolset("shop", [Threaded(LOOKUP.spec)]).with_prefix("acme")
    assert isinstance(renamed, Renamed)
    placed = renamed.bound(Resources(workers))
    assert (given, placed.tool, placed.spec.name) == ([workers], LOOKUP, "acme.lookup")
    assert Renamed(CANCEL, CANCEL.spec).bound(Resources()).tool is CANCEL


def test_a_runtime_without_what_a_tool_needs_says_so() -> None:
    with pytest.raises(NotFound) as caught:
        Resources("words", 5).get(Workers)
    assert caught.value.code == "resource_unknown"
    assert Resources("words", 5).get(str) == "words"
