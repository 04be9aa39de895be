"""The proxies in front of a port: whom they name as the client counts, and nobody else's word does."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class Proxies:
    """Trusted proxies by address or network, as `lichen.toml` names them. Raises ValueError for what is neither."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = list(names)
        self._networks = [ip_network(name) for name in names]

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
