"""Meters count what was promised and paid, each reservation once, whatever the order of events."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from lichen.core.ports.policy import Meters, Reservation
from lichen.core.words.ids import CallId, RunId

RUN = RunId("run-1")
CALL = CallId("c1")
KEYS = ("refunds", "mails")


class Reserve(NamedTuple):
    run: str
    call: str
    amounts: tuple[int, int]


class Settle(NamedTuple):
    run: str
    call: str
    is_paid: bool


IDS = (st.sampled_from(["r1", "r2"]), st.sampled_from(["c1", "c2"]))
EVENTS = st.lists(
    st.one_of(
        st.builds(Reserve, *IDS, st.tuples(st.integers(0, 9), st.integers(0, 9))),
        st.builds(Settle, *IDS, st.booleans()),
    )
)


def folded(events: list[Reserve | Settle]) -> Meters:
    meters = Meters()
    for event in events:
        run, call = RunId(event.run), CallId(event.call)
        if isinstance(event, Reserve):
            meters.reserve(run, call, tuple(Reservation(k, n) for k, n in zip(KEYS, event.amounts, strict=True)))
        else:
            meters.settle(run, call, paid=event.is_paid)
    return meters


@given(EVENTS)
def test_every_key_counts_what_is_open_and_what_was_paid(events: list[Reserve | Settle]) -> None:
    still_open: dict[tuple[str, str], tuple[int, int]] = {}
    paid = [0, 0]
    for event in events:
        if isinstance(event, Reserve):
            still_open[event.run, event.call] = event.amounts
            continue
        amounts = still_open.pop((event.run, event.call), (0, 0))
        if event.is_paid:
            paid = [paid[0] + amounts[0], paid[1] + amounts[1]]
    meters = folded(events)
    for i, key in enumerate(KEYS):
        reserved = sum(amounts[i] for amounts in still_open.values())
        assert (meters.reserved(key), meters.used(key)) == (reserved, reserved + paid[i])


def test_a_second_decision_of_a_call_replaces_the_first() -> None:
    meters = Meters()
    meters.reserve(RUN, CALL, (Reservation("refunds", 5),))
    meters.reserve(RUN, CALL, (Reservation("refunds", 3),))
    assert meters.used("refunds") == 3
    meters.reserve(RUN, CALL, ())
    assert meters.used("refunds") == 0


def test_a_call_is_settled_once() -> None:
    meters = Meters()
    meters.reserve(RUN, CALL, (Reservation("refunds", 5),))
    meters.settle(RUN, CALL, paid=True)
    meters.settle(RUN, CALL, paid=True)
    meters.settle(RUN, CallId("c9"), paid=False)
    assert (meters.used("refunds"), meters.reserved("refunds")) == (5, 0)


def test_one_call_may_reserve_twice_from_one_meter() -> None:
    meters = Meters()
    meters.reserve(RUN, CALL, (Reservation("refunds", 5), Reservation("refunds", 2)))
    meters.settle(RUN, CALL, paid=False)
    assert meters.used("refunds") == 0


def test_totals_are_loaded_once_and_what_they_count_can_be_settled() -> None:
    loaded: list[str] = []

    def load(key: str) -> tuple[int, int]:
        loaded.append(key)
        return (4, 10)

    meters = Meters(load)
    meters.restore(RUN, CALL, (Reservation("refunds", 4),))
    assert (meters.used("refunds"), meters.reserved("refunds")) == (14, 4)
    meters.settle(RUN, CALL, paid=False)
    assert (meters.used("refunds"), meters.reserved("refunds")) == (10, 0)
    assert loaded == ["refunds"]
