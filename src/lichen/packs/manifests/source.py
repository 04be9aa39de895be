"""`pack.yaml`, which a pack is built from: what it is called, and what of its folder goes into it.

What it does not name is found where it lies: `flows/*.ygtc`, `components/*.wasm`, `agents/`, `policies/`, `prompts/`,
`knowledge/`, `assets/`.

Source: Greentic `pack.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.flows.syntax.document import Document, read
from lichen.flows.syntax.findings import Report
from lichen.packs.manifests.words import ComponentId, FlowId, PackId, Text, Version

FILE: Final = "pack.yaml"
_STEP: Final = "Correct it at the place named; `lichen pack build` reads it again."
Many = msgspec.Meta(max_length=4_096)


class SourceFlow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flow by its file."""

    file: Text
    id: FlowId | None = None
    tags: tuple[Text, ...] = ()
    entrypoints: tuple[Text, ...] = ()


class SourceOperation(msgspec.Struct, frozen=True):
    """An operation of a component."""

    name: Text
    input_schema: Any = None
    output_schema: Any = None


class SourceComponent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A component by its file."""

    id: ComponentId
    wasm: Text
    version: Version = "0.1.0"
    world: Text = ""
    supports: tuple[Text, ...] = ()
    profiles: Mapping[str, Any] | None = None
    capabilities: Mapping[str, Any] | None = None
    operations: Annotated[tuple[SourceOperation, ...], Many] = ()
    config_schema: Any = None
    resources: Any = None
    configurators: Any = None


class SourceDependency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another pack that is needed."""

    alias: Text
    pack_id: PackId
    version_req: Text = "*"
    required_capabilities: tuple[Text, ...] = ()


class SourceCapability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the pack may do."""

    name: Text
    description: str | None = None


class SourceAsset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that goes into the pack as it is."""

    path: Text


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    pack_id: PackId
    version: Version
    kind: Text = "application"
    publisher: Text = ""
    name: Text | None = None
    bootstrap: Mapping[str, Any] | None = None
    components: Annotated[tuple[SourceComponent, ...], Many] = ()
    dependencies: Annotated[tuple[SourceDependency, ...], Many] = ()
    flows: Annotated[tuple[SourceFlow, ...], Many] = ()
    assets: Annotated[tuple[SourceAsset, ...], Many] = ()
    extensions: Mapping[str, Mapping[str, Any]] = {}
    capabilities: Annotated[tuple[SourceCapability, ...], Many] = ()


def read_source(data: bytes, place: str) -> Source:
    """What a `pack.yaml` says. Raises Invalid (`pack_source_invalid`, `yaml_…`) at line, column and JSON pointer."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Invalid("It is not UTF-8.", code="pack_source_invalid", place=place, next_step=_STEP) from None
    document = read(text, Report(place))
    try:
        return msgspec.convert(document.value, Source)
    except msgspec.ValidationError as error:
        found = misfit(error)
        at = _place(document, place, found.steps, found.pointer)
        raise Invalid(f"{found.message}.", code="pack_source_invalid", place=at, next_step=_STEP) from None


def _place(document: Document, place: str, steps: tuple[str | int, ...], pointer: str) -> str:
    mark = document.at(*(step for step in steps if step != "..."))
    return f"{place}:{mark.line}:{mark.column}#{pointer}"
