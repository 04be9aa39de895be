"""When a schedule is due: cron at both edges of summer time, intervals, one moment, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from lichen.settings.schedules.times import (
    DUES_MAX,
    Times,
    as_moment,
    as_us,
    check_cron,
    dues,
    following,
    jitter_us,
    upcoming,
    zone_of,
)

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)


def shown(cron: str, after: datetime, count: int, zone: str = BERLIN) -> list[str]:
    """The next moments, as clocks there show them."""
    found = upcoming(Times(cron=cron, zone=zone), as_us(after), count)
    return [as_moment(each, zone).strftime("%d %H:%M:%S%z") for each in found]


@pytest.mark.req("SYM-88.1")
@pytest.mark.parametrize(
    ("cron", "first"),
    [
        ("*/15 * * * *", "28 13:15:00+0100"),
        ("0 9 * * MON-FRI", "30 09:00:00+0200"),
        ("0 9 1,15 * *", "01 09:00:00+0200"),
        ("0 0 L * *", "31 00:00:00+0200"),
        ("30 0 9 * * 1", "30 09:00:30+0200"),
        ("*/20 * * * * *", "28 13:00:20+0100"),
    ],
)
def test_five_fields_are_minutes_and_on_and_six_begin_with_seconds(cron: str, first: str) -> None:
    assert shown(cron, SPRING, 1) == [first]


@pytest.mark.req("SYM-88.2")
def test_a_time_that_clocks_leave_out_in_spring_begins_when_they_have_gone_on() -> None:
    assert shown("30 2 * * *", SPRING, 3) == ["29 03:00:00+0200", "30 02:30:00+0200", "31 02:30:00+0200"]


@pytest.mark.req("SYM-88.2")
def test_a_time_that_clocks_show_twice_in_autumn_begins_once() -> None:
    assert shown("30 2 * * *", AUTUMN, 3) == ["25 02:30:00+0200", "26 02:30:00+0100", "27 02:30:00+0100"]


@pytest.mark.req("SYM-88.2")
def test_what_comes_every_half_hour_comes_every_half_hour_of_real_time_when_clocks_change() -> None:
    times = Times(cron="*/30 * * * *", zone=BERLIN)
    for day in (SPRING, AUTUMN):
        found = upcoming(times, as_us(day), 48)
        assert {later - earlier for earlier, later in pairwise(found)} == {1_800_000_000}


@pytest.mark.req("SYM-88.2")
@pytest.mark.parametrize("cron", ["30 2 * * *", "0,30 2 * * *", "15 1-3 * * *", "*/7 * * * *", "0 30 2 * * *"])
@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_moments_found_one_after_the_other_are_those_found_at_once(cron: str, day: datetime) -> None:
    times, after = Times(cron=cron, zone=BERLIN), as_us(day)
    at_once = upcoming(times, after, 40)
    step: list[int] = []
    for _ in at_once:
        after = next(following(times, after))
        step.append(after)
    assert tuple(step) == at_once
    assert list(at_once) == sorted(set(at_once))


@pytest.mark.req("SYM-88.3")
@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("61 * * * *", "bad minute"),
        ("* * *", "wrong number of fields"),
        ("* * * * * * *", "wrong number of fields"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("", "wrong number of fields"),
    ],
)
def test_what_is_no_cron_expression_is_refused(cron: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_cron(cron)


@pytest.mark.req("SYM-88.3")
@pytest.mark.parametrize("name", ["Europe/Berlim", "", "../../etc/passwd", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_of(name)


@pytest.mark.req("SYM-89.1")
def test_moments_that_were_missed_are_counted_and_the_newest_kept() -> None:
    found = dues(Times(every_s=60), 0, 10 * 60_000_000 + 1, newest=2)
    assert found == ((540_000_000, 600_000_000), 8, 60_000_000)
    assert dues(Times(cron="* * * * *"), 0, 600_000_000, newest=2) == found
    assert dues(Times(at_us=5), 0, 9, newest=2) == ((5,), 0, 5)
    assert dues(Times(at_us=5), 5, 9, newest=2).newest == ()


@pytest.mark.req("SYM-89.1")
def test_a_year_of_missed_seconds_is_looked_at_in_a_moment() -> None:
    year_us = 365 * 86_400 * 1_000_000
    found = dues(Times(every_s=1), 0, year_us, newest=3)
    assert (found.newest[-1], found.before) == (year_us, 365 * 86_400 - 3)
    by_cron = dues(Times(cron="* * * * * *"), 0, year_us, newest=3)
    assert by_cron.newest == found.newest
    assert by_cron.before >= DUES_MAX
    assert by_cron.first_us == 1_000_000


@pytest.mark.req("SYM-88.4")
def test_a_tick_is_put_off_by_as_much_each_time_it_is_asked_and_others_by_other_times() -> None:
    once = [jitter_us("nightly", due, 60.0) for due in range(100)]
    assert once == [jitter_us("nightly", due, 60.0) for due in range(100)]
    assert all(0 <= each < 60_000_000 for each in once)
    assert len(set(once)) > 90
    assert once[0] != jitter_us("hourly", 0, 60.0)
    assert jitter_us("nightly", 0, 0.0) == 0
