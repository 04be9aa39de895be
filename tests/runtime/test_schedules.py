"""What begins by itself: once for each tick, whatever happens to the process in between, and where it can be seen."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lichen.core.words.errors import Conflict, Denied, Invalid, NotFound
from lichen.core.words.ids import RunId, StreamId, run_stream
from lichen.core.words.scope import Customer, Service
from lichen.log.streams import Streams
from lichen.log.views.live import Live
from lichen.runtime.operations.governing.reload import Reloaded
from lichen.runtime.project.loading import load
from lichen.runtime.schedules.views import ScheduleDetail, TickView
from lichen.settings.schedules.times import jitter_us
from lichen.testing.stores.memory import PowerLost
from lichen.testing.worlds import World, project_world

AGENTS = """
    import asyncio
    from lichen import tool
    from lichen.agents import agent_function

    SAID = ["all clear"]

    @agent_function("shop.looker")
    async def looker(chat):
        return SAID[0]

    @tool(name="slow.wait", effects="none", timeout_s=900)
    async def wait() -> str:
        await asyncio.sleep(150)
        return "done"

    @agent_function("shop.slow", tools=[wait])
    async def slow(chat):
        return await chat.call("slow.wait")

    @tool(name="web.fetch", effects="none", origin="third_party")
    async def fetch() -> str:
        return "words of a stranger"

    @agent_function("shop.reader", tools=[fetch])
    async def reader(chat):
        return await chat.call("web.fetch")

    @agent_function("shop.broken")
    async def broken(chat):
        raise ValueError("no")
"""
TOML = """\
[lichen]
agents = ["agents.py:looker", "agents.py:slow", "agents.py:broken"]

[tenants.acme]
agent = "shop.looker"

[[tenants.acme.schedules]]
name = "tick"
agent = "shop.looker"
every_s = 60
"""
FLOW = """\
id: shop.clock
type: messaging
schema_version: 2
nodes:
  say: {text: "tick of shop {{entry.data.shop}} at {{entry.occurred_at}}"}
"""
HOUR = 3_600


def project(folder: Path, extra: str = "", *, toml: str = TOML) -> Path:
    (folder / "lichen.toml").write_text(toml + extra)
    (folder / "agents.py").write_text(dedent(AGENTS))
    return folder / "lichen.toml"


@asynccontextmanager
async def ticking(folder: Path, extra: str = "", *, toml: str = TOML) -> AsyncGenerator[World]:
    """A world in which schedules are at work."""
    async with project_world(project(folder, extra, toml=toml)) as w:
        begin(w)
        await w.settle()
        yield w


def begin(w: World) -> None:
    w.runtime.ticker.begin()


def shown(w: World, name: str = "tick") -> ScheduleDetail:
    return w.runtime.schedules.show(w.scope, name, w.operator)


def stages(w: World, name: str = "tick") -> list[str]:
    """How its ticks stand, the oldest first."""
    found = shown(w, name)
    return [tick.stage for tick in sorted((*found.open, *found.recent), key=lambda tick: tick.due_us)]


def told(w: World, run: str | None) -> dict[str, Any]:
    """What a run was given."""
    assert run is not None
    log = w.runtime.log(w.scope)
    return json.loads(log.contents(run_stream(RunId(run)), 0)["input"])[0]["data"]


def by_due(found: tuple[TickView, ...]) -> list[TickView]:
    return sorted(found, key=lambda tick: tick.due_us)


# -- each tick once ----------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-80.1", "SYM-88.5")
async def test_each_tick_begins_one_run_that_is_told_which_it_is(tmp_path: Path) -> None:
    async with ticking(tmp_path, "data = {shop = 7}\n") as w:
        await w.clock.advance(3 * 60)
        assert len(w.runs()) == 3
        first, second, _ = by_due(shown(w).recent)
        assert told(w, first.run) == {
            "v": 1,
            "domain": "events",
            "provider": "lichen.schedules",
            "handler_id": "tick",
            "tenant": "acme",
            "team": None,
            "occurred_at": "2025-10-09T08:54:20Z",
            "interval_seconds": 60,
            "last_run": None,
            "attempt": 1,
            "data": {"shop": 7},
        }
        assert told(w, second.run)["last_run"] == "2025-10-09T08:54:20Z"


@pytest.mark.req("GRE-80.2")
async def test_a_flow_reads_the_fields_of_its_tick(tmp_path: Path) -> None:
    (tmp_path / "clock.ygtc").write_text(FLOW)
    toml = TOML.replace("[tenants.acme]", 'flows = ["clock.ygtc"]\n\n[tenants.acme]')
    cron = toml.replace('agent = "shop.looker"\nevery_s = 60', 'flow = "shop.clock"\ncron = "0 * * * *"')
    async with ticking(tmp_path, "data = {shop = 7}\n", toml=cron) as w:
        await w.clock.advance(HOUR)
        (tick,) = shown(w).recent
        outcome = w.runtime.runs.outcome(w.scope, RunId(tick.run or ""), w.operator)
        assert outcome.answer == "tick of shop 7 at 2025-10-09T09:00:00Z"


@pytest.mark.req("SYM-88.4")
async def test_a_tick_that_is_put_off_begins_later_and_is_the_same_tick(tmp_path: Path) -> None:
    hourly = TOML.replace("60", "3600")
    async with ticking(tmp_path, "jitter_s = 600\n", toml=hourly) as w:
        (due_us, *_) = shown(w).schedule.next_us
        late_us = jitter_us("tick", due_us, 600)
        await w.clock.advance(HOUR + late_us / 1e6 - 1)
        assert w.runs() == ()
        await w.restart()
        begin(w)
        await w.clock.advance(1)
        assert [tick.due_us for tick in shown(w).recent] == [due_us]


@pytest.mark.req("SYM-88.5")
async def test_runs_of_a_schedule_act_for_a_service_of_its_name_and_policy_is_asked(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/all.cedar").write_text(
        'permit (principal, action, resource);\nforbid (principal == Service::"schedule:other", action, resource);'
    )
    other = '\n[[tenants.acme.schedules]]\nname = "other"\nagent = "shop.looker"\nevery_s = 60\n'
    toml = TOML.replace('agent = "shop.looker"\n\n', 'agent = "shop.looker"\npolicies = "policies"\n\n', 1)
    async with ticking(tmp_path, other, toml=toml) as w:
        await w.clock.advance(60)
        (tick,) = shown(w).recent
        actor = json.loads(w.runtime.log(w.scope).contents(run_stream(RunId(tick.run or "")), 0)["actor"])
        assert (actor["on_behalf_of"]["kind"], actor["on_behalf_of"]["id"]) == ("service", "schedule:tick")
        (dead,) = shown(w, "other").dead
        assert (dead.stage, dead.code, dead.run) == ("dead", "denied", None)
        assert len(w.runs()) == 1


@pytest.mark.req("SYM-88.6")
async def test_a_clock_that_goes_back_begins_no_tick_twice(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        await w.clock.advance(5 * 60)
        w.clock._start_us -= 180 * 1_000_000  # type: ignore[union-attr]
        await w.clock.advance(170)
        assert len(w.runs()) == 5
        await w.clock.advance(70)
        assert len(w.runs()) == 6


def power(w: World, batches: int) -> None:
    """The power goes once so many more batches were put."""
    left = [batches]

    def is_over(_: object) -> bool:
        left[0] -= 1
        return left[0] < 0

    w._disk.error, w._disk.refuses = PowerLost("The power is off."), is_over  # type: ignore[attr-defined]


@pytest.mark.req("SYM-88.6")
@pytest.mark.parametrize("batches", range(14))
@pytest.mark.parametrize("catch_up", ["once", "all"])
async def test_a_death_between_any_two_steps_neither_loses_nor_repeats_a_tick(
    tmp_path: Path, batches: int, catch_up: str
) -> None:
    async with ticking(tmp_path, f'catch_up = "{catch_up}"\n') as w:
        power(w, batches)
        await w.clock.advance(150)
        w._disk.error = None  # type: ignore[attr-defined]
        await w.restart()
        begin(w)
        await w.clock.advance(60)
        await w.settle()
        found = by_due(shown(w).recent)
        counted = sum(tick.count for tick in found)
        armed_at_first = counted == 3 and len({tick.due_us for tick in found}) == len(found)
        assert armed_at_first or (batches == 0 and counted == 1)  # nothing was ever noted before that death
        assert len(w.runs()) == sum(tick.stage == "clear" or tick.stage == "completed" for tick in found)
        if catch_up == "all":
            assert {tick.stage for tick in found} == {"completed"}


# -- downtime ----------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-89.2")
@pytest.mark.parametrize(
    ("catch_up", "runs", "missed"),
    [("none", 0, 5), ("once", 1, 4), ("all", 5, 0)],
)
async def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    tmp_path: Path, catch_up: str, runs: int, missed: int
) -> None:
    async with ticking(tmp_path, f'catch_up = "{catch_up}"\n', toml=TOML.replace("60", "3600")) as w:
        await w.runtime.ticker.close()
        await w.clock.advance(5 * HOUR + 1_800)
        await w.restart()
        begin(w)
        await w.settle()
        found = shown(w).recent
        assert len(w.runs()) == runs
        assert sum(tick.count for tick in found if tick.stage == "missed") == missed
        await w.clock.advance(1_800)
        assert len(w.runs()) == runs + 1


@pytest.mark.req("SYM-89.3")
async def test_a_schedule_whose_times_are_others_owes_nothing_of_the_old(tmp_path: Path) -> None:
    async with ticking(tmp_path, toml=TOML.replace("60", "3600")) as w:
        await w.runtime.ticker.close()
        await w.clock.advance(HOUR * 3)
        runtime = w.runtime
        changed = load(project(tmp_path, toml=TOML.replace("every_s = 60", 'cron = "0 0 1 1 *"')), environ={})
        runtime.settings = changed.settings
        again = type(runtime.ticker)(changed.settings, next(iter(runtime.ticker.of(w.scope))).parts)
        again.begin()
        await w.settle()
        await again.close()
        assert w.runs() == ()


# -- ticks that meet ---------------------------------------------------------------------------------------------

SLOW = TOML.replace('agent = "shop.looker"\nevery_s = 60', 'agent = "shop.slow"\nevery_s = 60')


@pytest.mark.req("SYM-88.7")
@pytest.mark.parametrize(
    ("overlap", "after_s", "expected"),
    [
        ("skip", 240, ["completed", "skipped", "skipped", "begun"]),
        ("queue", 250, ["completed", "begun", "queued", "queued"]),
        ("allow", 240, ["completed", "begun", "begun", "begun"]),
    ],
)
async def test_a_tick_that_comes_before_the_one_before_it_ended(
    tmp_path: Path, overlap: str, after_s: int, expected: list[str]
) -> None:
    async with ticking(tmp_path, f'overlap = "{overlap}"\n', toml=SLOW) as w:
        await w.clock.advance(after_s)
        assert stages(w) == expected


# -- what fails --------------------------------------------------------------------------------------------------

BROKEN = TOML.replace('agent = "shop.looker"\nevery_s = 60', 'agent = "shop.broken"\nevery_s = 3600')


@pytest.mark.req("SYM-88.8")
async def test_a_tick_that_fails_is_tried_again_and_then_is_a_dead_letter_that_can_be_replayed(tmp_path: Path) -> None:
    async with ticking(tmp_path, "retries = 2\nretry_s = 10\n", toml=BROKEN) as w:
        await w.clock.advance(HOUR + 5)
        assert [tick.attempt for tick in shown(w).open] == [1]
        await w.clock.advance(10)
        assert [tick.attempt for tick in shown(w).open] == [2]
        await w.restart()
        begin(w)
        await w.clock.advance(30)
        (dead,) = shown(w).dead
        assert (dead.attempt, len(w.runs())) == (3, 3)
        with pytest.raises(NotFound, match="No tick of this id"):
            await w.runtime.schedules.replay(w.scope, "tick", "1", w.operator)
        await w.runtime.schedules.replay(w.scope, "tick", dead.id, w.operator)
        await w.clock.advance(5)
        (again,) = shown(w).dead
        assert (again.id, again.attempt, len(w.runs())) == (dead.id, 4, 4)


@pytest.mark.req("SYM-88.8")
async def test_a_run_that_somebody_ended_is_not_tried_again(tmp_path: Path) -> None:
    async with ticking(tmp_path, "retries = 2\n", toml=SLOW.replace("60", "3600")) as w:
        await w.clock.advance(HOUR)
        (tick,) = shown(w).open
        await w.runtime.runs.cancel(w.scope, RunId(tick.run or ""), w.operator)
        await w.clock.advance(HOUR - 1)
        assert stages(w) == ["cancelled"]


# -- in people's hands -------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-88.9")
async def test_what_is_paused_begins_nothing_and_makes_up_for_nothing(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        paused = await w.runtime.schedules.pause(w.scope, "tick", w.operator, reason="holidays")
        assert (paused.state, paused.next_us) == ("paused", ())
        await w.clock.advance(300)
        await w.restart()
        begin(w)
        await w.clock.advance(300)
        assert w.runs() == ()
        on = await w.runtime.schedules.resume(w.scope, "tick", w.operator)
        assert on.state == "on"
        await w.clock.advance(60)
        assert len(w.runs()) == 1


@pytest.mark.req("SYM-88.9")
async def test_it_can_be_begun_at_once_also_while_it_is_paused_or_nobody_serves(tmp_path: Path) -> None:
    async with project_world(project(tmp_path)) as w:
        await w.runtime.schedules.run(w.scope, "tick", w.operator)
        await w.settle()
        await w.runtime.schedules.pause(w.scope, "tick", w.operator)
        begin(w)
        await w.runtime.schedules.run(w.scope, "tick", w.operator)
        await w.settle()
        assert len(w.runs()) == 2
        assert [tick.is_asked for tick in shown(w).recent] == [True, True]


@pytest.mark.req("SYM-88.9")
async def test_the_next_moments_are_shown(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        (view,) = w.runtime.schedules.list(w.scope, w.operator)
        now_us = w.clock.now_us()
        assert view.next_us == tuple(now_us + n * 60_000_000 for n in (1, 2, 3, 4, 5))
        with pytest.raises(NotFound, match="no schedule of this name"):
            shown(w, "nightly")


@pytest.mark.req("SYM-88.9")
async def test_customers_know_of_no_schedule(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        with pytest.raises(Denied):
            w.runtime.schedules.list(w.scope, Customer("customer-7"))
        with pytest.raises(Denied):
            await w.runtime.schedules.run(w.scope, "tick", Service("crm"))


# -- what programs begin -----------------------------------------------------------------------------------------

EVENT = TOML.replace("every_s = 60\n", "data = {kind = 1}\n")


@pytest.mark.req("GRE-80.3")
async def test_what_a_program_says_five_times_begins_once(tmp_path: Path) -> None:
    async with ticking(tmp_path, toml=EVENT) as w:
        fire: Callable[..., Any] = w.runtime.schedules.fire
        ticks = [await fire(w.scope, "tick", Service("hooks"), key="delivery-1", data={"n": 1}) for _ in range(4)]
        await w.restart()
        begin(w)
        ticks.append(await w.runtime.schedules.fire(w.scope, "tick", Service("hooks"), key="delivery-1", data={"n": 1}))
        await w.settle()
        assert {tick.id for tick in ticks} == {ticks[0].id}
        assert len(w.runs()) == 1
        (tick,) = shown(w).recent
        assert told(w, tick.run)["data"] == {"kind": 1, "n": 1}
        fire = w.runtime.schedules.fire
        with pytest.raises(Conflict, match="other data"):
            await fire(w.scope, "tick", Service("hooks"), key="delivery-1", data={"n": 2})
        await fire(w.scope, "tick", Service("hooks"), key="delivery-2", data={"n": 2})
        await w.settle()
        assert len(w.runs()) == 2


@pytest.mark.req("GRE-80.3")
async def test_what_a_program_may_say_is_bounded(tmp_path: Path) -> None:
    async with ticking(tmp_path, toml=EVENT) as w:
        for key, data, code in (("", {}, "key_invalid"), ("k", {"n": "x" * 40_000}, "input_too_large")):
            with pytest.raises(Invalid) as caught:
                await w.runtime.schedules.fire(w.scope, "tick", Service("hooks"), key=key, data=data)
            assert caught.value.code == code


# -- heartbeats --------------------------------------------------------------------------------------------------


def beating(context: str, more: str = "") -> str:
    return f'heartbeat = {{context = "{context}", after = 2, factor = 4, max_s = 480{more}}}\n'


@pytest.mark.req("SYM-91.1")
@pytest.mark.parametrize(("context", "known"), [("full", [0, 1, 2]), ("summary", [0, 1, 1]), ("fresh", [None] * 3)])
async def test_a_heartbeat_knows_of_the_ones_before_it_as_it_is_told(
    tmp_path: Path, context: str, known: list[int | None]
) -> None:
    async with ticking(tmp_path, beating(context).replace("after = 2", "after = 9")) as w:
        await w.clock.advance(180)
        found = [told(w, tick.run) for tick in by_due(shown(w).recent)]
        assert [len(each["before"]) if "before" in each else None for each in found] == known
        if context != "fresh":
            assert found[-1]["before"][-1] == {"occurred_at": found[-2]["occurred_at"], "answer": "all clear"}


@pytest.mark.req("SYM-91.1")
async def test_what_a_heartbeat_knows_carries_the_label_of_what_was_read(tmp_path: Path) -> None:
    reading = TOML.replace('agent = "shop.looker"\nevery_s', 'agent = "shop.reader"\nevery_s')
    reading = reading.replace('"agents.py:slow"', '"agents.py:slow", "agents.py:reader"')
    async with ticking(tmp_path, beating("summary"), toml=reading) as w:
        await w.clock.advance(120)
        first, second = by_due(shown(w).recent)
        records = [w.runtime.log(w.scope).record(run_stream(RunId(each.run or "")), 0) for each in (first, second)]
        assert [record.label.is_tainted for record in records] == [False, True]


@pytest.mark.req("SYM-91.2")
async def test_a_heartbeat_with_nothing_to_do_looks_less_often_until_there_is_something(tmp_path: Path) -> None:
    async with ticking(tmp_path, beating("fresh")) as w:
        await w.clock.advance(120)
        assert stages(w) == ["clear", "clear"]
        shown_as = shown(w).schedule
        assert shown_as.when == "every 60 s, heartbeat, now 240 s"
        assert shown_as.next_us[0] == w.clock.now_us() + 240_000_000
        await w.clock.advance(239)
        assert len(w.runs()) == 2
        await w.clock.advance(1)
        assert len(w.runs()) == 3
        await w.restart()
        begin(w)
        await w.clock.advance(240)
        assert len(w.runs()) == 4


@pytest.mark.req("SYM-91.3")
async def test_a_heartbeat_that_fails_looks_less_often_and_no_less_than_it_must(tmp_path: Path) -> None:
    broken = BROKEN.replace("3600", "60")
    async with ticking(tmp_path, beating("fresh"), toml=broken) as w:
        for wait_s in (60, 120, 240, 480, 480):
            before = len(w.runs())
            await w.clock.advance(wait_s - 1)
            assert len(w.runs()) == before
            await w.clock.advance(1)
            assert len(w.runs()) == before + 1


# -- what is wrong with it ---------------------------------------------------------------------------------------


@pytest.mark.req("SYM-88.3")
@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("every_s = 60", 'cron = "61 * * * *"', "cron_invalid", ":10: tenants.acme.schedules[0].cron"),
        ("every_s = 60", 'cron = "* * * * *"\ntimezone = "Europe/Berlim"', "timezone_unknown", ":11"),
        ("every_s = 60", "every_s = 0", "settings_invalid", ":10"),
        ("every_s = 60", 'every_s = 60\ncron = "* * * * *"', "settings_invalid", ":7"),
        ('name = "tick"\nagent = "shop.looker"', 'name = "tick"\nflow = "nobody"', "schedule_target_unknown", ":9"),
        ("every_s = 60", 'every_s = 60\nenv = "prod"', "env_unknown", ":11"),
        ("every_s = 60", 'cron = "* * * * *"\nheartbeat = {}', "settings_invalid", ":7"),
        ("every_s = 60", "every_s = 60\nevry = 1", "settings_invalid", ":11"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, code: str, place: str
) -> None:
    with pytest.raises(Invalid) as caught:
        load(project(tmp_path, toml=TOML.replace(old, new)), environ={})
    assert caught.value.code == code
    assert f"lichen.toml{place}" in str(caught.value.place)


@pytest.mark.req("SYM-88.12")
async def test_the_past_of_a_schedule_is_read_by_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule may have ticked for years: whoever is served meanwhile does not wait."""
    async with ticking(tmp_path) as w:
        await w.clock.advance(60)
        log = w.runtime.engine.journal(w.scope).log
        (schedule,) = w.runtime.ticker.of(w.scope)
        log.park(schedule.stream)
        load = Streams._load  # pyright: ignore[reportPrivateUsage]

        def seen(streams: Streams, stream: StreamId) -> Live:
            assert stream != schedule.stream, "it is folded while nobody else goes on"
            return load(streams, stream)

        monkeypatch.setattr(Streams, "_load", seen)
        await w.clock.advance(60)
        assert stages(w) == ["completed", "completed"]


# -- as lichen.toml says now -------------------------------------------------------------------------------------

SECOND = """
[[tenants.acme.schedules]]
name = "other"
agent = "shop.looker"
every_s = 60
"""


def rewrite(folder: Path, extra: str = "", *, toml: str = TOML) -> None:
    (folder / "lichen.toml").write_text(toml + extra)


async def reloaded(w: World) -> Reloaded:
    found = await w.runtime.reload(w.scope, w.operator)
    await w.settle()
    return found


@pytest.mark.req("SYM-88.11")
async def test_a_schedule_that_is_new_in_the_file_begins_without_a_restart(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        rewrite(tmp_path, SECOND)
        found = await reloaded(w)
        assert (found.schedules, found.broken, found.needs_restart) == (("acme/other",), (), ())
        assert (await reloaded(w)).schedules == (), "it is as it was"
        await w.clock.advance(3 * 60)
        assert stages(w, "other") == ["completed"] * 3
        assert stages(w) == ["completed"] * 3


@pytest.mark.req("SYM-88.11")
async def test_a_schedule_that_is_gone_from_the_file_begins_nothing_more_and_owes_nothing_when_it_comes_back(
    tmp_path: Path,
) -> None:
    async with ticking(tmp_path, SECOND) as w:
        await w.clock.advance(60)
        rewrite(tmp_path)
        assert (await reloaded(w)).schedules == ("acme/other",)
        with pytest.raises(NotFound):
            shown(w, "other")
        await w.clock.advance(HOUR)
        rewrite(tmp_path, SECOND)
        await reloaded(w)
        assert stages(w, "other") == ["completed"], "its past is known, and the hour is not made up for"
        await w.clock.advance(60)
        assert stages(w, "other") == ["completed"] * 2


@pytest.mark.req("SYM-88.11")
async def test_a_schedule_that_is_another_owes_nothing_of_the_old_and_what_has_begun_goes_on(tmp_path: Path) -> None:
    slow = TOML.replace('agent = "shop.looker"\nevery_s = 60', 'agent = "shop.slow"\nevery_s = 60')
    async with ticking(tmp_path, toml=slow) as w:
        await w.clock.advance(61)
        assert stages(w) == ["begun"]
        rewrite(tmp_path, toml=slow.replace("every_s = 60", "every_s = 3600"))
        assert (await reloaded(w)).schedules == ("acme/tick",)
        await w.clock.advance(10 * 60)
        assert stages(w) == ["completed"], "the run that was under way ended, and nothing else began"
        await w.clock.advance(HOUR)
        assert stages(w) == ["completed", "completed"]


@pytest.mark.req("SYM-88.11")
async def test_what_is_paused_stays_so_although_it_is_another_while_a_tick_is_due(tmp_path: Path) -> None:
    async with ticking(tmp_path, "jitter_s = 50\n") as w:
        await w.clock.advance(59)
        await w.runtime.schedules.pause(w.scope, "tick", w.operator)
        rewrite(tmp_path, "jitter_s = 10\n")
        await reloaded(w)
        await w.clock.advance(HOUR)
        assert (stages(w), shown(w).schedule.state) == ([], "paused")
        await w.runtime.schedules.resume(w.scope, "tick", w.operator)
        await w.clock.advance(80)
        assert stages(w) == ["completed"]


@pytest.mark.req("SYM-88.11")
async def test_while_there_is_a_mistake_in_the_file_schedules_stay_as_they_were(tmp_path: Path) -> None:
    async with ticking(tmp_path) as w:
        rewrite(tmp_path, SECOND.replace("every_s = 60", 'cron = "never"'))
        found = await reloaded(w)
        assert (found.schedules, [each.code for each in found.broken]) == ((), ["cron_invalid"])
        await w.clock.advance(60)
        assert stages(w) == ["completed"]


@pytest.mark.req("SYM-88.11")
async def test_where_nobody_serves_a_new_schedule_is_shown_and_begins_nothing(tmp_path: Path) -> None:
    async with project_world(project(tmp_path)) as w:
        rewrite(tmp_path, SECOND)
        await reloaded(w)
        await w.clock.advance(HOUR)
        assert stages(w, "other") == []
        assert shown(w, "other").schedule.next_us
