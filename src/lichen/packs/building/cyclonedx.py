"""What a pack is made of as CycloneDX, for whoever looks for vulnerable parts. Nothing in it depends on time or chance.

Source: CycloneDX 1.6 (ECMA-424) JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from lichen.packs.manifests.words import Manifest
from lichen.packs.proofs.sbom import media_type


def cyclonedx(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The bill of materials of a pack in CycloneDX: the pack, its components, the packs it needs, and its files."""
    reference = f"{manifest.pack_id}@{manifest.version}"
    main = {"type": "application", "bom-ref": reference, "name": manifest.pack_id, "version": manifest.version}
    code = [
        {
            "type": "library",
            "bom-ref": f"{reference}/{each.id}@{each.version}",
            "name": each.id,
            "version": each.version,
            "hashes": _hashes(files[each.file]),
        }
        for each in manifest.components
        if each.file in files
    ]
    others = [
        {
            "type": "library",
            "bom-ref": f"{reference}/needs/{each.alias}",
            "name": each.pack_id,
            "version": each.version_req,
        }
        for each in manifest.dependencies
    ]
    held = [
        {
            "type": "file",
            "bom-ref": f"{reference}#{path}",
            "name": path,
            "mime-type": media_type(path),
            "hashes": _hashes(data),
        }
        for path, data in sorted(files.items())
        if path not in {each.file for each in manifest.components}
    ]
    components = [*code, *others, *held]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main, "tools": {"components": [{"type": "application", "name": "lichen"}]}},
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": sorted(str(each["bom-ref"]) for each in [*code, *others])}],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _hashes(data: bytes) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]
