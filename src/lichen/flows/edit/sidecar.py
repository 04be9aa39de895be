"""The sidecar `FILE.resolve.json`: where the component of each node comes from.

Source: greentic-flow, resolve sidecar of schema_version 1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from lichen.core.words.errors import Invalid, NotFound

SUFFIX: Final = ".resolve.json"
BYTES_MAX: Final = 4 * 1024 * 1024
WASM_BYTES_MAX: Final = 64 * 1024 * 1024
_KINDS: Final[Mapping[str, str]] = {"oci": "oci", "repo": "repo", "store": "store", "ext": "ext"}


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a component comes from: `kind` local with a `path` from the flow's folder, or another with a `ref`.
    `digest` pins what is there."""

    kind: Literal["local", "oci", "repo", "store", "ext"]
    path: str = ""
    ref: str = ""
    digest: str = ""


class Bound(msgspec.Struct, frozen=True, omit_defaults=True):
    """The component of a node. `mode`: whether what is there may change, or is pinned."""

    source: Source
    mode: Literal["", "tracked", "pinned"] = ""


class Sidecar:
    """The sidecar beside a flow's file; an empty one where there is none. Members that are not known stay."""

    def __init__(self, flow: Path) -> None:
        self.path = Path(f"{flow}{SUFFIX}")
        self._flow = flow
        self._said = _read(self.path)
        self._nodes = cast("dict[str, Any]", self._said.setdefault("nodes", {}))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes whose component it names."""
        return tuple(self._nodes)

    def bind(self, node: str, bound: Bound) -> None:
        """Names the component of a node, and says nothing else of it than before."""
        there = self._nodes.get(node)
        known = cast("dict[str, Any]", there) if isinstance(there, dict) else {}
        known.pop("mode", None)
        self._nodes[node] = {**known, **msgspec.to_builtins(bound)}

    def keep(self, nodes: Iterable[str]) -> None:
        """Forgets the nodes that are none of these."""
        wanted = set(nodes)
        for node in [each for each in self._nodes if each not in wanted]:
            del self._nodes[node]

    def write(self) -> None:
        """Writes it, whole or not at all; no file where it names nothing and there was none."""
        if not self._nodes and not self.path.exists():
            return
        said = {**self._said, "schema_version": 1, "flow": self._flow.name, "nodes": self._nodes}
        replace(self.path, msgspec.json.format(msgspec.json.encode(said), indent=2).decode() + "\n")


def source_of(reference: str, flow: Path) -> Source:
    """What a reference names: `oci://…`, `repo://…`, `store://…`, `ext://…`, or a file from here.

    Raises Invalid (`component_reference`), NotFound (`component_missing`).
    """
    scheme, separator, _ = reference.partition("://")
    if separator:
        if scheme not in _KINDS:
            step = "Name a file, or oci://, repo:// or store://."
            raise Invalid(f"Nothing is fetched from {scheme}://.", code="component_reference", next_step=step)
        digest = reference.partition("@")[2]
        return Source(cast(Any, _KINDS[scheme]), ref=reference, digest=digest if digest.startswith("sha256:") else "")
    path = Path(reference)
    if not path.is_file():
        raise NotFound(
            f"There is no file {reference}.", code="component_missing", next_step="Build the component first."
        )
    return Source("local", path=os.path.relpath(path.resolve(), flow.resolve().parent))


def pinned(source: Source, flow: Path) -> Source:
    """The source with the digest of what is there now. Raises Invalid (`component_unpinned`) for one that is fetched
    and says none."""
    if source.kind != "local":
        if not source.digest:
            message = f"{source.ref} names no digest."
            step = f"Pin it: {source.ref}@sha256:…"
            raise Invalid(message, code="component_unpinned", next_step=step)
        return source
    with (flow.resolve().parent / source.path).open("rb") as file:
        data = file.read(WASM_BYTES_MAX + 1)
    if len(data) > WASM_BYTES_MAX:
        step = "Strip it: a component of this size is none that is called."
        raise Invalid(
            f"{source.path} is larger than {WASM_BYTES_MAX} bytes.", code="component_too_large", next_step=step
        )
    return msgspec.structs.replace(source, digest=f"sha256:{hashlib.sha256(data).hexdigest()}")


def replace(path: Path, text: str) -> None:
    """Puts a text in the place of a file, in one step."""
    made = path.with_name(f".{path.name}.new")
    made.write_text(text, encoding="utf-8")
    if path.exists():
        made.chmod(path.stat().st_mode & 0o777)
    made.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    try:
        said = msgspec.json.decode(data if len(data) <= BYTES_MAX else b"", type=dict[str, Any])
        if not isinstance(said.get("nodes", {}), dict):
            raise msgspec.DecodeError("`nodes` is no object")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        step = "Correct it, or remove it and bind the nodes again: lichen flow bind-component."
        message = "The sidecar of the flow is no JSON, or too large."
        raise Invalid(message, code="sidecar_invalid", next_step=step, place=str(path)) from None
    return said
