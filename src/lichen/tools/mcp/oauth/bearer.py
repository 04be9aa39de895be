"""Tokens for one MCP server, as they are kept and used: sent to its own address, and renewed where they came from.

While a call is made no word of the server's is followed: where tokens are renewed was found out at the sign-in.
A token that was issued for another address is not sent at all.

Sources: Model Context Protocol 2025-11-25, authorization; RFC 6749, RFC 8707.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from lichen.core.remote.server import Server
from lichen.core.words.errors import Invalid, NotFound, Unavailable
from lichen.tools.mcp.oauth.tokens import Tokens

_AS: Final = {"tenant": "", "person": " --as PERSON"}
EARLY_S: Final = 30.0  # before it expires a token is renewed


class Signed(msgspec.Struct, frozen=True):
    """What came of a sign-in: for which address and by whom it was issued, how we are known there, and the tokens."""

    url: str
    issuer: str
    token_endpoint: str
    resource: str
    client_id: str
    client_secret: str
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"]
    access_token: str
    refresh_token: str
    scope: str
    expires_s: float  # on the clock of whoever signed in; 0 where nobody said

    def __repr__(self) -> str:
        return f"Signed(url={self.url!r}, issuer={self.issuer!r})"


def signed(server: Server, context: Any, now_s: float) -> Signed:
    """What is kept of a sign-in that succeeded. `context` is the SDK's."""
    tokens, client, metadata = context.current_tokens, context.client_info, context.oauth_metadata
    base = f"{urlsplit(server.url).scheme}://{urlsplit(server.url).netloc}"
    return Signed(
        url=server.url,
        issuer=str(metadata.issuer) if metadata is not None else base,
        token_endpoint=str(metadata.token_endpoint) if metadata is not None else f"{base}/token",
        resource=context.get_resource_url(),
        client_id=client.client_id,
        client_secret=client.client_secret or "",
        auth_method=client.token_endpoint_auth_method or "none",
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or "",
        scope=tokens.scope or "",
        expires_s=now_s + tokens.expires_in if tokens.expires_in else 0.0,
    )


def check_token(server: Server, data: bytes) -> None:
    """Raises Invalid (`token_invalid`) for what is no sign-in at this server, as it is reached now."""
    try:
        token = msgspec.json.decode(data, type=Signed)
    except msgspec.DecodeError:
        token = None
    wanted = server.oauth.issuer if server.oauth is not None else ""
    if token is None or token.url != server.url or wanted not in ("", token.issuer):
        step = f"lichen tools login {server.name} --as PERSON"
        raise Invalid("This is no sign-in at this server.", code="token_invalid", place=server.name, next_step=step)


class Bearer(httpx2.Auth):
    """Puts the token of a server on requests to that server, and renews it in time, or once when it is refused.

    Raises Unavailable (`sign_in_needed`) where nobody signed in, or what was kept is of no use any more.
    """

    def __init__(self, server: Server, tokens: Tokens) -> None:
        self._server, self._tokens = server, tokens
        self._lock = asyncio.Lock()
        self._held: Signed | None = None

    async def ready(self) -> None:
        """Raises Unavailable (`sign_in_needed`) where nothing is kept that would be of use."""
        async with self._lock:
            self._held = await self._loaded()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The request with the token; before it, or after it was refused, one that renews the token."""
        if origin_of(str(request.url)) != origin_of(self._server.url):
            raise self._needed("a request would go to another address")
        async with self._lock:
            token = self._held or await self._loaded()
            if token.expires_s and self._tokens.now_s() > token.expires_s - EARLY_S:
                token = await self._renewed(token, (yield self._renewal(token)))
            self._held = token
        request.headers["authorization"] = f"Bearer {token.access_token}"
        response = yield request
        if response.status_code != 401:
            return
        async with self._lock:
            if self._held is token:  # else another request has renewed it meanwhile
                self._held = None
                self._held = await self._renewed(token, (yield self._renewal(token)))
            renewed = self._held
        request.headers["authorization"] = f"Bearer {renewed.access_token}"
        yield request

    async def _loaded(self) -> Signed:
        try:
            token = msgspec.json.decode(await self._tokens.load(), type=Signed)
        except NotFound:
            raise self._needed("nobody signed in there") from None
        except msgspec.DecodeError:
            raise self._needed("what is kept of it cannot be read") from None
        if token.url != self._server.url:
            raise self._needed("somebody signed in for another address than it has now")
        if self._server.oauth is not None and self._server.oauth.issuer not in ("", token.issuer):
            raise self._needed("somebody signed in at another authorization server than it has now")
        return token

    def _renewal(self, token: Signed) -> httpx2.Request:
        if not token.refresh_token:
            raise self._needed("what was issued has expired")
        data = {"grant_type": "refresh_token", "refresh_token": token.refresh_token, "resource": token.resource}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if token.auth_method == "client_secret_basic":
            pair = f"{quote(token.client_id, safe='')}:{quote(token.client_secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            data["client_id"] = token.client_id
            if token.client_secret:
                data["client_secret"] = token.client_secret
        return httpx2.Request("POST", token.token_endpoint, data=data, headers=headers)

    async def _renewed(self, token: Signed, response: httpx2.Response) -> Signed:
        if response.status_code != 200:
            raise self._needed("what was issued is not renewed any more")
        try:
            said = msgspec.json.decode(await response.aread(), type=_Renewed)
        except msgspec.DecodeError:
            raise self._needed("what was issued is not renewed any more") from None
        renewed = msgspec.structs.replace(
            token,
            access_token=said.access_token,
            refresh_token=said.refresh_token or token.refresh_token,
            expires_s=self._tokens.now_s() + said.expires_in if said.expires_in else 0.0,
        )
        await self._tokens.keep(msgspec.json.encode(renewed))
        return renewed

    def _needed(self, why: str) -> Unavailable:
        return Unavailable(
            f"The MCP server {self._server.name} wants somebody to sign in: {why}.",
            code="sign_in_needed",
            place=f"mcp.{self._server.name}",
            next_step=f"lichen tools login {self._server.name}{_AS[self._server.tokens]}",
        )


class _Renewed(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = "Bearer"
    refresh_token: str | None = None
    expires_in: float | None = None


def origin_of(url: str) -> tuple[str, str]:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
