"""What the routes of one application and its server share while it serves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from lichen.serve.http.limits import Slots

if TYPE_CHECKING:
    from lichen.serve.http.messages import Messages
    from lichen.serve.http.metrics import Metrics

STREAMS_MAX, STREAMS_MAX_EACH = 1_000, 200  # open at once, in all and in one log
AUDITS_MAX = 4  # readings of a whole log at once

Reserved = Callable[[HTTPConnection], bool]
"""Whether a request is an operator's, for whom places are reserved where a port is full."""


class Answer(NamedTuple):
    """A whole answer, ready to be sent."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Short(Protocol):
    """A way past middleware and routes for one kind of request, which comes often. It answers as they would."""

    @property
    def path(self) -> re.Pattern[bytes]:
        """What the address of such a request looks like. All of them are posted."""
        ...

    def takes(self, request: HTTPConnection, body: bytes, answered: Callable[[Answer], None]) -> bool:
        """Takes a request, which came whole, and answers it later; or leaves it to the routes and has done nothing."""
        ...


class Site:
    """The state of one application. It drains before it closes, and it closes before it is gone.

    `messages` counts what customers say, `metrics` what is answered; None where nobody counts. `short` is the way of
    the requests that come most often.
    """

    def __init__(
        self,
        *,
        messages: Messages | None = None,
        metrics: Metrics | None = None,
        reserved: Reserved = lambda request: False,
        short: Short | None = None,
    ) -> None:
        self.messages, self.metrics, self.reserved, self.short = messages, metrics, reserved, short
        self.draining = False  # it takes no new work from now on: `/readyz` says so
        self.closing = asyncio.Event()  # sends long polls and streams home
        self.audits = Slots(most=AUDITS_MAX, most_each=1)
        self.streams = Slots(most=STREAMS_MAX, most_each=STREAMS_MAX_EACH)

    def drain(self) -> None:
        """Sends home whoever waits; what has begun may end."""
        self.draining = True
        self.closing.set()

    def of(self, app: Starlette) -> Starlette:
        """The application with this state, which its routes find by `site_of`."""
        app.state.site = self
        return app


def site_of(connection: HTTPConnection) -> Site:
    """The state of the application that answers a request or WebSocket."""
    return of_app(connection.app)


def of_app(app: Starlette) -> Site:
    """The state of an application."""
    found = app.state.site
    assert isinstance(found, Site), "an application is made with the state its routes share"
    return found
