"""Which agent or flow has a conversation: the first route of the tenant that fits its channel and what begins it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from lichen.core.deciders.events import DoubleTexting

ANY = "*"


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `routes` in the settings. Exactly one of `agent` and `flow` is named; `channel` may be `*`.

    `path` is what stands behind the tenant in the address of a webhook. `where` holds, by JSON pointer, what stands in
    the message's data beside its words; `*` for anything.

    `double_texting` says what happens to a message that comes while an earlier one is being answered.
    """

    channel: str = ANY
    agent: str | None = None
    flow: str | None = None
    double_texting: DoubleTexting = "enqueue"
    path: str = ""
    where: Mapping[str, str | int | bool] = {}

    def __post_init__(self) -> None:
        if (self.agent is None) == (self.flow is None):
            raise ValueError("a route names either an agent or a flow")

    @property
    def target(self) -> str:
        """The name of what it leads to: flows are hosted as agents."""
        return self.agent or self.flow or ""


def find(routes: Sequence[Route], channel: str, path: str = "", said: Mapping[str, Any] = {}) -> Route | None:
    """The first route for this channel, path and data, or None."""
    return next((route for route in routes if _fits(route, channel, path, said)), None)


def _fits(route: Route, channel: str, path: str, said: Mapping[str, Any]) -> bool:
    if route.channel not in (channel, ANY) or route.path not in ("", path):
        return False
    return all(_is_there(said, pointer, wanted) for pointer, wanted in route.where.items())


def _is_there(said: Any, pointer: str, wanted: str | int | bool) -> bool:
    """Whether a value stands at a JSON pointer (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(said, Mapping) and name in said:
            said = cast("Mapping[str, Any]", said)[name]
        elif isinstance(said, list) and name.isdecimal() and int(name) < len(cast("list[Any]", said)):
            said = cast("list[Any]", said)[int(name)]
        else:
            return False
    return wanted == ANY or (said == wanted and isinstance(said, bool) == isinstance(wanted, bool))
