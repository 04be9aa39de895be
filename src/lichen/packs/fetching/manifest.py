"""The manifest of an artifact: read strictly from whoever sent it, and written for what we publish.

Source: OCI Image Specification 1.1 (manifest, "Guidelines for Artifact Usage"); media types of packs as upstream's
distributor takes and prefers them. A document that could be read as two kinds is none (CVE-2021-41190).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.words.errors import Invalid

Kind = Literal["pack", "component"]
MANIFEST_BYTES_MAX: Final = 4 * 1024 * 1024
IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
LISTS: Final = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_BYTES: Final = b"{}"
PACK: Final = "application/vnd.greentic.gtpack.v1+zip"
WASM: Final = "application/wasm"
PREFERRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "pack": (PACK, "application/vnd.greentic.gtpack+zip", "application/vnd.greentic.pack+zip"),
    "component": (WASM, "application/vnd.wasm.content.layer.v1+wasm"),
}
TAKEN: Final[Mapping[Kind, tuple[str, ...]]] = {
    "pack": (
        *PREFERRED["pack"],
        "application/vnd.greentic.pack+json",
        "application/vnd.greentic.gtpack.layer.v1+tar",
        "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar",  # what clients say of a file where nobody tells them better
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    "component": (*PREFERRED["component"], "application/octet-stream"),
}
_Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Bytes that a manifest names."""

    media_type: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    digest: _Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    annotations: Mapping[str, str] = {}


class Artifact(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A manifest: what kind of thing it is, and the layers it has."""

    schema_version: Literal[2]
    media_type: Annotated[str, msgspec.Meta(max_length=256)] = ""
    artifact_type: Annotated[str, msgspec.Meta(max_length=256)] = ""
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], msgspec.Meta(max_length=64)]
    annotations: Mapping[str, str] = {}


def digest_of(data: bytes) -> str:
    """The digest of some bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_artifact(data: bytes, media: str) -> Artifact:
    """A manifest that came as `media`. Raises Invalid (`oci_manifest_list`, `oci_manifest_invalid`)."""
    said = media.partition(";")[0].strip().lower()
    fields = _fields(data)
    inner = fields.get("mediaType", "")
    if said in LISTS or inner in LISTS or "manifests" in fields:
        message = "It is a list of manifests, as images for several machines have; a pack is one."
        step = "Name the manifest of the pack by its digest."
        raise Invalid(message, code="oci_manifest_list", next_step=step)
    if said not in (IMAGE, DOCKER) or inner not in ("", said) or "fsLayers" in fields:
        raise _invalid("It is no manifest of an artifact that we know.")
    try:
        return msgspec.convert(fields, Artifact)
    except msgspec.ValidationError:
        raise _invalid("It is no manifest as the OCI image specification has them.") from None


def _fields(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _invalid("It is no JSON object.") from None


def layer_of(artifact: Artifact, kind: Kind, bytes_max: int) -> Descriptor:
    """The layer that is the pack or the component. Raises Invalid (`oci_layer_missing`, `oci_layer_too_large`)."""
    media = (*PREFERRED[kind], *(each.media_type for each in artifact.layers if each.media_type in TAKEN[kind]))
    found = (each for wanted in media for each in artifact.layers if each.media_type == wanted)
    layer = next(found, None)
    if layer is None:
        step = f"Push it again, as {PREFERRED[kind][0]}."
        raise Invalid(f"None of its layers is a {kind}.", code="oci_layer_missing", next_step=step)
    if layer.size > bytes_max:
        message = f"It has {layer.size} bytes, and a {kind} has {bytes_max} at most."
        raise Invalid(message, code="oci_layer_too_large", next_step="Leave large assets out of it.")
    return layer


def made_for(kind: Kind, data: bytes, title: str) -> bytes:
    """The manifest for a pack or a component that is published: the same for the same bytes and title."""
    media = PREFERRED[kind][0]
    layer = Descriptor(media, digest_of(data), len(data), {"org.opencontainers.image.title": title})
    config = Descriptor(EMPTY, digest_of(EMPTY_BYTES), len(EMPTY_BYTES))
    made = Artifact(schema_version=2, media_type=IMAGE, artifact_type=media, config=config, layers=(layer,))
    return msgspec.json.encode(made, order="sorted")


def _invalid(message: str) -> Invalid:
    step = "Push it again, with `lichen pack push` or another client of OCI registries."
    return Invalid(message, code="oci_manifest_invalid", next_step=step)
