"""Which hosts and networks a project's commands may be pointed at, as `scope.toml` says.

Source: ToolClad, scope enforcement, and its cross-language scope vectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from lichen.tools.clad.manifest import converted, invalid

TARGET_CHARS_MAX: Final = 253  # RFC 1035, section 2.3.4
HOSTNAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Networks and hosts that are `targets`, names that are `domains` (`*.` for whatever is below one), and what of
    them is none all the same."""

    targets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def holds(self, target: str) -> bool:
        """Whether a host, an address or a whole network is in it."""
        return _is_among(target, (*self.targets, *self.domains)) and not _meets(target, self.exclude)


class ScopeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    scope: Scope


def read_scope(data: bytes, place: str) -> Scope:
    """The scope in a file. Raises Invalid (`manifest_invalid`)."""
    scope = converted(data, place, ScopeFile).scope
    for entry in (*scope.targets, *scope.domains, *scope.exclude):
        if not (is_network(entry) or HOSTNAME.fullmatch(entry.removeprefix("*."))):
            raise invalid("One of its entries is neither a network, nor an address, nor a name.", place)
    return scope


def is_network(text: str) -> bool:
    """Whether a text is an address, or a network in CIDR notation."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in text


def in_network(target: str, network: str) -> bool:
    """Whether an address or a whole network lies in a network."""
    inner, outer = ip_network(target, strict=False), ip_network(network, strict=False)
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def is_named(host: str, pattern: str) -> bool:
    """Whether a name is a pattern's: the same, or below `*.`, which is not the domain itself."""
    name, wanted = host.lower().rstrip("."), pattern.lower().rstrip(".")
    return name.endswith(wanted[1:]) and name != wanted[2:] if wanted.startswith("*.") else name == wanted


def is_internal(host: str) -> bool:
    """Whether an address is none of the open Internet, or a name is one of this machine or its cloud."""
    try:
        networks = [ip_network(host, strict=False)]
    except ValueError:
        name = host.lower().rstrip(".")
        return name in ("localhost", "metadata.google.internal") or name.endswith((".localhost", ".internal", ".local"))
    return any(not each.is_global for each in networks)


def _is_among(target: str, entries: Iterable[str]) -> bool:
    if is_network(target):
        return any(is_network(entry) and in_network(target, entry) for entry in entries)
    return any(not is_network(entry) and is_named(target, entry) for entry in entries)


def _meets(target: str, entries: Iterable[str]) -> bool:
    """Whether anything of a target is among these."""
    if not is_network(target):
        return _is_among(target, entries)
    own = ip_network(target, strict=False)
    others = [ip_network(entry, strict=False) for entry in entries if is_network(entry)]
    return any(own.version == other.version and own.overlaps(other) for other in others)  # type: ignore[arg-type]


def is_address(text: str) -> bool:
    """Whether a text is one address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
