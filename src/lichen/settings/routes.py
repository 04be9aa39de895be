"""Which agent or flow has a conversation: the first route of the tenant that fits its channel."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lichen.core.deciders.events import DoubleTexting

ANY = "*"


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `routes` in the settings. Exactly one of `agent` and `flow` is named; `channel` may be `*`.

    `double_texting` says what happens to a message that comes while an earlier one is being answered.
    """

    channel: str = ANY
    agent: str | None = None
    flow: str | None = None
    double_texting: DoubleTexting = "enqueue"

    def __post_init__(self) -> None:
        if (self.agent is None) == (self.flow is None):
            raise ValueError("a route names either an agent or a flow")

    @property
    def target(self) -> str:
        """The name of what it leads to: flows are hosted as agents."""
        return self.agent or self.flow or ""


def find(routes: Sequence[Route], channel: str) -> Route | None:
    """The first route for this channel, or None."""
    return next((route for route in routes if route.channel in (channel, ANY)), None)
