"""What a bundle holds, as one document for people and programs."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.packs.bundles.opening import Bundle
from lichen.packs.bundles.packs import packs_in
from lichen.packs.bundles.reading import read_documents
from lichen.packs.bundles.tenants import tenants_in


def described(bundle: Bundle) -> dict[str, Any]:
    """What it is called, for whom it is, its packs, its documents and its files. Raises the first mistake of its
    documents, Invalid (`bundle_…`)."""
    found = read_documents(bundle)
    for error in found.errors:
        raise error
    root = found.root
    return {
        "bundle_id": root.bundle_id if root else None,
        "bundle_name": root.bundle_name if root else None,
        "locale": root.locale if root else None,
        "starts": list(found.demos),
        "tenants": {name: list(teams) for name, teams in tenants_in(bundle).items()},
        "packs": list(packs_in(bundle)),
        "app_packs": list(root.packs) if root else [],
        "extension_providers": list(root.extension_providers) if root else [],
        "setups": [each.provider_id for each in found.setups.values()],
        "manifest": msgspec.to_builtins(found.manifest),
        "lock": msgspec.to_builtins(found.lock),
        "files": [{"path": path, "size": len(bundle.read(path))} for path in bundle],
    }
