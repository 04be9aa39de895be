"""Tools of one's own write a stranger's values anew, one after the other; no payment is made with what comes of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lichen import Agent, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.testing.worlds import as_sync, world

POLICY = """
@id("all") permit (principal is Agent, action, resource);
@id("own-words") forbid (principal, action == Action::"till.pay", resource)
when { context.label.tainted && !context.endorsed.account };
"""
EVIL, OWN = "QX-77 zz", "anna4"  # no way of writing the one gives the other


class Out(BaseModel):
    """What a tool made."""

    value: str


class Deep(BaseModel):
    """The same, further in."""

    parts: list[Out]


class Named(BaseModel):
    """A declared object."""

    account: str
    note: str = "none"


class Step(NamedTuple):
    """A tool, and which of the values so far it is given. The first is a stranger's, the second the customer's."""

    tool: str
    first: int
    second: int = 0


def _arguments(name: str, one: str, other: str) -> dict[str, Any]:
    match name:
        case "text.pair":
            return {"a": one, "b": other}
        case "text.list":
            return {"items": [one]}
        case "text.keys":
            return {"names": {one: OWN}}
        case "text.deep":
            return {"given": {"account": one}}
        case _:
            return {"text": one}


def tools_of(paid: list[str]) -> list[Any]:
    @tool(name="till.pay", effects="once", runs="loop")
    async def pay(account: str) -> Out:
        """Pays."""
        paid.append(account)
        return Out(value="paid")

    @tool(name="web.page", effects="none", origin="third_party", runs="loop")
    async def page() -> Out:
        """What a stranger wrote."""
        return Out(value=EVIL)

    @tool(name="text.turn", effects="none", runs="loop")
    async def turn(text: str, marks: bool = True) -> Out:
        """The other way round, without marks."""
        return Out(value="".join(filter(str.isalnum, text[::-1])) if marks else text)

    @tool(name="text.code", effects="none", runs="loop")
    async def code(text: str) -> Deep:
        """As code points."""
        return Deep(parts=[Out(value="/".join(str(ord(mark)) for mark in text[:12]))])

    @tool(name="text.pair", effects="none", runs="loop")
    async def pair(a: str, b: str) -> Out:
        """Both."""
        return Out(value=f"{a}+{b}")

    @tool(name="text.list", effects="none", runs="loop")
    async def listed(items: list[str]) -> Out:
        """All of a list."""
        return Out(value="&".join(items) + "&")

    @tool(name="text.keys", effects="none", runs="loop")
    async def keys(names: dict[str, str]) -> Out:
        """The names of an object."""
        return Out(value="#".join((*names, "")))

    @tool(name="text.deep", effects="none", runs="loop")
    async def deep(given: Named) -> Out:
        """A field of a declared object."""
        return Out(value=f"{given.account}!")

    return [pay, page, turn, code, pair, listed, keys, deep]


class Chain:
    """Reads the stranger's page, calls one tool after the other, and pays to the last value."""

    pure = False
    digest = "chain"

    def __init__(self, steps: list[Step]) -> None:
        self._steps = [*steps]
        self.values = [EVIL, OWN]
        self.foreign = [True, False]
        self._is_begun = False

    async def plan(self, input: PlanInput) -> Plan:
        if not self._is_begun:
            self._is_begun = True
            return _call("web.page")
        if input.results and input.results[0].tool.startswith("text."):
            self.values.append(_first(msgspec.json.decode(input.results[0].data)))
        if self._steps:
            step = self._steps.pop(0)
            first, second = step.first % len(self.values), step.second % len(self.values)
            used = (first, second) if step.tool == "text.pair" else (first,)
            self.foreign.append(any(self.foreign[at] for at in used))
            return _call(step.tool, **_arguments(step.tool, self.values[first], self.values[second]))
        if input.results and input.results[0].tool == "till.pay":
            return Plan(answer=input.results[0].outcome)
        return _call("till.pay", account=self.values[-1])


def _call(name: str, **arguments: Any) -> Plan:
    return Plan(calls=(CallRequest(ToolName(name), msgspec.json.encode(arguments)),))


def _first(result: Any) -> str:
    return result["value"] if "value" in result else result["parts"][0]["value"]


async def paid_by(steps: list[Step]) -> tuple[list[str], Chain]:
    paid: list[str] = []
    chain = Chain(steps)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "till.cedar").write_text(POLICY)
        async with world([Agent("till.clerk", planner=chain, tools=tools_of(paid))], policies=folder) as w:
            await (await w.talk("customer-7")).say(f"Please send it to {OWN}")
    return paid, chain


NAMES = st.sampled_from(["text.turn", "text.code", "text.pair", "text.list", "text.keys", "text.deep"])
STEPS = st.lists(st.builds(Step, NAMES, st.integers(0, 9), st.integers(0, 9)), max_size=5)


@pytest.mark.req("LIC-10.35")
@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_no_chain_of_own_tools_washes_what_a_stranger_had_a_part_in(steps: list[Step]) -> None:
    paid, chain = as_sync(paid_by)(steps)
    assert paid == [] if chain.foreign[-1] else paid in ([], [chain.values[-1]])


@pytest.mark.req("LIC-10.35")
@pytest.mark.parametrize(
    "steps",
    [
        [Step("text.turn", 1)],
        [Step("text.turn", 1), Step("text.code", 2), Step("text.pair", 3, 2)],
        [Step("text.turn", 0), Step("text.deep", 1)],  # what a stranger's own value became is left alone
    ],
)
def test_what_own_tools_make_of_the_customers_words_alone_is_paid(steps: list[Step]) -> None:
    paid, chain = as_sync(paid_by)(steps)
    assert paid == [chain.values[-1]]
