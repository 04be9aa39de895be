"""Every code of the doctor, reached by a pack that is wrong in that way and in no other."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lichen.packs.building.building import build
from lichen.packs.building.folder import read_folder
from lichen.packs.building.signing import signed_pack
from lichen.packs.checking.diagnostic import CODES, Diagnostic
from lichen.packs.checking.doctor import examined
from lichen.packs.manifests.words import Operation
from lichen.packs.proofs import lock
from tests.packs.making import (
    NOW,
    WASM,
    cbor,
    certificate,
    extension,
    listed,
    meta_files,
    meta_pack,
    node,
    signed,
    v1_pack,
    v1_value,
    zipped,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def flow(**more: Any) -> dict[str, Any]:
    """A manifest whose flow is otherwise."""
    value = v1_value()
    value["flows"][0]["flow"] |= more
    return value


def held(value: dict[str, Any], **files: bytes | None) -> bytes:
    """A pack with this manifest, its lock and component, and files more or less."""
    operations = (Operation("process", {"type": "object"}, {}),)
    fitting = lock.lock_of({"qa": lock.locked("qa", WASM, operations, None, abi="0.6.0")})
    all_files = {"manifest.cbor": cbor(value), "components/qa.wasm": WASM, lock.FILE: fitting, **files}
    return v1_pack({path: data for path, data in all_files.items() if data is not None}, KEY)


def locked(description: Any = None, *, wasm: bytes = WASM, **more: bytes) -> bytes:
    operations = (Operation("process", {"type": "object"}, {}),)
    raw = lock.lock_of({"qa": lock.locked("qa", wasm, operations, description, abi="0.6.0")})
    return held(v1_value(), **{lock.FILE: raw, **more})


def operations(*named: Operation) -> bytes:
    return held(v1_value(), **{lock.FILE: lock.lock_of({"qa": lock.locked("qa", WASM, named, None, abi="0.6.0")})})


def dependency(**more: Any) -> dict[str, Any]:
    return {"alias": "mail", "pack_id": 0, "version_req": "^1", "required_capabilities": [], **more}


def component(**more: Any) -> dict[str, Any]:
    return {**v1_value()["components"][0], **more}


def reaching(code: str, *, alias: str | None) -> dict[str, Any]:
    value = v1_value()
    value["flows"][0]["flow"]["nodes"][3]["component"] = {"id": code, "pack_alias": alias, "operation": None}
    return value


def unlisted() -> bytes:
    files = {"manifest.cbor": cbor(v1_value()), "components/qa.wasm": WASM}
    return zipped({**files, "sbom.cbor": cbor({"format": "greentic-sbom-v1", "files": listed(files)}), "new": b"x"})


def sbom(**more: bytes) -> bytes:
    """A pack whose bill of materials lists another file, or another size."""
    files = {"manifest.cbor": cbor(v1_value()), "components/qa.wasm": WASM}
    said = cbor({"format": "greentic-sbom-v1", "files": listed({**files, **more})})
    return zipped({**files, "sbom.cbor": said})


def meta_with(change: Callable[[dict[str, bytes]], None]) -> bytes:
    files = meta_files()
    change(files)
    files["sbom.json"] = json.dumps({"format": "greentic-sbom-v1", "files": listed(files)}).encode()
    return zipped(signed(files, KEY, None, "sbom.json"))


def forged() -> bytes:
    data = v1_pack(key=KEY)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    return zipped(
        {**files, "signatures/pack.sig": files["signatures/pack.sig"].replace(b'"digest": "', b'"digest": "0')}
    )


def without_flow(files: dict[str, bytes]) -> None:
    del files["flows/main/flow.ygtc"]


SCHEMA = {k: v for k, v in v1_value().items() if k != "schema_version"}
NO_ID = {k: v for k, v in v1_value().items() if k != "pack_id"}
TWO = [v1_value()["flows"][0], v1_value()["flows"][0]]
PROVIDER = {"provider_type": "x", "runtime": {"component_ref": "gone", "export": "e", "world": "w"}}
FIXTURES: dict[str, Callable[[], bytes]] = {
    "PACK_CONTAINER_INVALID": lambda: b"{}",
    "PACK_MISSING_MANIFEST_CBOR": lambda: v1_pack({"a": b"x"}),
    "PACK_MANIFEST_INVALID": lambda: held(v1_value(version="new")),
    "PACK_SCHEMA_VERSION_MISSING": lambda: held(SCHEMA),
    "PACK_ID_MISSING": lambda: held(NO_ID),
    "PACK_MISSING_FILE": lambda: meta_with(without_flow),
    "PACK_FILE_HASH_MISMATCH": lambda: meta_with(lambda files: files.update({"flows/main/flow.json": b"{}"})),
    "PACK_SBOM_MISSING": lambda: zipped({"manifest.cbor": cbor(v1_value()), "components/qa.wasm": WASM}),
    "PACK_SBOM_INVALID": lambda: zipped({"manifest.cbor": cbor(v1_value()), "sbom.cbor": b"\xff"}),
    "PACK_SBOM_DANGLING_PATH": lambda: sbom(gone=b"x"),
    "PACK_SBOM_UNLISTED_FILE": unlisted,
    "PACK_SBOM_MISMATCH": lambda: sbom(**{"components/qa.wasm": b"other"}),
    "PACK_SECRET_REQUIREMENTS_INVALID": lambda: held(v1_value(secret_requirements=[{"key": "../x"}])),
    "PACK_COMPONENT_ID_DUPLICATE": lambda: held(v1_value(components=[component(), component()])),
    "PACK_COMPONENT_NOT_EXPLICIT": lambda: held(reaching("their.code", alias=None)),
    "PACK_MISSING_COMPONENT_REFERENCE": lambda: held(
        v1_value(extensions={"p": extension("greentic.provider-extension.v1", {"providers": [PROVIDER]})})
    ),
    "PACK_COMPONENT_CONFIG_FLOW_MISSING": lambda: held(v1_value(components=[component(configurators={"basic": "no"})])),
    "PACK_COMPONENT_DOCTOR_NOT_WASM": lambda: held(v1_value(), **{"components/qa.wasm": b"text", lock.FILE: None}),
    "PACK_DEPENDENCY_ALIAS_MISSING": lambda: held(v1_value(dependencies=[dependency(alias="")])),
    "PACK_DEPENDENCY_ALIAS_DUPLICATE": lambda: held(v1_value(dependencies=[dependency(), dependency()])),
    "PACK_FLOW_ID_DUPLICATE": lambda: held(v1_value(flows=TWO)),
    "PACK_FLOW_ID_MISMATCH": lambda: held(flow(id="other")),
    "PACK_FLOW_KIND_MISMATCH": lambda: held(flow(kind="job")),
    "PACK_FLOW_SCHEMA_VERSION_MISSING": lambda: held(flow(schema_version=None)),
    "PACK_FLOW_COMPONENT_MISSING": lambda: held(reaching("", alias=None)),
    "PACK_FLOW_DEPENDENCY_ALIAS_MISSING": lambda: held(reaching("their.code", alias="unknown")),
    "PACK_FLOW_DOCTOR_ERROR": lambda: held(flow(nodes=[node(0, 1, {"Custom": [{"to": "nowhere"}]})])),
    "PACK_FLOW_DOCTOR_WARNING": lambda: held(flow(nodes=[node(0, 1, "End", {"text": "{{no.such}}"})])),
    "PACK_EXTENSION_UNKNOWN": lambda: held(v1_value(extensions={"n": extension("their.kind.v1", {})})),
    "PACK_EXTENSION_INVALID": lambda: held(
        v1_value(extensions={"m": extension("greentic.pack-mode.v1", {"mode": "odd"})})
    ),
    "PACK_LOCK_MISSING": lambda: held(v1_value(), **{lock.FILE: None}),
    "PACK_LOCK_INVALID": lambda: held(v1_value(), **{lock.FILE: cbor({"components": {}, "version": 1})}),
    "PACK_LOCK_COMPONENT_WASM_MISSING": lambda: held(v1_value(), **{"components/qa.wasm": None}),
    "PACK_LOCK_COMPONENT_DIGEST_MISMATCH": lambda: locked(wasm=WASM + b"x"),
    "PACK_LOCK_DESCRIBE_HASH_MISMATCH": lambda: locked(
        {"id": "qa"}, **{"components/qa.describe.cbor": cbor({"id": "no"})}
    ),
    "PACK_LOCK_OPERATION_MISSING": operations,
    "PACK_LOCK_OPERATION_STALE": lambda: operations(
        Operation("gone"), Operation("process", {"type": "object"}, {})
    ),
    "PACK_LOCK_SCHEMA_HASH_LOCK_MISMATCH": lambda: operations(Operation("process", {"type": "string"}, {})),
    "PACK_SIGNATURE_INVALID": forged,
    "PACK_SIGNATURE_DEVELOPMENT": lambda: meta_pack(KEY, certificate(KEY, "greentic-dev-local")),
    "PACK_UNSIGNED": v1_pack,
}  # fmt: skip


def codes(found: tuple[Diagnostic, ...]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.req("GRE-38.1")
@pytest.mark.parametrize("code", CODES)
def test_every_code_is_reached_by_a_pack_that_is_wrong_in_that_way(code: str) -> None:
    found = examined("shop.gtpack", FIXTURES[code]())
    assert code in codes(found)
    each = next(each for each in found if each.code == code)
    assert each.message
    assert set(codes(found)) <= set(CODES)


@pytest.mark.req("GRE-38.2")
def test_a_pack_with_which_nothing_is_wrong_has_no_finding(tmp_path: Path) -> None:
    assert codes(examined("shop.gtpack", held(v1_value()))) == []
    assert codes(examined("shop.gtpack", meta_pack(KEY))) == []
    (tmp_path / "flows").mkdir()
    (tmp_path / "pack.yaml").write_text("pack_id: shop\nversion: 1.0.0\n")
    (tmp_path / "flows/a.ygtc").write_text("id: a\ntype: messaging\nnodes:\n  hi:\n    emit.response: {text: Hi}\n")
    data = signed_pack("shop.gtpack", build(read_folder(tmp_path)).data, KEY, NOW)
    assert codes(examined("shop.gtpack", data)) == []


@pytest.mark.req("GRE-37.3")
def test_an_unknown_extension_is_a_warning_and_in_strict_mode_an_error() -> None:
    data = FIXTURES["PACK_EXTENSION_UNKNOWN"]()
    assert [(each.severity, each.path) for each in examined("shop.gtpack", data)] == [
        ("warn", "manifest.cbor#/extensions/n/kind")
    ]
    assert [each.severity for each in examined("shop.gtpack", data, strict=True)] == ["error"]


@pytest.mark.req("GRE-36.3")
def test_a_description_that_lies_beside_its_component_is_the_one_that_was_locked() -> None:
    said: dict[str, Any] = {"id": "qa", "operations": []}
    data = locked(said, **{"components/qa.describe.cbor": cbor(said)})
    assert codes(examined("shop.gtpack", data)) == []


@pytest.mark.req("GRE-31.3")
def test_two_paths_that_are_listed_and_not_there_are_both_named() -> None:
    found = examined("shop.gtpack", sbom(**{"flows/a.ygtc": b"x", "flows/b.ygtc": b"y"}))
    assert [each.path for each in found if each.code == "PACK_SBOM_DANGLING_PATH"] == ["flows/a.ygtc", "flows/b.ygtc"]
