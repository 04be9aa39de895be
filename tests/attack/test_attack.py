"""Every section at its small size, and that each of them would find something if there were something to find."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.attack import budgets, doors, tampering, tenancy, till
from tests.attack.section import SECTIONS, sections
from tests.attack.shop import MARK, PEOPLE, Treasure

SEED = 20_261_127


@pytest.mark.req("LIC-28.1")
@pytest.mark.parametrize("name", sections())
def test_whoever_means_harm_finds_nothing(name: str, tmp_path: Path) -> None:
    outcome = sections()[name]("small", random.Random(f"{SEED}/{name}"), tmp_path)
    assert outcome.found == [], outcome.tried
    assert any(sign.isdigit() for sign in outcome.tried), "figures are told"


def test_sections_are_found_by_name() -> None:
    assert set(sections()) <= set(SECTIONS)
    assert {"tenancy", "doors", "budgets", "tampering", "kills"} <= set(sections())


@pytest.mark.parametrize(
    ("status", "text", "is_found"),
    [(404, "", False), (200, "", True), (404, MARK, True), (500, "", True), (403, "", False)],
)
def test_the_matrix_sees_what_another_tenant_should_not(status: int, text: str, is_found: bool) -> None:
    treasure = Treasure("ses-1", "run-1", "run-2", "run-2.w1", "o1", "customer_0123456789abcdef")
    where, who = PEOPLE["another tenant's operator"]
    operation = tenancy.Operation("GET", "/api/v1/runs/{run}", "run.read", is_owners=False, body=None)
    caller = tenancy.Caller("another tenant's operator", {}, where, who)
    answer = httpx.Response(status, text=text)
    judged: list[str] = tenancy._judged(operation, caller, treasure, answer)  # pyright: ignore[reportPrivateUsage]
    assert bool(judged) is is_found


def test_a_verification_that_looks_away_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_away(*given: Any, **named: Any) -> bool:
        return True

    monkeypatch.setattr(tampering, "_is_sound", looks_away)
    outcome = tampering.attack("small", random.Random(SEED), tmp_path)
    assert any("was missed" in each for each in outcome.found)


def test_a_gate_that_counts_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(till, "BUDGET", till.BUDGET + till.AMOUNT)  # as this process counts; the other one keeps to 50
    outcome = budgets.attack("small", random.Random(SEED), tmp_path)
    assert outcome.found == ["5 were paid, and 6 are in the budget"]


def test_a_port_that_one_address_fills_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = doors.BOUNDS.__class__(connections_max=10_000, connections_each_max=10_000, sockets_each_max=10_000)
    monkeypatch.setattr(doors, "BOUNDS", wide)
    monkeypatch.setattr(doors, "MOST_SOCKETS", 5)
    monkeypatch.setattr(doors, "FLOODS", {"web sockets": doors.sockets})
    outcome = doors.attack("small", random.Random(SEED), tmp_path)
    assert any("sockets" in each for each in outcome.found)
