"""What a reference names: from the cache, or from its registry, checked by its digests and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from lichen.core.words.errors import Denied, LichenError, Unavailable
from lichen.packs.container.limits import LIMITS
from lichen.packs.fetching.cache import Cache, Kept
from lichen.packs.fetching.manifest import Kind, layer_of, read_artifact
from lichen.packs.fetching.references import Reference
from lichen.packs.fetching.registry import Manifest, Registry
from lichen.packs.fetching.terms import Terms
from lichen.packs.fetching.wire import unreachable

BYTES_MAX: Final[dict[Kind, int]] = {"pack": LIMITS.archive_bytes, "component": 64 * 1024 * 1024}


class Fetched(NamedTuple):
    """What came, and the digest it has in the registry. `warning` says why it may not be the newest."""

    reference: Reference  # by its digest
    data: bytes
    is_cached: bool
    warning: LichenError | None = None


class Resolved(NamedTuple):
    """What a reference stands for."""

    reference: Reference  # by its digest
    manifest: Manifest | None = None  # where the registry was asked
    warning: LichenError | None = None


def fetched(terms: Terms, reference: Reference, kind: Kind, *, seen: Callable[[int], None] | None = None) -> Fetched:
    """What a reference names. `seen` is told the bytes that come over the network.

    What is pinned to a digest and was fetched before asks nobody. Raises Denied (`oci_tag_refused`, `oci_denied`,
    `oci_realm_refused`, `oci_redirect_refused`), Unavailable (`pack_unreachable`), NotFound (`oci_unknown`), Invalid
    (`oci_…`), Full (`pack_cache_unwritable`).
    """
    found = resolved(terms, reference)
    cache, digest = Cache(terms.cache), found.reference.digest
    data = cache.read(digest, kind, BYTES_MAX[kind])
    if data is not None:
        return Fetched(found.reference, data, True, found.warning)
    if terms.is_offline:
        raise _offline(f"{found.reference} is not kept here")
    with Registry(terms, found.reference, seen=seen) as registry:
        manifest = found.manifest or registry.manifest()
        artifact = read_artifact(manifest.data, manifest.media)
        layer = layer_of(artifact, kind, BYTES_MAX[kind])
        data = registry.blob(layer)
    said = Kept(str(reference), digest, layer.media_type, manifest.media, len(data))
    cache.keep(manifest, kind, data, said)
    cache.prune(terms.cache_bytes_max, but=digest)
    return Fetched(found.reference, data, False)


def resolved(terms: Terms, reference: Reference, *, may_tag: bool = False) -> Resolved:
    """What a reference stands for, by its digest: of a tag, what the registry says now, or else what it was last seen
    to say. Raises as `fetched`."""
    if reference.digest:
        return Resolved(reference.pinned(reference.digest))
    if not (terms.has_tags or may_tag):
        step = "Pin it with `lichen pack pin`, or set `tags = true` under [packs] to go by whatever it stands for."
        message = f"{reference} is a tag, which may stand for something else tomorrow."
        raise Denied(message, code="oci_tag_refused", next_step=step)
    cache, name = Cache(terms.cache), str(reference)
    try:
        if terms.is_offline:
            raise _offline(f"nobody is asked what {reference} stands for")
        with Registry(terms, reference) as registry:
            manifest = registry.manifest()
    except Unavailable as error:
        known = cache.resolved(name)
        if error.code != "pack_unreachable" or not known:
            raise
        error.place = name
        return Resolved(reference.pinned(known), None, error)
    cache.resolve(name, manifest.digest)
    return Resolved(reference.pinned(manifest.digest), manifest)


def _offline(what: str) -> Unavailable:
    error = unreachable(f"This process is offline, and {what}.")
    error.next_step = "Fetch it where there is a network, with `lichen pack pull`, or go online."
    return error
