"""What a route is: where it listens, what the caller must be allowed to do, and who answers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lichen.serve.auth import Access
from lichen.serve.exchange import Handler


class ApiRoute(NamedTuple):
    """One route. `path` is relative to the version's prefix; `access` is checked before the handler runs.

    `owner_may`: for the owner of the data directory, who can read the files anyway, it need not be said who asks.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    access: Access
    handler: Handler
    owner_may: bool = False
