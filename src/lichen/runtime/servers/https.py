"""What lies at a public https address: got over TLS, without a redirect, as much as is allowed, within seconds.

A name that leads to an address that is not public is refused, and the connection goes to the very address that was
looked at, so that a name cannot change its mind in between.

Source: RFC 8615; OWASP, server-side request forgery.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from lichen.core.words.errors import Unavailable

CONNECT_S: Final = 10.0
WHOLE_S: Final = 20.0
PORT: Final = 443


def public_addresses(host: str) -> Sequence[str]:
    """The addresses of a host. Raises Unavailable (`address_private`) where one of them is not public, and
    (`fetch_failed`) for a host that nobody knows."""
    try:
        found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    except OSError:
        raise _failed(host, "Its name is not known.") from None
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(_is_public(each) for each in addresses):
        step = "Name a host that everybody can reach, or keep its documents in local files."
        raise Unavailable("Its name leads to no public address.", code="address_private", place=host, next_step=step)
    return addresses


class Https:
    """Gets documents over https: a `Fetch` of the pins. `addresses` says where a host is, `context` whom TLS trusts."""

    def __init__(
        self,
        addresses: Callable[[str], Sequence[str]] = public_addresses,
        *,
        context: ssl.SSLContext | None = None,
        port: int = PORT,
        whole_s: float = WHOLE_S,
    ) -> None:
        self._addresses, self._port, self._whole_s = addresses, port, whole_s
        self._context = context

    async def __call__(self, url: str, /, *, bytes_max: int) -> bytes:
        """The body of a 200. Raises Unavailable (`fetch_failed`, `address_private`)."""
        if not _is_plain(url):
            raise _failed(url, "It is no plain https address.")
        parts = urlsplit(url)
        host = parts.hostname or ""
        addresses = await asyncio.to_thread(self._addresses, host)
        connection = _To(addresses[0], host, self._port, self._context or ssl.create_default_context())
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            return await asyncio.wait_for(asyncio.to_thread(_got, connection, path, url, bytes_max), self._whole_s)
        except TimeoutError:
            raise _failed(url, "It took too long.") from None
        finally:
            connection.give_up()


class _To(http.client.HTTPSConnection):
    """A connection to one address of a host, whose certificate is looked at for the host's name."""

    def __init__(self, address: str, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=CONNECT_S, context=context)
        self._address, self._tls = address, context
        self._plain: socket.socket | None = None

    def connect(self) -> None:
        """Opens it."""
        self._plain = socket.create_connection((self._address, self.port), CONNECT_S)
        self.sock = self._tls.wrap_socket(self._plain, server_hostname=self.host)

    def give_up(self) -> None:
        """Ends it, under whoever reads from it."""
        sock: socket.socket | None = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.close()


def _got(connection: _To, path: str, url: str, bytes_max: int) -> bytes:
    try:
        connection.request("GET", path, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                raise _failed(url, f"It answers with status {response.status}.")
            data = response.read(bytes_max + 1)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, f"It cannot be reached: {type(error).__name__}.") from None
    if len(data) > bytes_max:
        raise _failed(url, f"It has more than {bytes_max} bytes.")
    return data


def _is_public(address: str) -> bool:
    """Whether everybody reaches it: an IPv4 address in an IPv6 one is looked at as what it is."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


def _is_plain(url: str) -> bool:
    """Whether it is an address that may be asked: over https, at its port, for nobody by name, in plain characters."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_open = parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    return is_open and port in (None, PORT) and url.isascii()


def _failed(place: str, message: str) -> Unavailable:
    step = "Look at the address with a browser; try again later."
    return Unavailable(message, code="fetch_failed", place=place[:200], next_step=step)
