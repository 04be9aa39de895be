"""Agents of somebody else at our doors: a credential is looked at before a route asks who comes.

It comes as `Authorization: AgentPin CREDENTIAL`, or `Bearer` as MCP clients have it. Beside it may stand
`AgentPin-Attestation`, by which the agent delegates to ours, and `AgentPin-Challenge`, which is answered in the
response by `AgentPin-Response`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lichen.core.words.errors import LichenError
from lichen.serve.http.auth import CREDENTIAL
from lichen.serve.http.limits import Rates, Slots, client_of

if TYPE_CHECKING:
    from lichen.runtime.access.credentials import Credentials, Shown

DOORS: Final = ("/api/v1/", "/mcp")
LOOKED_PER_S, LOOKED_BURST = 200.0, 400  # of one address
LOOKING_MAX, LOOKING_MAX_EACH = 64, 8  # at once, in all and for one address


class Presented:
    """Puts what a credential is into the request, for whoever recognises callers."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app, self._credentials = app, credentials
        self._rates = Rates(per_s=LOOKED_PER_S, burst=LOOKED_BURST)
        self._slots = Slots(most=LOOKING_MAX, most_each=LOOKING_MAX_EACH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Looks at the credential of a request to the API or to `/mcp`, if it has one."""
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["path"].startswith(DOORS) else None
        text = credential_in(headers) if headers is not None else None
        if headers is None or text is None:
            await self._app(scope, receive, send)
            return
        try:
            found = scope[CREDENTIAL] = await self._looked(HTTPConnection(scope), text, headers)
        except LichenError as error:
            scope[CREDENTIAL] = error
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, await self._answering(found, headers, send))

    async def _looked(self, connection: HTTPConnection, text: str, headers: Headers) -> Shown:
        client = client_of(connection)
        self._rates.take(client)
        self._slots.check(client)
        with self._slots.holding(client):
            return await self._credentials.check(text, headers.get("agentpin-attestation", ""))

    async def _answering(self, found: Shown, headers: Headers, send: Send) -> Send:
        """What sends a response with our answer to the request's challenge."""
        asked = headers.get("agentpin-challenge")
        said = await self._credentials.answer(found, asked) if asked is not None else None
        if said is None:
            return send

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["agentpin-response"] = said
            await send(message)

        return answered


def credential_in(headers: Mapping[str, str]) -> str | None:
    """The credential that a request carries. No key of ours has a dot in it."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    is_one = scheme.lower() == "agentpin" or (scheme.lower() == "bearer" and text.count(".") == 2)
    return text.strip() if is_one else None
