"""Secrets as operators keep them: set, replaced, removed and listed, counting at the next use, and shown to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
import pytest_asyncio
from pydantic import BaseModel

from lichen import Agent, Secret, tool
from lichen.core.deciders import events as e
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Operator, Scope
from lichen.gate.secrets.sealed import SealedSecrets
from lichen.runtime import Runtime
from lichen.runtime.operations.governing import secrets as operations

SCOPE, OTHER = Scope("acme", "dev"), Scope("globex", "dev")
OPS = Operator("ops", ("operator",))
NAME, VALUE = "payments.key", "sk_live_51H8abcdefQ"


class Done(BaseModel):
    chars: int


@tool(name="till.look", effects="none", runs="loop")
async def look(*, key: Annotated[Secret, NAME]) -> Done:
    """Looks."""
    return Done(chars=len(key.reveal()))


class Looker:
    """Looks once, and says what came of it."""

    pure = True
    digest = "looker"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            result = input.results[0]
            return Plan(answer=f"{result.code or (result.data or b'').decode()}")
        return Plan(calls=(CallRequest(ToolName("till.look"), b"{}"),))


def agent() -> Agent:
    return Agent("till.clerk", planner=Looker(), tools=[look])


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with Runtime.open(tmp_path / "home", agents=[agent()]) as opened:
        yield opened


async def looked(runtime: Runtime, scope: Scope = SCOPE) -> str:
    run = await runtime.runs.start(scope, "till.clerk", "look", OPS)
    return await runtime.runs.result(scope, run, OPS)


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.req("SYM-95.13")
async def test_a_secret_counts_from_when_it_is_set_as_it_is_at_each_use(till: Runtime) -> None:
    assert await looked(till) == "secret_unknown"
    await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    assert await looked(till) == f'{{"chars":{len(VALUE)}}}'
    await till.secrets.rotate(SCOPE, NAME, Secret("another"), OPS)
    assert await looked(till) == '{"chars":7}'
    await till.secrets.remove(SCOPE, NAME, OPS)
    assert await looked(till) == "secret_unknown"


@pytest.mark.req("SYM-95.13")
async def test_a_list_says_everything_but_the_value(till: Runtime) -> None:
    (before,) = await till.secrets.list(SCOPE, OPS)
    assert (before.name, before.source, before.version, before.code) == (NAME, "sealed", "", "secret_unknown")
    kept = await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    await looked(till)
    (after,) = await till.secrets.list(SCOPE, OPS)
    assert (after.version, after.code, after.tools) == (kept.version, "", ("till.look",))
    assert after.version.startswith("1-")
    assert after.last is not None
    assert after.last.version == after.version
    assert VALUE not in repr(after) + repr(kept)


@pytest.mark.req("SYM-95.13")
async def test_the_last_use_is_found_again_after_a_restart_as_far_back_as_is_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runtime.open(tmp_path, agents=[agent()]) as runtime:
        await runtime.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
        await looked(runtime)
        (told,) = await runtime.secrets.list(SCOPE, OPS)
    async with Runtime.open(tmp_path, agents=[agent()]) as runtime:
        (again,) = await runtime.secrets.list(SCOPE, OPS)
    assert again.last == told.last is not None
    monkeypatch.setattr(operations, "LOOKED_BACK_MAX", 1)
    async with Runtime.open(tmp_path, agents=[agent()]) as runtime:
        (short,) = await runtime.secrets.list(SCOPE, OPS)
    assert short.last is None


@pytest.mark.req("SYM-95.14")
async def test_every_change_is_in_the_log_with_who_made_it_and_no_value(till: Runtime, tmp_path: Path) -> None:
    kept = await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    await till.secrets.rotate(SCOPE, NAME, Secret(f"{VALUE}2"), OPS)
    await till.secrets.remove(SCOPE, NAME, OPS)
    for refused in (
        till.secrets.rotate(SCOPE, NAME, Secret(VALUE), OPS),
        till.secrets.remove(SCOPE, NAME, OPS),
    ):
        with pytest.raises(NotFound):
            await refused
    log = till.log(SCOPE)
    changes = [record for record in log.read(0, 1000) if isinstance(record.control, e.Changed)]
    controls = [record.control for record in changes if isinstance(record.control, e.Changed)]
    assert [control.name for control in controls] == [
        f"secret.set:{NAME}", f"secret.rotated:{NAME}", f"secret.removed:{NAME}",
    ]  # fmt: skip
    assert {change.actor for change in changes} == {log.pseudonym(OPS)}
    digests = [control.digest for control in controls]
    assert [len(digest) for digest in digests] == [16, 16, 0]
    assert kept.version == f"1-{digests[0]}"
    assert VALUE.encode() not in all_bytes(tmp_path)


@pytest.mark.req("SYM-95.14")
async def test_what_nobody_asks_for_is_not_kept_and_what_was_meant_is_named(till: Runtime) -> None:
    with pytest.raises(NotFound) as caught:
        await till.secrets.set(SCOPE, "payment.key", Secret(VALUE), OPS)
    assert caught.value.code == "secret_unknown"
    assert NAME in caught.value.next_step


@pytest.mark.req("SYM-95.14")
@pytest.mark.parametrize("name", ["..", "a/../b", "Payments.Key", "/etc/passwd", "a" * 200])
async def test_what_is_no_name_is_refused(till: Runtime, name: str) -> None:
    for work in (
        till.secrets.set(SCOPE, name, Secret(VALUE), OPS),
        till.secrets.rotate(SCOPE, name, Secret(VALUE), OPS),
        till.secrets.remove(SCOPE, name, OPS),
    ):
        with pytest.raises(Invalid) as caught:
            await work
        assert caught.value.code == "secret_name_invalid"


@pytest.mark.req("SYM-95.14")
async def test_a_first_value_and_the_next_are_different_acts(till: Runtime) -> None:
    with pytest.raises(NotFound):
        await till.secrets.rotate(SCOPE, NAME, Secret(VALUE), OPS)
    await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    with pytest.raises(Conflict) as caught:
        await till.secrets.set(SCOPE, NAME, Secret("another"), OPS)
    assert caught.value.code == "secret_exists"
    assert f"lichen secrets rotate {NAME}" in caught.value.next_step


@pytest.mark.req("GRE-54.1")
async def test_what_one_tenant_keeps_is_no_other_tenants(till: Runtime) -> None:
    await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    assert await looked(till, OTHER) == "secret_unknown"
    (view,) = await till.secrets.list(OTHER, OPS)
    assert (view.version, view.last) == ("", None)
    await till.secrets.set(OTHER, NAME, Secret(VALUE), OPS)
    (here,), (there,) = await till.secrets.list(SCOPE, OPS), await till.secrets.list(OTHER, OPS)
    assert here.version != there.version  # the same value, and nobody sees that it is


class Own:
    """Somebody's own place for secrets."""

    async def get(self, scope: Scope, name: str) -> Secret:
        return Secret(f"of {scope.tenant}", "7")


@pytest.mark.req("GRE-66.7")
async def test_a_program_may_bring_its_own_secrets(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[agent()], secrets=Own()) as runtime:
        assert await looked(runtime) == '{"chars":7}'
        (view,) = await runtime.secrets.list(SCOPE, OPS)
        assert view.version.startswith("7-")
        with pytest.raises(LichenError) as caught:
            await runtime.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
        assert caught.value.code == "secret_elsewhere"


@pytest.mark.req("SYM-95.18")
async def test_a_run_shows_which_version_of_a_secret_its_calls_were_handed(till: Runtime) -> None:
    kept = await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    run = await till.runs.start(SCOPE, "till.clerk", "look", OPS)
    await till.runs.result(SCOPE, run, OPS)
    (call,) = till.runs.show(SCOPE, run, OPS).story.calls
    assert [(each.name, each.version) for each in call.secrets] == [(NAME, kept.version)]
    assert call.withheld == 0
    assert till.runs.explain(SCOPE, run, OPS).story.calls[0].secrets == call.secrets


@pytest.mark.req("SYM-95.14")
async def test_a_change_is_in_the_log_before_it_is_made(till: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await till.secrets.set(SCOPE, NAME, Secret(VALUE), OPS)
    log, seen = till.log(SCOPE), list[str]()

    def write(self: SealedSecrets, scope: Scope, entries: object) -> None:
        durable = log.read(0, 1000)[: log.durable_seq]
        seen.extend(r.control.name for r in durable if isinstance(r.control, e.Changed))
        raise Unavailable("The disk is full.", code="secret_store_unavailable")

    monkeypatch.setattr(SealedSecrets, "_write", write)
    with pytest.raises(Unavailable):
        await till.secrets.rotate(SCOPE, NAME, Secret("another"), OPS)
    assert seen[-1] == f"secret.rotated:{NAME}"
    assert await looked(till) == f'{{"chars":{len(VALUE)}}}'
