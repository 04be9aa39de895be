"""Operators hit what they name, or are told that they did not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lichen.core.words.errors import Conflict, ContentErased, Invalid, NotFound
from lichen.core.words.scope import SYSTEM, Actor, Customer, Scope
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.runtime import Runtime
from tests.runtime.world import CUSTOMER, OPS, PAID, SCOPE, runtime_in, until

GLOBEX = Scope("globex", "dev")
VISITOR = Customer("webchat:patient-9")

# -- stops -------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-13.21")
@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("tool", "till.pya", "till.pay"),
        ("agent", "till.clrek", "till.clerk"),
        ("run", "run-x", "--anyway"),
        ("tenant", "globex", "acme"),
    ],
)
async def test_stopping_what_is_not_there_is_refused_and_says_what_is(
    till: Runtime, kind: str, name: str, hint: str
) -> None:
    with pytest.raises(NotFound) as refused:
        await till.stops.set(SCOPE, kind, name, OPS)
    assert refused.value.code == "stop_unknown"
    assert hint in refused.value.next_step
    assert till.stops.list(SCOPE, OPS) == ()


@pytest.mark.req("LIC-13.21")
async def test_what_is_yet_to_come_is_stopped_when_that_is_said(till: Runtime) -> None:
    await till.stops.set(SCOPE, "tool", "till.soon", OPS, anyway=True)
    assert [(stop.kind, stop.name) for stop in till.stops.list(SCOPE, OPS)] == [("tool", "till.soon")]
    with pytest.raises(Invalid, match="stop_name_invalid"):
        await till.stops.set(SCOPE, "tool", "Ann Example, 4 Elm Street", OPS, anyway=True)


@pytest.mark.req("LIC-13.22")
async def test_a_stop_is_listed_with_who_set_it_when_and_why(till: Runtime) -> None:
    await till.stops.set(SCOPE, "tenant", "", OPS, reason="fraud, ticket 7")
    (stop,) = till.stops.list(SCOPE, OPS)
    assert (stop.kind, stop.name, stop.reason, stop.by_name) == ("tenant", "acme", "fraud, ticket 7", "ops")
    assert stop.at_us > 0


@pytest.mark.req("LIC-13.22")
async def test_the_reason_of_a_stop_is_in_the_log_sealed_and_survives_a_restart(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        await till.stops.set(SCOPE, "tool", "till.pay", OPS, reason="a very private reason")
    async with runtime_in(tmp_path) as till:
        assert [stop.reason for stop in till.stops.list(SCOPE, OPS)] == ["a very private reason"]
    assert b"a very private reason" not in (tmp_path / "lichen.sqlite").read_bytes()


async def test_a_tenant_is_stopped_and_started_by_its_name_or_none(till: Runtime) -> None:
    await till.stops.set(SCOPE, "tenant", "acme", OPS)
    await till.stops.clear(SCOPE, "tenant", "", OPS)
    assert till.stops.list(SCOPE, OPS) == ()


@pytest.mark.req("LIC-13.23")
async def test_taking_back_a_stop_that_is_not_set_is_refused(till: Runtime) -> None:
    await till.stops.set(SCOPE, "tool", "till.pay", OPS)
    with pytest.raises(NotFound) as refused:
        await till.stops.clear(SCOPE, "tool", "till.lose", OPS)
    assert refused.value.code == "stop_not_set"
    assert "tool till.pay" in refused.value.next_step


@pytest.mark.req("LIC-13.24")
async def test_a_stop_says_how_many_open_calls_it_holds(till: Runtime) -> None:
    await till.runs.start(SCOPE, "till.clerk", "pay 500 600", CUSTOMER)
    await until(lambda: len(till.waits.list(SCOPE, SYSTEM)) == 2)
    assert (await till.stops.set(SCOPE, "tool", "till.pay", OPS)).calls == 2
    assert (await till.stops.set(SCOPE, "tool", "till.lose", OPS)).calls == 0


# -- erasure -----------------------------------------------------------------------------------------------------


async def talked(till: Runtime, who: Actor = CUSTOMER) -> str:
    """A conversation of somebody, and their pseudonym."""
    session = await till.sessions.open(SCOPE, who)
    await (await session.say("pay 10")).result()
    return till.log(SCOPE).pseudonym(who)


@pytest.mark.req("LIC-5.41")
async def test_erasing_somebody_nobody_knows_is_refused_and_shuts_nobody_out(till: Runtime) -> None:
    await talked(till)
    with pytest.raises(NotFound, match="subject_unknown"):
        await till.people.erase(SCOPE, "customer-77", OPS)
    with pytest.raises(NotFound, match="subject_unknown"):
        await till.people.erase(SCOPE, "customer_0123456789abcdef", OPS)
    await till.sessions.open(SCOPE, Customer("customer-77"))


@pytest.mark.req("LIC-5.41")
async def test_who_names_a_web_chat_visitor_without_their_prefix_is_told(till: Runtime) -> None:
    await talked(till, VISITOR)
    with pytest.raises(NotFound) as refused:
        await till.people.erase(SCOPE, "patient-9", OPS)
    assert "webchat:patient-9" in refused.value.next_step


@pytest.mark.req("LIC-5.42")
async def test_a_person_is_erased_by_the_pseudonym_that_every_list_shows(till: Runtime) -> None:
    pseudonym = await talked(till)
    run = till.runs.list(SCOPE, SYSTEM)[0].id
    erased = await till.people.erase(SCOPE, pseudonym, OPS)
    assert erased.subject == pseudonym
    assert till.runs.show(SCOPE, run, SYSTEM).records[0].contents is None


@pytest.mark.req("LIC-5.43")
async def test_an_erasure_says_what_it_hit_and_the_log_keeps_the_counts(till: Runtime) -> None:
    await talked(till)
    await talked(till, Customer("somebody"))
    erased = await till.people.erase(SCOPE, CUSTOMER, OPS)
    assert (erased.keys, erased.sessions, erased.runs, erased.is_repeated) == (1, 1, 1, False)
    assert erased.records > 5
    record = next(record for record in till.log(SCOPE).read() if record.type == "erased")
    assert (record.control.sessions, record.control.runs, record.control.records) == (1, 1, erased.records)  # type: ignore[attr-defined]


async def test_erasing_somebody_again_says_that_nothing_was_left(till: Runtime) -> None:
    await talked(till)
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    again = await till.people.erase(SCOPE, CUSTOMER, OPS)
    assert (again.is_repeated, again.keys, again.records) == (True, 0, 0)


async def test_somebody_nobody_knows_can_be_shut_out_beforehand(till: Runtime) -> None:
    await till.people.erase(SCOPE, "customer-77", OPS, force=True)
    with pytest.raises(ContentErased):
        await till.sessions.open(SCOPE, Customer("customer-77"))


# -- backups -----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-5.30")
async def test_a_backup_takes_the_tenant_it_names_and_no_other(
    till: Runtime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    to, kept = tmp_path_factory.mktemp("a") / "to", tmp_path_factory.mktemp("b") / "kept"
    await talked(till)
    await till.runs.start(GLOBEX, "till.clerk", "hello", CUSTOMER)
    report = await till.proofs.backup(SYSTEM, to, keys=kept, scopes=[SCOPE])
    assert report.logs == ("acme/dev/0",)
    keyring = Keyring.open(kept, os.urandom)
    assert verify(to, keyring=keyring).is_sound
    keyring.close()


async def test_a_backup_that_cannot_be_whole_writes_nothing(till: Runtime, tmp_path: Path) -> None:
    await talked(till)
    with pytest.raises(Conflict, match="backup_together"):
        await till.proofs.backup(SYSTEM, tmp_path / "to", keys=tmp_path / "to" / "kept")
    assert not (tmp_path / "to").exists()
    assert PAID.total() == 1
