"""What a project says of one HTTP API that an OpenAPI document describes: where it is, and what its operations are in
truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from lichen.core.ports.call import Origin
from lichen.core.remote.server import Seconds
from lichen.core.words.scope import Scope


class OperationTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an operation better than its method says. `name` is the last part of its tool's name, `confirm`
    the question to whom it is wanted for. What it reads is checked by its `documented` schema, or by none (`any`).
    """

    effects: Literal["none", "idempotent", "once"] | None = None
    origin: Origin | None = None
    timeout_s: Seconds | None = None
    answers: Literal["documented", "any"] = "documented"
    name: str = ""
    confirm: str = ""
    tags: tuple[str, ...] = ()


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API. `url` is where its paths begin, `urls` is the same for an environment (`dev`) or a tenant's
    (`acme/dev`). Nothing else is asked, whatever the document says of servers. A name leads to no address
    that is not public, unless the API is `private`; an address that stands in a URL is meant.

    `only` and `without` name operations: by their `operationId`, or as `GET /orders/{id}`. `secrets` are, by the names
    of the document's security schemes, those of whoever calls.
    """

    name: str
    url: str = ""
    urls: Mapping[str, str] = {}
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    secrets: Mapping[str, str] = {}
    origin: Origin = "third_party"
    timeout_s: Seconds = 30.0
    private: bool = False
    operations: Mapping[str, OperationTerms] = {}

    def __post_init__(self) -> None:
        for url in filter(None, (self.url, *self.urls.values())):
            check_url(url, is_trusted=bool(self.secrets))
        if not self.url and not self.urls:
            raise ValueError(f"the API {self.name} needs a `url`")

    def url_in(self, scope: Scope) -> str:
        """Where its paths begin for a scope; empty where it is not there."""
        return self.urls.get(f"{scope.tenant}/{scope.env}") or self.urls.get(scope.env) or self.url


def check_url(url: str, *, is_trusted: bool) -> None:
    """Raises ValueError for what is no place where paths begin. To whom secrets are sent in the clear is ourselves."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("this is no URL") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a url begins with http:// or https:// and names a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a url holds no user, query or fragment")
    if is_trusted and parts.scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("secrets go to https:// only")
