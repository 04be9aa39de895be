"""Which address a host is reached at. Whoever may reach a name is not led by it into our own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from lichen.core.words.errors import Denied, Unavailable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The addresses of a host."""

RESOLVE_S: Final = 10.0
USUAL_PORTS: Final = (80, 443)
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # RFC 6052


class Host(NamedTuple):
    """A host that may be reached: its name, at which ports, and whether whatever is below it is meant."""

    name: str
    ports: tuple[int, ...]
    is_below: bool

    def covers(self, name: str, port: int) -> bool:
        """Whether this name at this port is meant."""
        is_meant = name.endswith(f".{self.name}") if self.is_below else name == self.name
        return is_meant and port in self.ports


def host_of(said: str) -> Host:
    """A host as a grant names it: `api.example.com`, `*.example.com:8443`, `[2001:db8::1]:443`."""
    name, port = split(said)
    ports = USUAL_PORTS if port is None else (port,)
    return Host(name.removeprefix("*."), ports, name.startswith("*."))


def split(said: str) -> tuple[str, int | None]:
    """Name and port of `name:port`, in the one spelling that is compared. Raises ValueError for what is neither."""
    if said.startswith("["):
        name, _, rest = said[1:].partition("]")
        port = rest.removeprefix(":")
        name = str(IPv6Address(name))
    else:
        name, _, port = said.partition(":")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise ValueError("a port is a number up to 65535")
    return name.lower().rstrip("."), int(port) if port else None


async def addresses_of(name: str, port: int) -> tuple[str, ...]:
    """What the system's resolver says. Raises Unavailable (`host_unknown`)."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(name, port, type=socket.SOCK_STREAM), RESOLVE_S)
    except (OSError, TimeoutError, UnicodeError):
        raise Unavailable(f"{name} has no address.", code="host_unknown", next_step="Correct its name.") from None
    return tuple(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))


async def reached(hosts: tuple[Host, ...], name: str, port: int, resolve: Resolve) -> str:
    """The address at which a granted host is reached: whoever connects takes this one, and asks no resolver again.

    An address that a grant itself names may be one of our own network. A name never leads to one. Raises Denied
    (`host_denied`, `address_denied`), Unavailable (`host_unknown`).
    """
    if not any(host.covers(name, port) for host in hosts):
        raise Denied(f"{name}:{port} is not granted.", code="host_denied", next_step="Grant it under `network`.")
    literal = _literal(name)
    if literal is not None:
        return str(_checked(literal, name, is_named=True))
    found = [_checked(ip_address(each), name, is_named=False) for each in await resolve(name, port)]
    if not found:
        raise Unavailable(f"{name} has no address.", code="host_unknown", next_step="Correct its name.")
    return str(found[0])


def _checked(address: Address, name: str, *, is_named: bool) -> Address:
    is_open = all(_is_public(each) or (is_named and _is_meant(each)) for each in _within(address))
    if not is_open:
        step = "Name the address itself under `network`, if it is meant."
        raise Denied(f"{name} leads to an address that is not public.", code="address_denied", next_step=step)
    return address


def is_address(name: str) -> bool:
    """Whether a host is named by its address."""
    return _literal(name) is not None


def _literal(name: str) -> Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _within(address: Address) -> Iterator[Address]:
    """An address, and those that it stands for."""
    yield address
    if isinstance(address, IPv6Address):
        yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))
        if address in _TRANSLATED:
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return True  # what it stands for is looked at by itself
    return address.is_global and not (address.is_multicast or address.is_link_local or address.is_unspecified)


def _is_meant(address: Address) -> bool:
    """Whether somebody who names an address can mean it. Those of the link hold the keys of clouds."""
    return not (address.is_multicast or address.is_link_local or address.is_unspecified)
