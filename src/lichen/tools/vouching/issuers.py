"""Whose key signed what a server offers, where the project asks for that, and whether the key still counts.

A signature stands in the definition's `_meta` under `schemapin`, over all else that was said; or in its input schema,
as Symbiont embeds it, over that schema alone, which leaves the description to whoever sits in between.

Source: SchemaPin specification 1.2, 1.4; Symbiont, SchemaPin for MCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from lichen.core.remote.server import Server
from lichen.core.words.errors import Invalid
from lichen.tools.mcp.definition import Definition
from lichen.tools.pins.bundle import read_bundle
from lichen.tools.pins.resolvers import Bundled, Fetch, KeyAt, LocalFiles, Resolver, Txt, WellKnown, Witnessed, resolved
from lichen.tools.pins.result import Verified, refused
from lichen.tools.pins.signed import Signed, signed_of, terms_of
from lichen.tools.pins.verify import Issuer, verify
from lichen.tools.vouching.signature import Signature, Vouched

BUNDLE_BYTES_MAX = 8 * 1024 * 1024
CHECK_S = 20.0  # for all that is fetched to check a signature


async def issuer_of(server: Server, fetch: Fetch, txt: Txt | None = None) -> Issuer | Verified:
    """What is known of the domain whose key signs the server's tools; `txt` asks the DNS beside. Raises Invalid for a
    bundle that is none."""
    place = _place(server, fetch)
    return await resolved(place if txt is None else Witnessed(place, txt), server.schemapin)


def _place(server: Server, fetch: Fetch) -> Resolver:
    if not server.schemapin_from:
        return WellKnown(fetch)
    path = Path(server.schemapin_from)
    if path.is_dir():
        return LocalFiles(path)
    try:
        with path.open("rb") as file:
            return Bundled(read_bundle(file.read(BUNDLE_BYTES_MAX + 1)))
    except OSError:
        step = "Name a folder of DOMAIN.json files, or a trust bundle, in `schemapin_from`."
        raise Invalid(
            "There is no such file.", code="schemapin_from_missing", place=str(path), next_step=step
        ) from None


async def checked(signed: Signed, url: str, fetch: Fetch, now: datetime) -> Verified:
    """Whether the key at an address signed a schema; the domain is the address's host."""
    host = _host(url)
    try:
        issuer = await asyncio.wait_for(resolved(KeyAt(fetch, url), host), CHECK_S)
    except TimeoutError:
        return refused(host, "discovery_fetch_failed", "It took too long.")
    if isinstance(issuer, Verified):
        return issuer
    return msgspec.structs.replace(await asyncio.to_thread(verify, signed, issuer, now), pinning="")


def _host(url: str) -> str:
    """The host of an address; nothing where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def vouched(definition: Definition, issuer: Issuer | Verified, before: Signature | None, now: datetime) -> Vouched:
    """Whether the issuer signed a definition; `before` is the signature of the one that is pinned."""
    if isinstance(issuer, Verified):
        return Vouched(None, f"{issuer.error_code}: {issuer.error_message}")
    found = _signed(definition)
    if found is None:
        return Vouched(None, "signature_missing: Nobody signed it.")
    signed, covers = found
    result = verify(signed, issuer, now)
    if not result.valid:
        return Vouched(None, f"{result.error_code}: {result.error_message}")
    changed = before is not None and before.fingerprint != result.fingerprint
    said = (definition.signed or {}) if covers == "all" else {}
    return Vouched(Signature(issuer.domain, result.fingerprint, covers, changed, result.expired, said))


def _signed(definition: Definition) -> tuple[Signed, Literal["all", "schema"]] | None:
    terms = terms_of(definition.signed) if definition.signed is not None else None
    said = definition.said
    if terms is not None:
        return Signed(said, terms), "all"
    try:
        return signed_of(_bare(said["inputSchema"])), "schema"
    except Invalid:
        return None


def _bare(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A schema that has no member called `schema`, which would be taken for what was signed."""
    return None if "schema" in schema else schema


def taken_back(issuer: Issuer | Verified, signature: Signature | None) -> bool:
    """Whether the domain takes back the key that signed what is pinned."""
    if isinstance(issuer, Verified) or signature is None or signature.domain != issuer.domain:
        return False
    mark = signature.fingerprint
    simple = any(each.lower() == mark for each in issuer.discovery.revoked_keys)
    return simple or any(each.reason(mark) is not None for each in issuer.revocations)
