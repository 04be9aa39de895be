"""Requests to the runtime as somebody, somewhere: the one way in for every command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from lichen.cli.here.connection import Connection
from lichen.cli.here.stream import Frame

ANSWER_S = 30.0


class Client:
    """Speaks through a connection, each request under the same headers: the tenant, the actor or the key."""

    def __init__(self, connection: Connection, headers: Mapping[str, str]) -> None:
        self.connection = connection
        self._headers = dict(headers)

    @property
    def headers(self) -> Mapping[str, str]:
        """What says where and who."""
        return self._headers

    def within(self, tenant: str, env: str) -> Client:
        """The same, in a tenant's environment."""
        return Client(self.connection, {**self._headers, "Lichen-Tenant": tenant, "Lichen-Env": env})

    def get(self, path: str, *, wait_s: float = 0.0, **query: Any) -> Any:
        """What is at a path, such as `runs/run-1`."""
        fields = {name: value for name, value in query.items() if value is not None}
        if wait_s:
            fields["wait_s"] = wait_s
        target = f"{path}?{urlencode(fields)}" if fields else path
        return self.connection.request("GET", target, None, headers=self._headers, answer_s=ANSWER_S + wait_s)

    def stream(self, path: str, *, after: str | None = None) -> Iterator[Frame]:
        """The events at a path, after the one of this id, until they end. Raises StreamCut, and what `get` raises."""
        headers = self._headers if after is None else {**self._headers, "Last-Event-ID": after}
        return self.connection.stream(path, headers=headers)

    def post(
        self, path: str, fields: Mapping[str, Any] | None = None, *, key: str | None = None, answer_s: float = ANSWER_S
    ) -> Any:
        """Sends fields to a path. It counts once, however often it has to be sent."""
        data = json.dumps({name: value for name, value in (fields or {}).items() if value is not None}).encode()
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": key or _new_key()}
        return self.connection.request("POST", path, data, headers=headers, answer_s=answer_s)

    def delete(self, path: str) -> Any:
        """Removes what is at a path."""
        return self.connection.request("DELETE", path, None, headers=self._headers, answer_s=ANSWER_S)


def _new_key() -> str:
    """An idempotency key that nobody used."""
    return os.urandom(16).hex()  # noqa: TID251 - the command line is where a request and its key come into being


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
