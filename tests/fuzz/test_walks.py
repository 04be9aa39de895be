"""Flows that are made up, through the real engine; `make fuzz` walks them for a minute."""

from __future__ import annotations

import random

import pytest

from lichen.flows.nodes import fork
from lichen.flows.nodes.frames import Frame, Output
from lichen.flows.nodes.steps import Done
from tests.fuzz import walks as walking
from tests.fuzz.walks import walks


@pytest.mark.req("GRE-24.14")
def test_made_up_flows_end_or_wait_do_nothing_twice_and_keep_their_order() -> None:
    assert walks(random.Random(24), tries=6) == []


@pytest.mark.req("GRE-24.14")
def test_results_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fork._result  # pyright: ignore[reportPrivateUsage]

    def backwards(frame: Frame, outputs: list[Output | None]) -> Done:
        return made(frame, outputs[::-1])

    monkeypatch.setattr(fork, "_result", backwards)
    assert walks(random.Random(1), tries=40, enough=1)


@pytest.mark.req("GRE-24.14")
def test_what_is_done_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    act = walking.Outside.act

    def twice(outside: walking.Outside, key: str, args: bytes) -> None:
        act(outside, key, args)
        act(outside, key, args)

    monkeypatch.setattr(walking.Outside, "act", twice)
    assert {found.what for found in walks(random.Random(2), tries=20, enough=1)} == {"done twice"}
