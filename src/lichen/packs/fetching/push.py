"""Publishing: a pack or a component as one artifact, that clients of other registries' can pull as well."""

from __future__ import annotations

from lichen.core.words.errors import Invalid
from lichen.packs.fetching.fetch import BYTES_MAX
from lichen.packs.fetching.manifest import EMPTY_BYTES, Kind, made_for
from lichen.packs.fetching.references import Reference
from lichen.packs.fetching.registry import PUSH, Registry
from lichen.packs.fetching.terms import Terms
from lichen.packs.fetching.wire import unreachable


def pushed(
    terms: Terms,
    reference: Reference,
    kind: Kind,
    data: bytes,
    *,
    title: str,
) -> Reference:
    """Has a registry keep some bytes under the tag of a reference; the reference by the digest that it has now. What
    of it the registry has is not sent again.

    Raises Invalid (`oci_push_by_digest`, `oci_layer_too_large`), Unavailable (`pack_unreachable`), Denied (`oci_…`).
    """
    if reference.digest:
        step = "Name a tag, or neither; the digest follows from the bytes."
        raise Invalid("Nothing is pushed to a digest.", code="oci_push_by_digest", next_step=step)
    if len(data) > BYTES_MAX[kind]:
        message = f"It has more than {BYTES_MAX[kind]} bytes."
        raise Invalid(message, code="oci_layer_too_large", next_step="Leave large assets out of it.")
    if terms.is_offline:
        raise unreachable("This process is offline.")
    with Registry(terms, reference, may=PUSH) as registry:
        for blob in (EMPTY_BYTES, data):
            registry.put_blob(blob)
        return reference.pinned(registry.put_manifest(made_for(kind, data, title)))
