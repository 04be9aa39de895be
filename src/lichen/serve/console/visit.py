"""One request of a signed-in operator, as a page sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request

from lichen.core.reading.misfits import read_as
from lichen.core.words.scope import Actor, Scope
from lichen.gate.rules.schema import Action
from lichen.runtime.runtime import Runtime
from lichen.serve.http.auth import Caller
from lichen.serve.http.exchange import auditing
from lichen.serve.http.state import site_of

T = TypeVar("T")


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what an address may carry after its question mark; unknown fields are refused."""


class Visit:
    """What a page works with. `scope` and `actor` are the signed-in person's; no page takes them from anywhere else."""

    def __init__(self, runtime: Runtime, request: Request, caller: Caller, form: Mapping[str, str]) -> None:
        self.runtime = runtime
        self.caller = caller
        self.form = form
        self._request = request

    @property
    def scope(self) -> Scope:
        """The scope of the signed-in person."""
        return self.caller.scope()

    @property
    def actor(self) -> Actor:
        """The signed-in person."""
        return self.caller.actor()

    @property
    def now_us(self) -> int:
        """The runtime's clock, in microseconds since 1970."""
        return self.runtime.engine.services.clock()

    @property
    def origin(self) -> str:
        """The address by which the visitor reaches this server."""
        return f"{self._request.url.scheme}://{self._request.url.netloc}"

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to end."""
        return site_of(self._request).draining

    def part(self, name: str) -> str:
        """A part of the path."""
        return self._request.path_params[name]

    def query(self, kind: type[T]) -> T:
        """The query as `kind`; empty fields, as forms send them, do not count. Raises Invalid (`query_invalid`)."""
        given = {name: value for name, value in self._request.query_params.items() if value}
        return read_as(lambda: msgspec.convert(given, kind, strict=False), "query_invalid")

    @contextmanager
    def audit(self) -> Generator[None]:
        """Held while a whole log is read. Raises TooMany (`all_taken`)."""
        with auditing(self._request, self.scope):
            yield


Drawn = str | Mapping[str, str] | None
"""What only people see of a page: one picture (SVG), or several by name."""


class Page(NamedTuple):
    """A page: where it is under `/console`, who may see it, what it shows, and the template that draws that.

    `draw` makes what only people see.
    """

    path: str
    access: Action
    show: Callable[[Visit], Awaitable[Any]]
    template: str
    draw: Callable[[Visit, Any], Drawn] = lambda visit, view: None


class Outcome(NamedTuple):
    """What an act ends with: the address to go on to, or a view to show at once with its template."""

    address: str = ""
    template: str = ""
    view: Any = None


class Act(NamedTuple):
    """Something a form does. The person's token was compared before it is done."""

    path: str
    access: Action
    do: Callable[[Visit], Awaitable[Outcome]]
