"""A saga: steps that are undone in reverse when a later one fails, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import patterns
from lichen.agents.patterns import Step
from lichen.core.ports.call import CallMeta, DidNotHappen, NotDone
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM
from lichen.testing.worlds import world
from tests.agents.patterns.members import STRIDE, Ended, died, ended

OPEN = "permit (principal, action, resource);"


class Travel:
    """A travel agency that books, unbooks and pays, and whose `broken` things do not work. It knows by a key what was
    done, and does again what it is asked again, so that `did` shows it."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.did: list[str] = []
        self._done: dict[str, Any] = {}
        travel = self

        async def probe(idempotency_key: str) -> Any:
            return travel.done(idempotency_key)

        @tool(name="travel.look", effects="none")
        async def look() -> dict[str, int]:
            """Looks for a price."""
            return {"price": 80}

        @tool(name="travel.hotel", effects="once", probe=probe)
        async def hotel(city: str, *, meta: CallMeta) -> dict[str, str]:
            """Books a hotel."""
            return travel.do(f"hotel {city}", {"booking": "h-1"}, "hotel", meta)

        @tool(name="travel.unhotel", effects="once", probe=probe)
        async def unhotel(booking: str, *, meta: CallMeta) -> str:
            """Cancels a hotel."""
            return travel.do(f"unhotel {booking}", "", "unhotel", meta)

        @tool(name="travel.flight", effects="once", probe=probe)
        async def flight(city: str, *, meta: CallMeta) -> dict[str, str]:
            """Books a flight."""
            return travel.do(f"flight {city}", {"booking": "f-1"}, "flight", meta)

        @tool(name="travel.unflight", effects="once", probe=probe)
        async def unflight(city: str, *, meta: CallMeta) -> str:
            """Cancels a flight to a city, if there is one."""
            return travel.do(f"unflight {city}", "", "unflight", meta)

        @tool(name="travel.pay", effects="once", probe=probe)
        async def pay(price: int, *, meta: CallMeta) -> str:
            """Pays."""
            return travel.do(f"pay {price}", "paid", "pay", meta)

        @tool(name="travel.mail", effects="once", probe=probe)
        async def mail(text: str, *, meta: CallMeta) -> str:
            """Mails."""
            return travel.do(f"mail {text}", "sent", "mail", meta)

        self.look = Step(look, lambda given, done: {}, name="look")
        self.hotel = Step(hotel, name="hotel", undo=unhotel, undo_args=lambda given, done: done["hotel"])
        self.flight = Step(flight, name="flight", undo=unflight, undo_args=lambda given, done: given)
        self.pay = Step(pay, lambda given, done: {"price": done["look"]["price"]}, name="pay", for_good=True)
        self.mail = Step(mail, lambda given, done: {"text": "done"}, name="mail")

    def do(self, what: str, result: Any, name: str, meta: CallMeta) -> Any:
        if name in self.broken:
            raise NotDone("Not today.", code="broken", retryable=False)
        self.did.append(what)
        self._done[meta.idempotency_key] = result
        return result

    def done(self, key: str) -> Any:
        return self._done[key] if key in self._done else DidNotHappen()

    @property
    def saga(self) -> Agent:
        return patterns.saga("travel.book", [self.look, self.hotel, self.flight, self.pay, self.mail])


async def booked(travel: Travel, folder: Path) -> Ended:
    (folder / "open.cedar").write_text(OPEN)
    async with world(agents=[travel.saga], policies=folder) as agency:
        return await ended(agency, await agency.start("travel.book", '{"city":"Rome"}'))


@pytest.mark.req("SYM-83.1")
async def test_steps_are_done_in_order_with_what_those_before_brought(tmp_path: Path) -> None:
    travel = Travel()
    end = await booked(travel, tmp_path)
    assert travel.did == ["hotel Rome", "flight Rome", "pay 80", "mail done"]
    assert json.loads(end.text or "") == {
        "look": {"price": 80},
        "hotel": {"booking": "h-1"},
        "flight": {"booking": "f-1"},
        "pay": "paid",
        "mail": "sent",
    }


@pytest.mark.req("SYM-83.2")
@pytest.mark.parametrize(
    ("broken", "did"),
    [
        ("hotel", []),
        ("flight", ["hotel Rome", "unhotel h-1"]),
        ("pay", ["hotel Rome", "flight Rome", "unflight Rome", "unhotel h-1"]),
    ],
)
async def test_what_was_done_is_undone_in_reverse_when_a_step_fails(
    broken: str, did: list[str], tmp_path: Path
) -> None:
    travel = Travel(broken)
    end = await booked(travel, tmp_path)
    assert (travel.did, end.code) == (did, "saga_undone")


@pytest.mark.req("SYM-83.3")
async def test_what_cannot_be_undone_does_not_keep_the_rest_from_being_undone_and_is_said(tmp_path: Path) -> None:
    travel = Travel("pay", "unflight")
    end = await booked(travel, tmp_path)
    assert (travel.did[-1], end.code) == ("unhotel h-1", "saga_stuck")


@pytest.mark.req("SYM-83.3")
async def test_after_a_step_that_cannot_be_undone_nothing_is_undone(tmp_path: Path) -> None:
    travel = Travel("mail")
    end = await booked(travel, tmp_path)
    assert (travel.did[-1], end.code) == ("pay 80", "saga_stuck")


@pytest.mark.req("SYM-83.3")
async def test_a_saga_that_reaches_a_limit_fails_and_does_not_look_like_an_answer(tmp_path: Path) -> None:
    travel = Travel()
    (tmp_path / "open.cedar").write_text(OPEN)
    short = patterns.saga("travel.book", [travel.look, travel.hotel, travel.flight], limits=Limits(calls=2))
    async with world(agents=[short], policies=tmp_path) as agency:
        end = await ended(agency, await agency.start("travel.book", '{"city":"Rome"}'))
        assert (end.code, travel.did) == ("saga_stuck", ["hotel Rome"])


@pytest.mark.req("SYM-83.4")
@pytest.mark.parametrize("broken", ["mail", "pay"])
async def test_a_process_that_dies_anywhere_goes_on_with_the_saga_and_does_nothing_twice(
    broken: str, tmp_path: Path
) -> None:
    (tmp_path / "open.cedar").write_text(OPEN)
    whole = Travel(broken)
    end = await booked(whole, tmp_path)
    deaths, is_over = 0, False
    while not is_over:
        travel = Travel(broken)
        async with world(agents=[travel.saga], policies=tmp_path) as agency:
            run = await agency.start("travel.book", '{"city":"Rome"}')
            is_over = not await died(agency, at=deaths * STRIDE)
            assert await ended(agency, run) == end
            assert travel.did == whole.did
        deaths += 1
    assert deaths > 10


@pytest.mark.req("SYM-83.8")
async def test_a_saga_that_is_started_with_words_it_can_make_nothing_of_says_so_before_anything_is_done(
    tmp_path: Path,
) -> None:
    travel = Travel()
    (tmp_path / "open.cedar").write_text(OPEN)
    words = patterns.saga("travel.book", [travel.look, travel.flight])
    async with world(agents=[words], policies=tmp_path) as agency:
        run = await agency.start("travel.book", "A flight to Rome, please.")
        assert ((await ended(agency, run)).code, travel.did) == ("saga_input_invalid", [])
        assert "Step flight takes its arguments from" in agency.explain(run)


@pytest.mark.req("SYM-83.8")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (["flight"], ["Step flight failed: "]),
        (["flight", "unhotel"], ["Step flight failed: ", "undoes step hotel failed"]),
    ],
)
async def test_a_saga_that_failed_says_which_step_did_and_why(
    broken: list[str], said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "open.cedar").write_text(OPEN)
    async with world(agents=[Travel(*broken).saga], policies=tmp_path) as agency:
        run = await agency.start("travel.book", '{"city":"Rome"}')
        await ended(agency, run)
        told = agency.explain(run)
        assert all(each in told for each in said), told


@pytest.mark.req("SYM-83.7")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (["pay"], "failed: saga_undone, after travel.pay failed: broken"),
        (["flight", "unhotel"], "failed: saga_stuck, after travel.flight failed: broken"),
    ],
)
async def test_the_list_names_the_step_that_failed_and_not_what_was_undone_after_it(
    broken: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "open.cedar").write_text(OPEN)
    agents = [Travel(*broken).saga]
    async with Runtime.open(tmp_path / "home", agents=agents, policies=tmp_path) as runtime:
        session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"))
        await (await session.say('{"city":"Rome"}')).result()
        [line] = runtime.runs.list(Scope("acme", "dev"), SYSTEM)
        assert line.summary == said


# -- misuse ------------------------------------------------------------------------------------------------------

T = Travel()
MISUSES: Mapping[str, list[Step]] = {
    "no step": [],
    "two of a name": [T.look, T.look],
    "a step after one that cannot be undone": [T.look, T.pay, T.hotel],
    "an effect that nothing undoes before another step": [Step(T.hotel.tool), T.mail],
    "reading after one that cannot be undone": [T.look, T.pay, Step(T.look.tool, name="again")],
}


@pytest.mark.req("SYM-83.5")
@pytest.mark.parametrize("name", MISUSES)
def test_a_saga_that_cannot_be_undone_as_it_should_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        patterns.saga("travel.book", MISUSES[name])
