"""The sidecar beside a flow: where the component of each node comes from (greentic-flow, schema_version 1)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lichen.core.words.errors import Invalid, NotFound
from lichen.flows.edit.sidecar import Bound, Sidecar, Source, pinned, source_of

PUBLIC: dict[str, Any] = {
    "schema_version": 1,
    "flow": "main.ygtc",
    "x-tool": "kept",
    "nodes": {
        "a": {"source": {"kind": "local", "path": "../a.wasm", "digest": "sha256:00"}, "mode": "pinned", "note": 1},
        "b": {"source": {"kind": "oci", "ref": "oci://ghcr.io/x/y:1", "digest": "sha256:11"}},
        "c": {
            "source": {"kind": "store", "ref": "store://x", "digest": "sha256:22", "license_hint": "MIT", "meter": True}
        },
        "d": {"source": {"kind": "ext", "ref": "ext://x#component"}},
    },
}


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/main.ygtc.resolve.json").write_text(json.dumps(PUBLIC))
    (tmp_path / "comp.wasm").write_bytes(b"wasm-bytes")
    return tmp_path / "flows/main.ygtc"


def said(flow: Path) -> Any:
    return json.loads(Path(f"{flow}.resolve.json").read_text())


@pytest.mark.req("GRE-8.1")
def test_a_node_is_bound_and_nothing_else_of_the_sidecar_changes(flow: Path, tmp_path: Path) -> None:
    sidecar = Sidecar(flow)
    source = pinned(source_of(str(tmp_path / "comp.wasm"), flow), flow)
    sidecar.bind("a", Bound(source, "pinned"))
    sidecar.write()
    digest = "sha256:" + hashlib.sha256(b"wasm-bytes").hexdigest()
    bound = {"source": {"kind": "local", "path": "../comp.wasm", "digest": digest}, "mode": "pinned", "note": 1}
    assert said(flow) == {**PUBLIC, "nodes": {**PUBLIC["nodes"], "a": bound}}


@pytest.mark.req("GRE-8.1")
def test_nodes_that_are_gone_are_forgotten(flow: Path) -> None:
    sidecar = Sidecar(flow)
    sidecar.keep(["b", "d"])
    sidecar.write()
    assert list(said(flow)["nodes"]) == ["b", "d"]


@pytest.mark.req("GRE-8.1")
def test_no_sidecar_is_written_that_would_say_nothing(tmp_path: Path) -> None:
    Sidecar(tmp_path / "main.ygtc").write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.req("GRE-8.2")
@pytest.mark.parametrize(
    ("reference", "source"),
    [
        ("oci://ghcr.io/x/y:1", Source("oci", ref="oci://ghcr.io/x/y:1")),
        ("oci://ghcr.io/x/y@sha256:ab", Source("oci", ref="oci://ghcr.io/x/y@sha256:ab", digest="sha256:ab")),
        ("repo://x/y", Source("repo", ref="repo://x/y")),
        ("store://x/y", Source("store", ref="store://x/y")),
        ("ext://x#component", Source("ext", ref="ext://x#component")),
    ],
)
def test_a_reference_is_kept_as_it_is(reference: str, source: Source) -> None:
    assert source_of(reference, Path("main.ygtc")) == source


@pytest.mark.req("GRE-8.2")
def test_what_is_nowhere_or_cannot_be_pinned_is_refused(flow: Path) -> None:
    with pytest.raises(NotFound, match="component_missing"):
        source_of("nowhere.wasm", flow)
    with pytest.raises(Invalid, match="component_reference"):
        source_of("https://example.com/x.wasm", flow)
    with pytest.raises(Invalid, match="component_unpinned"):
        pinned(Source("oci", ref="oci://ghcr.io/x/y:1"), flow)


@pytest.mark.req("GRE-8.2")
@pytest.mark.parametrize("text", ["{", "[]", '{"nodes": 1}', "[" * 100_000])
def test_a_sidecar_that_is_none_is_refused_with_its_place(flow: Path, text: str) -> None:
    Path(f"{flow}.resolve.json").write_text(text)
    with pytest.raises(Invalid, match="sidecar_invalid") as refused:
        Sidecar(flow)
    assert refused.value.place == f"{flow}.resolve.json"
