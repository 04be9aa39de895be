"""Secrets on their way to a tool: asked of policy, noted when they are used, and in nothing that anybody reads."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from lichen import Agent, Secret
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import RunId, ToolName
from lichen.core.words.scope import SYSTEM, Scope
from lichen.runtime.views.record import RecordView
from lichen.testing.secrets import HeldSecrets
from lichen.testing.worlds import World, world
from tests.engine import secretive

KEY = "sk_live_51H8abcdefQ"
NAME = "payments.key"

pytestmark = pytest.mark.usefixtures("nothing_heard")


@pytest.fixture
def nothing_heard() -> Iterator[None]:
    secretive.HEARD.clear()
    secretive.RELEASE.clear()
    yield
    secretive.RELEASE.set()


class Caller:
    """Calls the tool that the message names, and answers with what it was told of it."""

    pure = True
    digest = "caller"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            result = input.results[0]
            told = result.data.decode() if result.data else result.reason
            return Plan(answer=f"{result.outcome} {result.code} {told}")
        return Plan(calls=(CallRequest(ToolName(input.input[-1].text), b"{}"),))


def agent() -> Agent:
    return Agent("shop.clerk", planner=Caller(), tools=secretive.TOOLS)


PERMIT = 'permit (principal is Agent, action == Action::"secret.use", resource == Secret::"payments.key");'


def policies(folder: Path, *more: str) -> Path:
    folder.mkdir(exist_ok=True)
    any_tool = 'permit (principal, action in Action::"tool.call", resource);'
    (folder / "all.cedar").write_text("\n".join((any_tool, *more)))
    return folder


async def call(w: World, name: str) -> tuple[RunId, str]:
    """The run that called a tool, and its answer."""
    run = await w.start("shop.clerk", name)
    return run, (await w.result(run)).answer or ""


def held(w: World) -> HeldSecrets:
    """What the world's tools are handed."""
    found = w.runtime._wiring.blueprint.secrets  # pyright: ignore[reportPrivateUsage] - what the test gave it
    assert isinstance(found, HeldSecrets)
    return found


def ruling(record: RecordView) -> Mapping[str, object]:
    found = record.control["ruling"]
    assert isinstance(found, dict)
    return cast("dict[str, object]", found)


def uses(w: World, run: RunId) -> list[RecordView]:
    return [record for record in w.records(run) if record.type == "secret_used"]


# -- the way to the tool -----------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.1")
@pytest.mark.parametrize("name", ["till.pay", "till.block", "till.away", "till.look"])
async def test_a_tool_is_handed_the_secret_it_asks_for_wherever_it_runs(name: str, tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run, answer = await call(w, name)
        assert answer.startswith(f'ok  {{"chars":{len(KEY)}'), answer
        assert [use.control["name"] for use in uses(w, run)] == [NAME]


@pytest.mark.req("SYM-95.2")
async def test_a_use_is_noted_before_a_tool_with_effects_acts_in_one_append_with_its_start(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run, _ = await call(w, "till.pay")
        kinds = [record.type for record in w.records(run)]
        used = kinds.index("secret_used")
        assert kinds[used : used + 3] == ["secret_used", "call_started", "call_finished"]
        (use,) = uses(w, run)
        assert use.control["call"] == "c1"
        assert ruling(use)["action"] == "secret.use"
        assert use.ts_us == next(record.ts_us for record in w.records(run) if record.type == "call_started")


@pytest.mark.req("SYM-95.3")
async def test_another_value_is_another_version_and_counts_at_the_next_use(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        first, _ = await call(w, "till.pay")
        same, _ = await call(w, "till.pay")
        held(w).values[NAME] = "another value"
        other, answer = await call(w, "till.pay")
        versions = [uses(w, run)[0].control["version"] for run in (first, same, other)]
        assert versions[0] == versions[1] != versions[2]
        assert '"chars":13' in answer


@pytest.mark.req("SYM-95.1")
async def test_facts_and_probes_are_handed_what_they_ask_for_and_each_use_is_noted(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run, answer = await call(w, "till.lose")
        assert answer.startswith("ok probed"), answer
        assert len(uses(w, run)) == 2  # the facts' and the probe's: the function itself asks for none
        assert secretive.HEARD == {"facts": KEY, "probe": KEY}


@pytest.mark.req("SYM-95.4")
async def test_a_tool_that_asks_for_no_secret_is_handed_none(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run, answer = await call(w, "till.plain")
        assert answer.startswith('ok  {"chars":0'), answer
        assert uses(w, run) == []


# -- who says no -------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-95.5")
async def test_without_a_permit_no_secret_is_read_and_the_call_is_denied(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p"), secrets={NAME: KEY}) as w:
        run, answer = await call(w, "till.pay")
        assert answer.startswith("denied secret_refused"), answer
        assert w.calls()[0].summary == "till.pay denied: secret_refused"
        refused = [record for record in w.records(run) if record.type == "refused"]
        assert [each.control["action"] for each in refused] == ["secret.use"]
        assert (refused[0].contents or {})["resource"] == NAME
        assert held(w).asked == []
        assert uses(w, run) == []
        assert secretive.HEARD == {}


@pytest.mark.req("SYM-95.5")
async def test_policy_can_tell_tools_and_environments_apart(tmp_path: Path) -> None:
    permit = PERMIT.removesuffix(";") + ' when { context.tool == "till.look" && context.environment == "dev" };'
    async with world([agent()], policies=policies(tmp_path / "p", permit), secrets={NAME: KEY}) as w:
        assert (await call(w, "till.look"))[1].startswith("ok")
        assert (await call(w, "till.pay"))[1].startswith("denied secret_refused")
        assert (await call(w, "till.look"))[1].startswith("ok")


@pytest.mark.req("SYM-95.5")
async def test_a_secret_for_facts_that_policy_refuses_denies_the_call(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p"), secrets={NAME: KEY}) as w:
        run, answer = await call(w, "till.lose")
        assert answer.startswith("denied policy"), answer
        assert "refused" in [record.type for record in w.records(run)]
        assert secretive.HEARD == {}


@pytest.mark.req("SYM-95.5")
async def test_the_starter_policies_hand_secrets_to_tools(tmp_path: Path) -> None:
    async with world([agent()], secrets={NAME: KEY}) as w:
        assert (await call(w, "till.look"))[1].startswith("ok")


@pytest.mark.req("SYM-95.6")
async def test_a_secret_that_is_not_there_fails_the_call_before_it_begins(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={}) as w:
        run, answer = await call(w, "till.pay")
        assert answer.startswith("failed secret_unknown"), answer
        assert "call_started" not in [record.type for record in w.records(run)]


@pytest.mark.req("SYM-95.6")
@pytest.mark.parametrize("name", ["till.pay", "till.look"])
async def test_a_stop_of_the_tool_keeps_its_secret_from_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        get = held(w).get

        async def stopped_meanwhile(scope: Scope, secret: str) -> Secret:
            await w.runtime.stops.set(w.scope, "tool", name, w.operator)
            return await get(scope, secret)

        monkeypatch.setattr(held(w), "get", stopped_meanwhile)
        run, answer = await call(w, name)
        assert answer.startswith("denied"), answer
        assert uses(w, run) == []
        assert secretive.HEARD == {}


@pytest.mark.req("SYM-95.6")
async def test_a_call_whose_secret_took_long_is_decided_again_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        get = held(w).get

        async def slow_at_first(scope: Scope, secret: str) -> Secret:
            await asyncio.sleep(0 if held(w).asked else 3)
            return await get(scope, secret)

        monkeypatch.setattr(held(w), "get", slow_at_first)
        run, answer = await call(w, "till.look")
        assert answer.startswith("ok"), answer
        assert [record.type for record in w.records(run)].count("decided") == 2
        assert len(uses(w, run)) == 1


@pytest.mark.req("SYM-95.5")
async def test_a_policy_that_changes_while_a_secret_is_fetched_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        get = held(w).get

        async def forbidden_meanwhile(scope: Scope, secret: str) -> Secret:
            policies(tmp_path / "p")
            await w.runtime.policies.reload(w.scope, w.operator)
            return await get(scope, secret)

        monkeypatch.setattr(held(w), "get", forbidden_meanwhile)
        run, answer = await call(w, "till.pay")
        assert answer.startswith("denied secret_refused"), answer
        assert uses(w, run) == []
        assert secretive.HEARD == {}


# -- what is said of it ------------------------------------------------------------------------------------------


TELLTALES = ["till.tell", "till.raise", "till.refuse", "till.code", "till.foreign_code", "till.class",
             "till.away_raise", "till.key_error",
             "till.field", "till.facts_tell", "till.spelled", "till.quit", "till.probe_tell"]  # fmt: skip


def spelled(secret: str) -> list[bytes]:
    """The ways in which somebody could find it."""
    data = secret.encode()
    return [data, b64encode(data).rstrip(b"="), quote(secret, safe="").encode(), data.hex().encode()]


@pytest.mark.req("GRE-67.1")
@pytest.mark.parametrize("name", TELLTALES)
async def test_a_secret_that_a_tool_says_is_nowhere(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "p/w:+ä sk_live_51H8abcdefQ=="
    async with world(
        [agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: secret}, home=tmp_path / "home"
    ) as w:
        run, answer = await call(w, name)
        shown = repr(w.records(run)) + repr(w.runtime.runs.show(w.scope, run, SYSTEM)) + answer
        assert w.calls()[0].withheld >= 1
        counted = [each.control["withheld"] for each in w.records(run) if "withheld" in each.control]
    files = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    told = capfd.readouterr()
    heard = files + shown.encode() + told.out.encode() + told.err.encode() + caplog.text.encode()
    for each in spelled(secret):
        assert each not in heard
    assert any(counted)  # the record says how often, and no more


@pytest.mark.req("GRE-67.1")
async def test_a_probe_that_fails_and_says_its_secret_is_told_without_it(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run = await w.start("shop.clerk", "till.probe_raise")
        await w.result(run)
        shown = repr(w.records(run)) + repr(w.unknown())
        assert "no answer for [secret]" in shown
        assert KEY not in shown


@pytest.mark.req("GRE-67.1")
async def test_what_a_tool_comes_to_after_its_time_is_told_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.testing.worlds.clock.PATIENCE_S", 0.1)  # the thread is given up
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run = await w.start("shop.clerk", "till.late")
        await w.result(run)
        assert [wait.kind for wait in w.unknown()] == [
            "reconcile"
        ]  # its time is over, and nobody knows what came of it
        secretive.RELEASE.set()
        while not (late := [each for each in w.records(run) if each.control.get("code") == "late"]):
            await w.settle()
        assert late[0].control["withheld"] == 1
        assert KEY not in repr(w.records(run))


@pytest.mark.req("GRE-67.2")
async def test_short_values_are_left_in_what_they_stand_in_by_chance(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: "till"}) as w:
        assert '"text":"till"' in (await call(w, "till.tell"))[1]


async def test_a_call_that_is_tried_again_is_handed_its_secret_again(tmp_path: Path) -> None:
    async with world([agent()], policies=policies(tmp_path / "p", PERMIT), secrets={NAME: KEY}) as w:
        run, answer = await call(w, "till.flaky")
        assert answer.startswith("ok"), answer
        assert len(uses(w, run)) == 2
