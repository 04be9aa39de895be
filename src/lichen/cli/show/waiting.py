"""Replies that have not left yet: why each waits, until when, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen


def tell_waiting(screen: Screen, replies: Sequence[dict[str, Any]]) -> None:
    """Each in a line, and under it what helps."""
    for each in replies:
        until = f"; tried again {moment(each['until_us'])}" if each["until_us"] else ""
        what = f"{each['message']} ({each['kind']}) at {each['channel']}"
        screen.line(f"  not sent    {what}: {each['reason']} ({each['code']}){until}", "yellow")
        if each["code"] != "behind":
            screen.line(f"              {each['next_step']}", "dim")
