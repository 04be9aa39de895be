"""The kill switches: what is stopped now. Read before every decision and before every effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from lichen.core.words.scope import Scope

StopKind = Literal["tenant", "agent", "tool", "run"]


class Stop(msgspec.Struct, frozen=True):
    """A switch that is on. A stopped tenant is all of one environment of it, and needs no name."""

    kind: StopKind
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}{' ' if self.name else ''}{self.name} is stopped: {self.reason}"


class Switches:
    """Every switch of the process."""

    def __init__(self) -> None:
        self._stops: dict[tuple[str, str, StopKind, str], Stop] = {}

    def stop(self, scope: Scope, kind: StopKind, name: str, reason: str) -> None:
        """Turns a switch on, from now and for whatever is asked next."""
        stop = Stop(kind, "" if kind == "tenant" else name, reason)
        self._stops[scope.tenant, scope.env, kind, stop.name] = stop

    def start(self, scope: Scope, kind: StopKind, name: str) -> None:
        """Turns a switch off; nothing happens if it is not on."""
        self._stops.pop((scope.tenant, scope.env, kind, "" if kind == "tenant" else name), None)

    def stops(self, scope: Scope) -> list[Stop]:
        """The switches that are on in this tenant and environment."""
        return [stop for key, stop in self._stops.items() if key[:2] == (scope.tenant, scope.env)]

    def find(self, scope: Scope, *, run: str | None, agent: str | None, tool: str | None) -> Stop | None:
        """The first switch that is on for any of these. Stopping a run stops the runs it started."""
        if not self._stops:
            return None
        for kind, name in _switches(run, agent, tool):
            stop = self._stops.get((scope.tenant, scope.env, kind, name))
            if stop is not None:
                return stop
        return None


def _switches(run: str | None, agent: str | None, tool: str | None) -> Iterator[tuple[StopKind, str]]:
    yield "tenant", ""
    if agent is not None:
        yield "agent", agent
    if tool is not None:
        yield "tool", tool
    while run:
        yield "run", run
        run = run.rpartition(".")[0]
