"""Signing in at the authorization server of an MCP server: once, by a person, at an address that they open themselves.

What comes of it is for this server's address and that authorization server alone, and is kept as a secret.

Sources: Model Context Protocol 2025-11-25, authorization (OAuth 2.1 with PKCE); RFC 8252, 8414, 8707, 9207, 9728.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from lichen.core.remote.server import Server
from lichen.core.words.errors import Unavailable
from lichen.tools.mcp.http import client_of
from lichen.tools.mcp.oauth.bearer import Signed, signed

PATH: Final = "/callback"
HEAD_BYTES_MAX: Final = 16 * 1024
PERSON_S: Final = 600.0  # to sign in
SAID: Final = b"You are signed in, and may close this window."

Show = Callable[[str], Awaitable[None]]
"""Shows a person the address to open."""


class Fresh:
    """Storage of a sign-in, for as long as that takes: it knows nothing before. Implements the SDK's `TokenStorage`."""

    def __init__(self, client: OAuthClientInformationFull | None) -> None:
        self.tokens: OAuthToken | None = None
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        """None."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keeps what was issued."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The client that is registered already, if one is."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keeps what was registered."""
        self.client = client_info


async def sign_in(server: Server, show: Show, *, client_secret: str = "", now_s: Callable[[], float]) -> Signed:
    """The tokens for a server, once somebody signed in. Raises Unavailable (`sign_in_failed`)."""
    async with _listening(server.oauth.redirect_port if server.oauth else 0) as (redirect, answered):
        storage = Fresh(_registered(server, redirect, client_secret))
        provider = OAuthClientProvider(
            server.url,
            OAuthClientMetadata(
                client_name="Lichen",
                redirect_uris=[AnyUrl(redirect)],
                grant_types=["authorization_code", "refresh_token"],
                scope=" ".join(server.oauth.scopes) if server.oauth and server.oauth.scopes else None,
            ),
            storage,
            redirect_handler=show,
            callback_handler=lambda: asyncio.wait_for(answered, PERSON_S),
        )
        try:
            async with client_of(server, {}, provider) as client:
                await client.post(server.url, json=PING, headers={"accept": "application/json, text/event-stream"})
        except Exception as error:
            raise failed(server, str(error) or type(error).__name__) from error
        context = provider.context
        if context.current_tokens is None or storage.client is None:
            raise failed(server, "it did not ask anybody to sign in")
        return signed(server, context, now_s())


def own_token(server: Server, secret: str) -> httpx2.Auth:
    """Signs in as ourselves, at the authorization server that is configured and at no other. What is issued is kept in
    memory: it is had again at any time."""
    assert server.oauth is not None
    return ClientCredentialsOAuthProvider(
        server.url,
        Fresh(None),
        server.oauth.client_id,
        secret,
        scope=" ".join(server.oauth.scopes) or None,
        issuer=server.oauth.issuer,
    )


PING: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "lichen", "version": "1"},
    },
}


def failed(server: Server, why: str) -> Unavailable:
    """Nobody is signed in at the server after this."""
    return Unavailable(
        f"Signing in at {server.name} failed: {why[:500]}",
        code="sign_in_failed",
        place=f"mcp.{server.name}",
        next_step=f"Look at its url and its oauth in lichen.toml, then `lichen tools login {server.name}` again.",
    )


def _registered(server: Server, redirect: str, secret: str) -> OAuthClientInformationFull | None:
    if server.oauth is None or not server.oauth.client_id:
        return None
    return OAuthClientInformationFull(
        client_id=server.oauth.client_id,
        client_secret=secret or None,
        redirect_uris=[AnyUrl(redirect)],
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        issuer=server.oauth.issuer or None,
    )


@asynccontextmanager
async def _listening(port: int) -> AsyncGenerator[tuple[str, asyncio.Future[AuthorizationCodeResult]]]:
    """The address on the loopback to which whoever signed in is sent back, and what comes there, once."""
    answered: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), 10.0)
            found = _said(line.decode("ascii", errors="replace"))
            told = SAID if found is not None else b"This is not what was expected."
            status = b"200 OK" if found is not None else b"404 Not Found"
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-type: text/plain\r\nconnection: close\r\n")
            writer.write(b"content-length: %d\r\n\r\n%b" % (len(told), told))
            await writer.drain()
            if found is not None and not answered.done():
                answered.set_result(found)
        except (TimeoutError, ValueError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", port, limit=HEAD_BYTES_MAX)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}{PATH}", answered
    finally:
        listener.close()
        if not answered.done():
            answered.cancel()


def _said(line: str) -> AuthorizationCodeResult | None:
    """What a request says that brings somebody back, None for any other."""
    method, _, rest = line.partition(" ")
    parts = urlsplit(rest.partition(" ")[0])
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if method != "GET" or parts.path != PATH or not ("code" in said or "error" in said):
        return None
    return AuthorizationCodeResult(code=said.get("code", ""), state=said.get("state"), iss=said.get("iss"))
