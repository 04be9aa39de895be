"""What there is to say of a pack: what it holds, and what it would need where it is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from lichen.flows.read.doctor import diagnose_bytes
from lichen.packs.building.texts import flow_texts
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.extensions import contents_of
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.manifests.words import Manifest
from lichen.packs.proofs.archived import SIGNATURE


def described(archive: Archive) -> dict[str, Any]:
    """What a pack holds, as plain values. Raises what reading its manifest does."""
    manifest = read_manifest(archive)
    contents = contents_of(manifest)
    return {
        "pack_id": manifest.pack_id,
        "version": manifest.version,
        "name": manifest.name or None,
        "kind": manifest.kind,
        "publisher": manifest.publisher or None,
        "model": manifest.model,
        "digest": f"sha256:{hashlib.sha256(archive.data).hexdigest()}",
        "signed": SIGNATURE in archive,
        "flows": [each.id for each in manifest.flows],
        "components": [f"{each.id}@{each.version}" for each in manifest.components],
        "agents": list(contents.agents),
        "policies": list(contents.policies),
        "prompts": list(contents.prompts),
        "dependencies": [f"{each.alias}: {each.pack_id} {each.version_req}" for each in manifest.dependencies],
        "capabilities": list(manifest.capabilities),
        "extensions": sorted(each.kind for each in manifest.extensions.values()),
        "files": [{"path": path, "size": entry.size} for path, entry in archive.entries.items()],
    }


def planned(archive: Archive, tenant: str, env: str) -> dict[str, Any]:
    """What a pack would need in an environment. Raises what reading its manifest does."""
    manifest = read_manifest(archive)
    hosts = [_of(each.capabilities, "host") for each in manifest.components]
    secrets = {name for host in hosts for name in _secrets(host)} | {
        str(each["key"]) for each in manifest.secrets if isinstance(each.get("key"), str)
    }
    state = {kind for host in hosts for kind in ("read", "write", "delete") if _of(host, "state").get(kind) is True}
    return {
        "pack_id": manifest.pack_id,
        "version": manifest.version,
        "tenant": tenant,
        "environment": env,
        "flows": [each.id for each in manifest.flows],
        "secrets": sorted(f"secrets://{env}/{tenant}/_/{manifest.pack_id}/{name.lower()}" for name in secrets),
        "hosts": sorted({"*" for host in hosts if _of(host, "http").get("client") is True}),
        "state": sorted(state),
        "tools": sorted(set(_tools(archive, manifest))),
        "packs": [f"{each.pack_id} {each.version_req}" for each in manifest.dependencies],
    }


def _secrets(host: Mapping[str, Any]) -> Iterator[str]:
    wanted: Any = _of(host, "secrets").get("required")
    for each in cast("list[Any]", wanted) if isinstance(wanted, list) else []:
        key: Any = cast("dict[str, Any]", each).get("key") if isinstance(each, dict) else each
        if isinstance(key, str):
            yield key


def _tools(archive: Archive, manifest: Manifest) -> Iterator[str]:
    """What nodes of flows call that is no component of the pack."""
    own = {each.id for each in manifest.components}
    own |= {one.name for each in manifest.components for one in each.operations}
    for each in flow_texts(archive, manifest):
        for need in diagnose_bytes(each.text, f"{archive.name}!/{each.path}").needs:
            if need.kind == "tool" and need.name not in own:
                yield need.name


def _of(value: Any, key: str) -> Mapping[str, Any]:
    found: Any = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
