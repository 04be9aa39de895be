"""What a pack says it holds, in one form for both models of manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from lichen.packs.manifests.cbor import Document

Model = Literal["meta", "pack-v1"]
PackId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")]
Version = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]{1,64})?\Z")]
ComponentId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._@:-]{0,127}\Z")]
FlowId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")]
Text = Annotated[str, msgspec.Meta(max_length=4_096)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Flow(msgspec.Struct, frozen=True):
    """A flow: the file of its source, its intermediate form where the manifest holds that, or both.

    `hash` is the BLAKE3 of `hashed`, the file that the manifest vouches for, where it does.
    """

    id: str
    kind: str
    file: str = ""
    compiled: Mapping[str, Any] | None = None
    entrypoints: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    hashed: str = ""
    hash: str = ""


class Operation(msgspec.Struct, frozen=True):
    """An operation of a component, with the JSON Schemas of what it takes and gives."""

    name: str
    input_schema: Any = None
    output_schema: Any = None


class Component(msgspec.Struct, frozen=True):
    """A component: its file of WebAssembly, and what the manifest says of it. `hash` is the file's BLAKE3, if said."""

    id: str
    version: str
    file: str
    world: str = ""
    manifest_file: str = ""
    operations: tuple[Operation, ...] = ()
    capabilities: Any = None
    config_schema: Any = None
    hash: str = ""


class Dependency(msgspec.Struct, frozen=True):
    """Another pack that this one needs, by the name it uses for it."""

    alias: str
    pack_id: str
    version_req: str
    required_capabilities: tuple[str, ...] = ()


class Extension(msgspec.Struct, frozen=True):
    """What a kind of extension says of the pack: here, or at a location with a digest."""

    kind: str
    version: str = ""
    digest: str | None = None
    location: str | None = None
    inline: Any = None


class Signed(msgspec.Struct, frozen=True):
    """A signature that stands in the manifest itself."""

    key_id: str
    algorithm: str
    signature: Any  # bytes, numbers, or base64, as whoever signed had it


class Manifest(msgspec.Struct, frozen=True):
    """What a pack holds. `value` is the manifest as it was read, from which its bytes can be made again."""

    model: Model
    pack_id: str
    version: str
    kind: str
    document: Document
    name: str = ""
    publisher: str = ""
    description: str = ""
    flows: tuple[Flow, ...] = ()
    entry_flows: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    capabilities: tuple[str, ...] = ()
    extensions: Mapping[str, Extension] = {}
    secrets: tuple[Mapping[str, Any], ...] = ()
    signatures: tuple[Signed, ...] = ()

    def extension(self, kind: str) -> Extension | None:
        """What an extension of this kind says, whatever it is called in the manifest."""
        return next((each for each in self.extensions.values() if each.kind == kind), None)
