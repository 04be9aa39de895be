"""The proxies in front of a port: whom they name as the client counts, and nobody else's word does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class Proxies:
    """Trusted proxies by address or network, as `lichen.toml` names them. Raises ValueError for what is neither."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = list(names)
        self._networks = [ip_network(name) for name in names]
        self._namer = self.before(_nothing)

    def __contains__(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application behind them: client and scheme are those that a trusted proxy says in X-Forwarded-For and
        X-Forwarded-Proto. From everybody else these headers mean nothing."""
        if not self._names:
            return app
        return ProxyHeadersMiddleware(app, trusted_hosts=self._names)  # pyright: ignore[reportArgumentType, reportReturnType] - the same ASGI, typed by another

    def name(self, scope: Scope) -> None:
        """Has a request say for whom it speaks, as it would before the application."""
        if self._names:
            with suppress(StopIteration):
                self._namer(scope, _never, _nowhere).__await__().send(None)  # it waits for nothing


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that does not answer."""


async def _never() -> Message:
    raise AssertionError("nobody receives anything")


async def _nowhere(message: Message) -> None:
    raise AssertionError("nobody sends anything")
