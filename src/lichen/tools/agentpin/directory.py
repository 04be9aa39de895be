"""Where it is found what a domain says of its agents: in a bundle, in local files, at the domain, or in turn.

Source: AgentPin specification 0.1, discovery document retrieval, revocation checking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.tools.agentpin.documents import DOCUMENT_BYTES_MAX, Gone, Identity, gone_of, identity_of
from lichen.tools.pins.canonical import read
from lichen.tools.pins.resolvers import Fetch

WELL_KNOWN: Final = "/.well-known/agent-identity.json"
GONE: Final = "/.well-known/agent-identity-revocations.json"


class Known(msgspec.Struct, frozen=True):
    """What is known of a domain."""

    identity: Identity
    gone: Gone | None


class Directory(Protocol):
    """One place where domains are looked up."""

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What is known of the domain there, asked again where `anew`; None for nothing. Raises Invalid,
        Unavailable."""
        ...


class WellKnown:
    """At the domain itself, over https. What it took back must be had, or nothing of it counts."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What the domain says. Raises Invalid (`discovery_invalid`, `domain_mismatch`), Unavailable
        (`discovery_fetch_failed`)."""
        identity = identity_of(await self._got(f"https://{domain}{WELL_KNOWN}"), domain)
        endpoint = identity.revocation_endpoint or f"https://{domain}{GONE}"
        if not endpoint.startswith("https://"):
            raise Invalid("Its revocation document is not at an https address.", code="discovery_invalid", place=domain)
        return Known(identity, gone_of(await self._got(endpoint), domain))

    async def _got(self, url: str) -> bytes:
        try:
            return await self._fetch(url, bytes_max=DOCUMENT_BYTES_MAX)
        except LichenError as error:
            step = "Try again later; until then its credentials are not taken."
            raise Unavailable(error.message, code="discovery_fetch_failed", place=url, next_step=step) from None


class LocalFiles:
    """In a folder, as `DOMAIN.json` and `DOMAIN.revocations.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What the files say. Raises Invalid (`discovery_invalid`, `domain_mismatch`)."""
        said, gone = (self._read(f"{domain}{end}") for end in (".json", ".revocations.json"))
        return None if said is None else Known(identity_of(said, domain), gone_of(gone, domain) if gone else None)

    def _read(self, name: str) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(DOCUMENT_BYTES_MAX + 1)
        except OSError:
            return None


class Bundled:
    """In a trust bundle: `{"agentpin_bundle_version", "documents", "revocations"}`."""

    def __init__(self, documents: Mapping[str, Identity], gone: Mapping[str, Gone]) -> None:
        self._documents, self._gone = documents, gone

    @classmethod
    def read(cls, data: bytes) -> Bundled:
        """The bundle in a file. Raises Invalid (`document_invalid`, `discovery_invalid`, `domain_mismatch`)."""
        told = read(data, place="trust bundle", bytes_max=8 * DOCUMENT_BYTES_MAX)
        try:
            form = msgspec.convert(told, _Form)
        except msgspec.ValidationError as error:
            raise Invalid(f"It is no trust bundle: {error}", code="document_invalid", place="trust bundle") from None
        documents = {str(each.get("entity")): each for each in form.documents}
        gone = {str(each.get("entity")): each for each in form.revocations}
        return cls(
            {domain: identity_of(each, domain) for domain, each in documents.items()},
            {domain: gone_of(each, domain) for domain, each in gone.items()},
        )

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What the bundle says."""
        found = self._documents.get(domain)
        return None if found is None else Known(found, self._gone.get(domain))


class _Form(msgspec.Struct, frozen=True):
    agentpin_bundle_version: str
    documents: list[dict[str, Any]] = []
    revocations: list[dict[str, Any]] = []


class Chain:
    """At the first of several places that knows the domain."""

    def __init__(self, *places: Directory) -> None:
        self._places = places

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What is known there. Raises what the last place raised where none knows the domain."""
        failed: LichenError | None = None
        for place in self._places:
            try:
                found = await place.known(domain, anew=anew)
            except LichenError as error:
                failed = error
                continue
            if found is not None:
                return found
        if failed is not None:
            raise failed
        return None


def place_of(known: Path | None, fetch: Callable[[], Fetch]) -> Directory:
    """A folder, a trust bundle, or the domains themselves. Raises Invalid for a trust bundle that is none."""
    if known is None:
        return WellKnown(fetch())
    return LocalFiles(known) if known.is_dir() else Bundled.read(known.read_bytes())
