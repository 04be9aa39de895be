"""`[[tenants.NAME.schedules]]`: what is to happen by itself, when, and what becomes of a moment that was missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.settings.schedules.times import Times, as_us, check_cron, zone_of

SCHEDULES_MAX: Final = 200  # of a tenant
CATCH_UP_MAX: Final = 100  # moments that are made up for, of however many were missed
QUEUE_MAX: Final = 100  # ticks that wait for the one before them
DATA_BYTES_MAX: Final = 32 * 1024

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,47}$")]
CatchUp = Literal["none", "once", "all"]
Overlap = Literal["skip", "queue", "allow"]
Context = Literal["full", "summary", "fresh"]


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent that looks after something: what it knows of its ticks before, and when it looks less often.

    `context`: what the last twenty ticks answered (`full`), the last one (`summary`), or nothing (`fresh`). An answer
    that begins with `all_clear` says that nothing was to be done: after `after` of these in a row the interval is
    `factor` times as long, and after each failure twice as long as before, `max_s` at most. Whatever else comes sets it
    back.
    """

    context: Context = "full"
    all_clear: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "all clear"
    after: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 5
    factor: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    max_s: Annotated[int, msgspec.Meta(ge=1, le=31_622_400)] = 86_400


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One schedule: an `agent` or a `flow`, and when it begins: by a `cron` expression of five or six fields, `every_s`
    seconds, or `at` one moment; by none of them only when a program says so.

    `timezone` is that of `cron`. Each tick begins up to `jitter_s` seconds later, always as much. Of moments that were
    missed none is made up for, the last one (`once`), or each (`all`, of a hundred). A tick that comes before the one
    before it ended is left out, waits its turn (`queue`), or begins beside it (`allow`). `text` is said to the agent,
    `data` is given to it or the flow. What failed is tried again `retries` times, the first time `retry_s` seconds
    later and each time after twice that. `env` is needed where the tenant has several environments.
    """

    name: Name
    agent: str | None = None
    flow: str | None = None
    cron: str | None = None
    every_s: Annotated[int, msgspec.Meta(ge=1, le=31_622_400)] | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    jitter_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    catch_up: CatchUp = "once"
    overlap: Overlap = "skip"
    text: Annotated[str, msgspec.Meta(max_length=8_000)] = ""
    data: dict[str, Any] = {}
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    retry_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 30
    env: str | None = None
    heartbeat: Heartbeat | None = None

    def __post_init__(self) -> None:
        if (self.agent is None) == (self.flow is None):
            raise ValueError("a schedule names either an agent or a flow")
        if sum(each is not None for each in (self.cron, self.every_s, self.at)) > 1:
            raise ValueError("a schedule has one of `cron`, `every_s` and `at`")
        if self.heartbeat is not None and self.every_s is None:
            raise ValueError("a heartbeat needs `every_s`")
        if len(msgspec.json.encode(self.data)) > DATA_BYTES_MAX:
            raise ValueError(f"`data` has more than {DATA_BYTES_MAX} bytes")

    @property
    def target(self) -> str:
        """The name of what it begins: flows are hosted as agents."""
        return self.agent or self.flow or ""

    @property
    def times(self) -> Times:
        """When it begins. A moment without an offset is one of its time zone."""
        at_us = 0
        if self.at is not None:
            at = self.at if self.at.tzinfo is not None else self.at.replace(tzinfo=zone_of(self.timezone))
            at_us = as_us(at.astimezone(UTC))
        return Times(self.cron or "", self.every_s or 0, at_us, self.timezone)

    def is_in(self, env: str, environments: Sequence[str]) -> bool:
        """Whether an environment of its tenant has it."""
        return env == (self.env or environments[0])


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with the schedules of a tenant beside each by itself, and with which."""

    number: int
    key: str
    message: str
    code: str
    next_step: str


def _wrong_times(number: int, schedule: Schedule) -> Iterator[Wrong]:
    """A time zone that there is not, and what is no cron expression."""
    try:
        zone_of(schedule.timezone)
    except ValueError as error:
        step = "Name one as the tz database does, such as Europe/Berlin or UTC."
        yield Wrong(number, "timezone", sentence(error), code="timezone_unknown", next_step=step)
    try:
        if schedule.cron is not None:
            check_cron(schedule.cron)
    except ValueError as error:
        step = "Five fields are minute, hour, day of month, month, day of week; a sixth before them are seconds."
        yield Wrong(number, "cron", sentence(error), code="cron_invalid", next_step=step)


def sentence(error: Exception) -> str:
    """What an error says, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def wrong_with_schedules(schedules: Sequence[Schedule], environments: Sequence[str]) -> Iterator[Wrong]:
    """Names that are there twice, environments that are not, and schedules that do not say which they mean."""
    known = ", ".join(environments)
    for number, each in enumerate(schedules):
        yield from _wrong_times(number, each)
    for number, each in enumerate(schedules):
        if any(other.name == each.name for other in schedules[:number]):
            message = f"There are two schedules named {each.name!r}."
            yield Wrong(number, "name", message, code="schedule_twice", next_step="Give one of them another name.")
        if each.env is None and len(environments) > 1:
            message = f"The tenant has several environments, and {each.name!r} names none."
            yield Wrong(number, "name", message, code="env_ambiguous", next_step=f"Add env = one of: {known}.")
        if each.env is not None and each.env not in environments:
            yield Wrong(
                number,
                "env",
                f"There is no environment {each.env!r}.",
                code="env_unknown",
                next_step=f"Name one of: {known}.",
            )
