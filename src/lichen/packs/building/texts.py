"""The flows of a pack as texts that are loaded as any others: as they were written, else as their lowered form says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from lichen.packs.building.compiling import source_of
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.extensions import contents_of
from lichen.packs.manifests.words import Flow, Manifest


class FlowText(NamedTuple):
    """A flow of a pack: its path there, which of one that was lowered is nowhere, and its text."""

    flow: Flow
    path: str
    text: bytes


def flow_texts(archive: Archive, manifest: Manifest) -> Iterator[FlowText]:
    """Every flow of a pack. Raises NotFound (`pack_file_missing`), Invalid (`pack_…`)."""
    carried = contents_of(manifest).flows
    for flow in manifest.flows:
        path = carried.get(flow.id) or flow.file
        if path:
            yield FlowText(flow, path, archive.read(path))
        elif flow.compiled is not None:
            text = json.dumps(source_of(flow.compiled), ensure_ascii=False).encode()
            yield FlowText(flow, f"flows/{flow.id}.ygtc", text)
