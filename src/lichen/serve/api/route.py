"""What a route is: where it listens, which action it is for, what it takes, and who answers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lichen.serve.http.auth import Access
from lichen.serve.http.errors import JSON
from lichen.serve.http.exchange import BODY_BYTES_MAX, Body, Handler, Nothing


class ApiRoute(NamedTuple):
    """One route. `path` is relative to the version's prefix; `access` is the action that its operation asks for.

    `query` and `body` are all it takes, `media` is what it answers with. `fails` are the statuses it can end with
    besides those every route has; `takes_key`: a repeated `Idempotency-Key` is the same request. Where more than
    `BODY_BYTES_MAX` is taken, nothing is read of whoever may not send it.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    access: Access
    handler: Handler
    query: type[Body] = Nothing
    body: type[Body] = Nothing
    media: str = JSON
    fails: tuple[int, ...] = ()
    takes_key: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
