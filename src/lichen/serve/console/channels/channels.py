"""Channels: how each is, what came and went, what is amiss and what mends it. Looking asks no platform anything."""

from __future__ import annotations

from html import escape
from typing import Final

import msgspec

from lichen.core.words.errors import NotFound
from lichen.runtime.channels.traffic import MINUTE_US, MINUTES, Minute
from lichen.runtime.operations.channels.health import ChannelHealth
from lichen.serve.console.visit import Visit
from lichen.serve.page.words import clock

STEP, WIDTH, HEIGHT = 4.0, 3.0, 26.0
LEAST: Final = 2.0


class ChannelBook(msgspec.Struct, frozen=True):
    """Every channel of the scope, by name. `outside` is the address below which platforms reach this server, as the
    visitor does."""

    channels: tuple[ChannelHealth, ...]
    outside: str


class ChannelPage(msgspec.Struct, frozen=True):
    """One channel."""

    channel: ChannelHealth
    outside: str


async def listing(visit: Visit) -> ChannelBook:
    """How every channel is."""
    return ChannelBook(await visit.runtime.channel_health.list(visit.scope, visit.actor), visit.origin)


async def show(visit: Visit) -> ChannelPage:
    """How the channel of the path is. Raises NotFound (`channel_unknown`)."""
    name = visit.part("name")
    book = await listing(visit)
    found = next((each for each in book.channels if each.name == name), None)
    if found is None:
        raise NotFound("There is no such channel here.", code="channel_unknown", next_step="Choose one of the list.")
    return ChannelPage(found, book.outside)


def strips(visit: Visit, book: ChannelBook) -> dict[str, str]:
    """For each channel, a strip of its last hour."""
    return {each.name: strip(each, visit.now_us) for each in book.channels}


def drawing(visit: Visit, page: ChannelPage) -> str:
    """The strip of one."""
    return strip(page.channel, visit.now_us)


def strip(channel: ChannelHealth, now_us: int) -> str:
    """The last hour, a bar for each minute in which something went out: what came through, and on top what did not."""
    minutes = channel.sent.minutes
    if not minutes:
        return ""
    most = max(each.delivered + each.troubled for each in minutes)
    first_us = now_us - now_us % MINUTE_US - (MINUTES - 1) * MINUTE_US
    bars = "".join(_bar(each, (each.at_us - first_us) // MINUTE_US, most) for each in minutes if each.at_us >= first_us)
    there, not_there = sum(each.delivered for each in minutes), sum(each.troubled for each in minutes)
    told = f"The last hour: {there} delivered, {not_there} not"
    box = f"0 0 {MINUTES * STEP:.0f} {HEIGHT:.0f}"
    size = f'width="{MINUTES * STEP:.0f}" height="{HEIGHT:.0f}"'
    rule = f'<line class="rule" x1="0" x2="{MINUTES * STEP:.0f}" y1="{HEIGHT:.0f}" y2="{HEIGHT:.0f}"/>'
    return f'<svg class="ticks" viewBox="{box}" {size} role="img" aria-label="{escape(told)}">{rule}{bars}</svg>'


def _bar(minute: Minute, at: int, most: int) -> str:
    title = f"<title>{clock(minute.at_us)[:5]}: {minute.delivered} delivered, {minute.troubled} not</title>"
    there = _height(minute.delivered, most)
    good = _rect("ok", at, HEIGHT - there, there)
    bad_height = _height(minute.troubled, most)
    return f"<g>{title}{good}{_rect('failed', at, HEIGHT - there - bad_height, bad_height)}</g>"


def _height(count: int, most: int) -> float:
    return max(LEAST, (HEIGHT - LEAST) * count / most) if count else 0.0


def _rect(tone: str, at: int, y: float, height: float) -> str:
    place = f'x="{at * STEP:.0f}" y="{max(0.0, y):.1f}" width="{WIDTH:.0f}" height="{height:.1f}"'
    return f'<rect class="{tone}" {place}/>' if height else ""
