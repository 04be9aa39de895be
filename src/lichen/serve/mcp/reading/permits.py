"""Which resources are let be read: those that the configuration allows, less what it or the request denies.

Nothing is readable that nobody allowed. A request's header takes more away, or adds what the configuration says that
requests may add; what an actor may read at all is decided elsewhere, and by no header.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection

from lichen.settings.file import ServeMcp

ALLOW_HEADER: Final = "x-mcp-allow-names"
DENY_HEADER: Final = "x-mcp-deny-names"


class Permits:
    """What one request may read. The headers are names, separated by commas."""

    def __init__(self, rules: ServeMcp, connection: HTTPConnection) -> None:
        wanted = _names(connection, ALLOW_HEADER)
        self._added = wanted & set(rules.on_request)
        self._allowed = set(rules.allow) - set(rules.deny) - (_names(connection, DENY_HEADER) - wanted)

    def let(self, name: str) -> bool:
        """Whether a resource of this name is readable."""
        return name in self._added or name in self._allowed


def _names(connection: HTTPConnection, header: str) -> set[str]:
    return {name.strip() for name in connection.headers.get(header, "").split(",") if name.strip()}
