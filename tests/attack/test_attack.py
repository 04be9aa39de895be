"""Every section at its small size, and that each of them would find something if there were something to find."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from lichen.engine.journal import labels as engine_labels
from tests.attack import budgets, doors, labels, strangers, tampering, tenancy, till
from tests.attack.section import sections
from tests.attack.shop import MARK, PEOPLE, Treasure

SEED = 20_261_127


@pytest.mark.req("LIC-28.9")
@pytest.mark.parametrize("name", sections())
def test_whoever_means_harm_finds_nothing(name: str, tmp_path: Path) -> None:
    outcome = sections()[name]("small", random.Random(f"{SEED}/{name}"), tmp_path)
    assert outcome.found == [], outcome.tried
    assert any(sign.isdigit() for sign in outcome.tried), "figures are told"


def test_sections_are_found_by_name() -> None:
    assert set(sections()) == {"tenancy", "doors", "budgets", "labels", "tampering", "kills"}


TREASURE = Treasure("ses-1", "run-1", "run-2", "run-2.w1", "o1", "customer_0123456789abcdef")


@pytest.mark.req("LIC-28.10")
@pytest.mark.parametrize(
    ("status", "text", "is_found"),
    [(404, "", False), (200, "", True), (404, MARK, True), (500, "", True), (403, "", False)],
)
def test_the_matrix_sees_what_another_tenant_should_not(status: int, text: str, is_found: bool) -> None:
    where, who = PEOPLE["another tenant's operator"]
    operation = tenancy.Operation("GET", "/api/v1/runs/{run}", "run.read", is_owners=False, body=None)
    caller = tenancy.Caller("another tenant's operator", {}, where, who)
    answer = httpx.Response(status, text=text)
    judged: list[str] = tenancy._judged(operation, caller, TREASURE, answer)  # pyright: ignore[reportPrivateUsage]
    assert bool(judged) is is_found


@pytest.mark.req("LIC-28.10")
@pytest.mark.parametrize(
    ("path", "text", "named", "seen"),
    [
        ("log/records", "ses-1", {"ses-1"}, []),
        ("log/records", "ses-1", (), ["ses-1"]),
        ("log/records", "ses-1 run-1", {"ses-1"}, ["run-1"]),
        ("log/records", TREASURE.pseudonym, {"ses-1"}, [TREASURE.pseudonym]),
        ("log/records", MARK, {"ses-1"}, [MARK]),
        ("runs", "run-1", {"run-1"}, ["run-1"]),
    ],
)
def test_what_a_tenant_never_asked_for_is_a_leak_wherever_it_stands(
    path: str, text: str, named: Collection[str], seen: list[str]
) -> None:
    where, who = PEOPLE["another tenant's operator"]
    operation = tenancy.Operation("GET", f"/api/v1/{path}", None, is_owners=False, body=None)
    caller = tenancy.Caller("another tenant's operator", {}, where, who, where.tenant)
    judged: list[str] = tenancy._judged(  # pyright: ignore[reportPrivateUsage]
        operation, caller, TREASURE, httpx.Response(200, text=text), named
    )
    assert judged == ([f"GET {operation.path} as {caller.name}: 200 shows {seen}"] if seen else [])


@pytest.mark.req("LIC-28.10")
def test_an_id_planted_in_another_tenants_records_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tenancy._asked  # pyright: ignore[reportPrivateUsage]

    async def planted(
        app: Starlette, operation: tenancy.Operation, caller: tenancy.Caller, treasure: Treasure, number: int
    ) -> httpx.Response:
        answer = await asked(app, operation, caller, treasure, number)
        is_planted = operation.path.endswith("/log/records") and answer.status_code == 200
        return httpx.Response(200, text=f"{answer.text} {treasure.held}") if is_planted else answer

    monkeypatch.setattr(tenancy, "_asked", planted)
    outcome = tenancy.attack("small", random.Random(SEED), tmp_path)
    assert outcome.found, "the judge saw it"
    assert all("/log/records as another tenant's operator" in each for each in outcome.found)


@pytest.mark.req("LIC-28.10")
def test_a_policy_that_lets_strangers_have_a_part_in_payments_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "POLICY", strangers.ALLOW)
    assert len(ways_found(tmp_path, monkeypatch)) == len(labels.WAYS)


@pytest.mark.req("LIC-28.10")
def test_a_label_that_is_lost_on_the_way_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_labels, "THIRD_PARTY", "ours:")  # what is read is labelled as if it were the shop's own
    assert ways_found(tmp_path, monkeypatch) >= {"a result", "a failure", "an agent's answer", "an earlier turn"}


def ways_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ways on which a payment that a stranger had a part in got through."""
    monkeypatch.setitem(labels.GENERATED, "small", 0)
    outcome = labels.attack("small", random.Random(SEED), folder)
    return {each.partition(":")[0] for each in outcome.found if "it was paid" in each}


@pytest.mark.req("LIC-28.10")
def test_a_verification_that_looks_away_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_away(*given: Any, **named: Any) -> bool:
        return True

    monkeypatch.setattr(tampering, "_is_sound", looks_away)
    outcome = tampering.attack("small", random.Random(SEED), tmp_path)
    assert any("was missed" in each for each in outcome.found)


@pytest.mark.req("LIC-28.10")
def test_a_gate_that_counts_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(till, "BUDGET", till.BUDGET + till.AMOUNT)  # as this process counts; the other one keeps to 50
    outcome = budgets.attack("small", random.Random(SEED), tmp_path)
    assert outcome.found == ["5 were paid, and 6 are in the budget"]


@pytest.mark.req("LIC-28.10")
def test_a_port_that_one_address_fills_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = doors.BOUNDS.__class__(connections_max=10_000, connections_each_max=10_000, sockets_each_max=10_000)
    monkeypatch.setattr(doors, "BOUNDS", wide)
    monkeypatch.setattr(doors, "MOST_SOCKETS", 5)
    monkeypatch.setattr(doors, "FLOODS", {"web sockets": doors.sockets})
    outcome = doors.attack("small", random.Random(SEED), tmp_path)
    assert any("sockets" in each for each in outcome.found)
