"""Where it is found what a domain says of its key: at the domain, in local files, in a bundle, or the first of several.

Source: SchemaPin specification 1.2 (resolvers); RFC 8615.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.tools.pins.bundle import Bundle
from lichen.tools.pins.dns import name_of, witness_of
from lichen.tools.pins.documents import (
    DISCOVERY_BYTES_MAX,
    REVOCATION_BYTES_MAX,
    Discovery,
    Revocations,
    discovery_of,
    domain_of,
    revocations_of,
)
from lichen.tools.pins.result import Code, Verified, refused
from lichen.tools.pins.verify import Issuer

WELL_KNOWN: Final = "/.well-known/schemapin.json"
UNCHECKED: Final = "revocation_unchecked"
_CODES: Final[Mapping[str, Code]] = {
    "dns_failed": "discovery_fetch_failed",
    "discovery_fetch_failed": "discovery_fetch_failed",
    "domain_mismatch": "domain_mismatch",
}


class Fetch(Protocol):
    """Gets what is at an https address, follows no redirect and reads no more than it is told."""

    async def __call__(self, url: str, /, *, bytes_max: int) -> bytes:
        """The body of a 200. Raises Unavailable for anything else."""
        ...


Txt = Callable[[str], Awaitable[Iterable[str]]]
"""The TXT records of a name; none where there are none."""


class Resolver(Protocol):
    """One place where domains are looked up."""

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What is known of the domain there; None for nothing. Raises Invalid, Unavailable."""
        ...


class WellKnown:
    """At the domain itself. A revocation document that it names must be had, or nothing of it counts."""

    def __init__(self, fetch: Fetch, txt: Txt | None = None) -> None:
        self._fetch = fetch
        self._txt = txt

    async def issuer(self, domain: str, /) -> Issuer:
        """What the domain says. Raises Invalid (`discovery_invalid`, `domain_mismatch`), Unavailable
        (`discovery_fetch_failed`)."""
        said = await _got(self._fetch, f"https://{domain}{WELL_KNOWN}", DISCOVERY_BYTES_MAX)
        found = await _with_revocations(self._fetch, said, domain)
        witness = witness_of(await self._txt(name_of(domain))) if self._txt is not None else None
        return msgspec.structs.replace(found, witness=witness)


class KeyAt:
    """At an address that somebody names on the domain: a discovery document, or a bare key in PEM. What the domain
    takes back at its well-known address counts for either."""

    def __init__(self, fetch: Fetch, url: str) -> None:
        self._fetch, self._url = fetch, url

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What is said there. Raises Invalid (`discovery_invalid`, `domain_mismatch`), Unavailable
        (`discovery_fetch_failed`)."""
        if self._url == f"https://{domain}{WELL_KNOWN}":
            return await WellKnown(self._fetch).issuer(domain)
        said = await _got(self._fetch, self._url, DISCOVERY_BYTES_MAX)
        is_bare = said.lstrip().startswith(b"-----BEGIN ")
        found = _bare(said, domain) if is_bare else await _with_revocations(self._fetch, said, domain)
        try:
            known = await WellKnown(self._fetch).issuer(domain)
        except LichenError:
            return msgspec.structs.replace(found, warnings=(UNCHECKED,))
        return _all_taken_back(found, known)


class LocalFiles:
    """In a folder, as `DOMAIN.json` and `DOMAIN.revocations.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What the files say. Raises Invalid (`discovery_invalid`, `domain_mismatch`)."""
        said = self._read(f"{domain}.json", DISCOVERY_BYTES_MAX)
        if said is None:
            return None
        gone = self._read(f"{domain}.revocations.json", REVOCATION_BYTES_MAX)
        return _known(domain, discovery_of(said, domain), revocations_of(gone, domain) if gone is not None else None)

    def _read(self, name: str, bytes_max: int) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(bytes_max + 1)
        except OSError:
            return None


class Witnessed:
    """At another place, whose key the domain's DNS has to name as well, if it names one."""

    def __init__(self, place: Resolver, txt: Txt) -> None:
        self._place, self._txt = place, txt

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What is known there, with what the DNS says. Raises as the place does, Invalid (`discovery_invalid`) for a
        record that is malformed, Unavailable where the DNS does not say."""
        found = await self._place.issuer(domain)
        if found is None:
            return None
        return msgspec.structs.replace(found, witness=witness_of(await self._txt(name_of(domain))))


class Bundled:
    """In a trust bundle. Whoever has it decides beforehand whether to believe it (`verify_bundle`)."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What the bundle says."""
        found = self._bundle.documents.get(domain)
        return None if found is None else _known(domain, found, self._bundle.revocations.get(domain))


class Chain:
    """At the first of several places that knows the domain. A key that any of them takes back is taken back."""

    def __init__(self, *places: Resolver) -> None:
        self._places = places

    async def issuer(self, domain: str, /) -> Issuer | None:
        """What is known there. Raises what the last place raised where none knows the domain."""
        found: list[Issuer] = []
        failed: LichenError | None = None
        for place in self._places:
            try:
                known = await place.issuer(domain)
            except LichenError as error:
                failed = error
                continue
            if known is not None:
                found.append(known)
        if not found and failed is not None:
            raise failed
        if not found:
            return None
        return _all_taken_back(*found)


async def _got(fetch: Fetch, url: str, bytes_max: int) -> bytes:
    try:
        return await fetch(url, bytes_max=bytes_max)
    except LichenError as error:
        step = "Try again later; until then what it signed is not taken anew."
        raise Unavailable(error.message, code="discovery_fetch_failed", place=url, next_step=step) from None


async def _with_revocations(fetch: Fetch, said: bytes, domain: str) -> Issuer:
    """What a discovery document says, and the revocation document that it names, which must be had."""
    found = discovery_of(said, domain)
    if not found.revocation_endpoint:
        return Issuer(domain, found)
    if not found.revocation_endpoint.startswith("https://"):
        raise Invalid("Its revocation document is not at an https address.", code="discovery_invalid", place=domain)
    gone = await _got(fetch, found.revocation_endpoint, REVOCATION_BYTES_MAX)
    return Issuer(domain, found, (revocations_of(gone, domain),))


def _bare(said: bytes, domain: str) -> Issuer:
    return Issuer(domain, Discovery(said.decode("ascii", "replace").strip()))


def _all_taken_back(first: Issuer, *others: Issuer) -> Issuer:
    """What is known first, with every key that any of them takes back."""
    found = (first, *others)
    revocations = tuple(each for known in found for each in known.revocations)
    simple = tuple(each for known in found for each in known.discovery.revoked_keys)
    discovery = msgspec.structs.replace(first.discovery, revoked_keys=simple)
    return msgspec.structs.replace(first, discovery=discovery, revocations=revocations)


def _known(domain: str, discovery: Discovery, revocations: Revocations | None) -> Issuer:
    warnings = (UNCHECKED,) if discovery.revocation_endpoint and revocations is None else ()
    return Issuer(domain, discovery, () if revocations is None else (revocations,), None, warnings)


async def resolved(place: Resolver, domain: str) -> Issuer | Verified:
    """What is known of a domain, or the result that says why nothing is."""
    try:
        wanted = domain_of(domain)
        found = await place.issuer(wanted)
    except LichenError as error:
        return refused(domain, _CODES.get(error.code, "discovery_invalid"), error.message)
    return found or refused(wanted, "discovery_fetch_failed", "Nothing is known of this domain.")
