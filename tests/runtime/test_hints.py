"""The line that a customer sees while a call is made for them: of what they said, where they may be told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Agent, Runtime, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.engine.brief.hints import HINT_CHARS_MAX, VALUE_CHARS_MAX
from lichen.runtime.operations.talk.session import Session
from tests.runtime.world import CUSTOMER, SCOPE

HINT = "Looking up order {order_id}…"


class Door:
    """What the call waits in until the test lets it go on."""

    def __init__(self) -> None:
        self.entered, self.may_end = asyncio.Event(), asyncio.Event()


DOOR = Door()


@pytest.fixture(autouse=True)
def door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.DOOR", Door())


class Looker:
    """Calls the tool with these arguments, then answers."""

    pure, digest = True, "looker"

    def __init__(self, arguments: Mapping[str, Any], tool: str = "orders.lookup") -> None:
        self._call = CallRequest(ToolName(tool), msgspec.json.encode(arguments))

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer="Done.") if input.results else Plan(calls=(self._call,))


def looking(home: Path, hint: str, arguments: Mapping[str, Any], policy: str = "") -> Runtime:
    @tool(name="orders.lookup", effects="none", runs="loop", call_hint=hint)
    async def lookup(order_id: str, account: str = "", count: int = 0) -> str:
        """Looks up an order."""
        DOOR.entered.set()
        await DOOR.may_end.wait()
        return "on its way"

    (home / "policies").mkdir()
    (home / "policies" / "all.cedar").write_text(f'@id("all") permit (principal, action, resource);\n{policy}')
    agent = Agent("shop.clerk", planner=Looker(arguments), tools=[lookup])
    return Runtime.open(home, agents=[agent], policies=home / "policies")


async def noted(runtime: Runtime, said: str = "Where is order 1042?") -> str:
    """What the customer sees while the call is made."""
    session = await runtime.sessions.open(SCOPE, CUSTOMER)
    turn = await session.say(said)
    await DOOR.entered.wait()
    partial = runtime.engine.services.deltas.speaking(SCOPE, session.id)
    DOOR.may_end.set()
    assert (await turn.result()).text == "Done."
    assert runtime.engine.services.deltas.speaking(SCOPE, session.id) is None, "and then it is gone"
    return "" if partial is None else partial.note


@pytest.mark.req("GOA-37.3")
async def test_a_customer_sees_what_is_being_done_for_them(tmp_path: Path) -> None:
    async with looking(tmp_path, HINT, {"order_id": "1042"}) as runtime:
        assert await noted(runtime) == "Looking up order 1042…"


@pytest.mark.req("GOA-37.4")
@pytest.mark.parametrize(
    ("hint", "arguments"),
    [
        ("Looking at account {account} of {order_id}…", {"order_id": "1042", "account": "internal-7"}),
        (HINT, {"order_id": "9999"}),
        ("{count} orders", {"order_id": "1042", "count": 17}),
    ],
)
async def test_an_argument_that_the_customer_did_not_say_is_not_told(
    tmp_path: Path, hint: str, arguments: dict[str, Any]
) -> None:
    async with looking(tmp_path, hint, arguments) as runtime:
        assert await noted(runtime) == ""


@pytest.mark.req("GOA-37.4")
async def test_a_line_without_arguments_tells_nothing_of_them(tmp_path: Path) -> None:
    async with looking(tmp_path, "Looking that up…", {"order_id": "9999"}) as runtime:
        assert await noted(runtime) == "Looking that up…"


@pytest.mark.req("GOA-37.4")
async def test_where_policy_may_keep_a_message_back_nothing_is_told_before_it(tmp_path: Path) -> None:
    forbid = '@id("no") forbid (principal is Agent, action == Action::"message.send", resource);'
    async with looking(tmp_path, HINT, {"order_id": "1042"}, forbid) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Where is order 1042?")
        await DOOR.entered.wait()
        assert runtime.engine.services.deltas.speaking(SCOPE, session.id) is None
        DOOR.may_end.set()
        await turn.result()


@pytest.mark.req("GOA-37.4")
async def test_what_a_customer_wrote_neither_breaks_the_line_nor_turns_it_around(tmp_path: Path) -> None:
    written = "10\n42 \u202e{account}\u0007 <b>" + "x" * 500
    async with looking(tmp_path, HINT, {"order_id": written}) as runtime:
        line = await noted(runtime, written)
    assert line.startswith("Looking up order 10 42 {account} <b>xxx")
    assert len(line) <= len(HINT) + VALUE_CHARS_MAX <= HINT_CHARS_MAX
    assert not {"\n", "\u202e", "\u0007"} & set(line)


@pytest.mark.req("GOA-37.3")
async def test_a_channel_reads_the_line_as_it_reads_words_that_come(tmp_path: Path) -> None:
    async with looking(tmp_path, HINT, {"order_id": "1042"}) as runtime:
        session: Session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Where is order 1042?")
        partials = session.conversation.partials(turn.receipt.n + 1)
        async for partial in partials:
            if partial.note:
                assert (partial.text, partial.note) == ("", "Looking up order 1042…")
                break
        await partials.aclose()
        DOOR.may_end.set()
        await turn.result()
