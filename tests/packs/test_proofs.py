"""What proves a pack, held against an independent implementation of the four schemes, the SBOM and the lock."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lichen.core.words.errors import Invalid
from lichen.packs.building.signing import signed_pack
from lichen.packs.container.archive import Archive, opened
from lichen.packs.manifests.cbor import decoded
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.manifests.words import Operation
from lichen.packs.proofs import archived, dsse, folder, keys, lock
from lichen.packs.proofs.chain import read_chain
from lichen.packs.proofs.sbom import differences, read_sbom, sbom_of
from lichen.packs.proofs.signedmanifest import signs
from tests.packs.making import (
    NOW,
    WASM,
    cbor,
    certificate,
    listed,
    meta_pack,
    v1_files,
    v1_pack,
    v1_value,
    zipped,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def pack(data: bytes) -> Archive:
    return opened("shop.gtpack", data)


def checked(archive: Archive) -> None:
    signature = archived.read_signature(archive)
    assert signature is not None
    archived.check(archive, read_sbom(archive), signature, read_chain(archive.read(archived.CHAIN), "chain").key)


@pytest.mark.req("GRE-33.1", "GRE-28.3")
@pytest.mark.parametrize("data", [meta_pack(KEY), v1_pack(key=KEY)], ids=["meta", "pack-v1"])
def test_an_archive_that_another_implementation_signed_is_its_keys(data: bytes) -> None:
    archive = pack(data)
    assert not list(differences(archive, read_sbom(archive)))
    checked(archive)


@pytest.mark.req("GRE-33.1")
def test_what_we_sign_is_what_another_implementation_makes_of_it() -> None:
    archive = pack(signed_pack("shop.gtpack", v1_pack(), KEY, NOW))
    said = json.loads(archive.read(archived.SIGNATURE))
    files = decoded(archive.read("sbom.cbor"), "s").value["files"]
    hasher = blake3(archive.read("manifest.cbor") + archive.read("sbom.cbor"))
    for each in sorted(files, key=lambda each: each["path"]):
        hasher.update(f"{each['path']}\n{each['hash_blake3']}".encode())
    assert said["digest"] == hasher.hexdigest()
    KEY.public_key().verify(base64.urlsafe_b64decode(said["sig"] + "=="), hasher.digest())
    assert said["key_fingerprint"] == blake3(KEY.public_key().public_bytes_raw()).hexdigest()
    assert said["signed_at_utc"] == "2026-11-28T12:00:00Z"
    checked(archive)


@pytest.mark.req("GRE-33.2")
@pytest.mark.parametrize("path", ["manifest.cbor", "sbom.cbor", "components/qa.wasm", "signatures/pack.sig"])
def test_one_changed_byte_of_what_is_signed_is_told(path: str) -> None:
    archive = pack(v1_pack(key=KEY))
    files = {each: archive.read(each) for each in archive}
    at = files[path].index(b'"sig": "') + 12 if path.endswith(".sig") else len(files[path]) - 3
    changed = files[path][:at] + bytes([files[path][at] ^ 1]) + files[path][at + 1 :]
    broken = pack(zipped({**files, path: changed}))
    with pytest.raises(Invalid) as told:
        sound(broken)
    assert told.value.code in ("pack_signature_invalid", "pack_sbom_invalid", "pack_sbom_differs")


def sound(archive: Archive) -> None:
    """Refuses an archive whose signature or files do not hold."""
    checked(archive)
    for each in differences(archive, read_sbom(archive)):
        raise Invalid(each.path, code="pack_sbom_differs")


@pytest.mark.req("GRE-33.2")
def test_a_signature_of_another_key_or_spelling_does_not_count() -> None:
    archive = pack(v1_pack(key=KEY))
    signature, sbom = archived.read_signature(archive), read_sbom(archive)
    assert signature is not None
    with pytest.raises(Invalid, match="another key"):
        archived.check(archive, sbom, signature, OTHER.public_key())
    files = {path: archive.read(path) for path in archive}
    said = json.loads(files[archived.SIGNATURE])
    for change in ({"alg": "none"}, {"sig": said["sig"] + "=="}, {"sig": "!"}, {"digest": "0" * 64}):
        wrong = pack(zipped({**files, archived.SIGNATURE: json.dumps({**said, **change}).encode()}))
        with pytest.raises(Invalid, match="pack_signature_invalid"):
            checked(wrong)
    with pytest.raises(Invalid, match="not JSON"):
        archived.read_signature(pack(zipped({**files, archived.SIGNATURE: b"x"})))


@pytest.mark.req("GRE-34.1")
def test_a_manifest_is_signed_as_it_was_without_signatures() -> None:
    raw = KEY.sign(cbor(v1_value()))
    for spelled in (list(raw), raw, base64.b64encode(raw).decode()):
        said = {"key_id": "default", "algorithm": "Ed25519", "signature": spelled}
        found = read_manifest(pack(zipped({"manifest.cbor": cbor(v1_value(signatures={"signatures": [said]}))})))
        assert signs(found, found.signatures[0], KEY.public_key())
        assert not signs(found, found.signatures[0], OTHER.public_key())
    changed = v1_value(version="9.9.9", signatures={"signatures": [said]})
    found = read_manifest(pack(zipped({"manifest.cbor": cbor(changed)})))
    assert not signs(found, found.signatures[0], KEY.public_key())


@pytest.mark.req("GRE-34.1")
def test_we_sign_a_manifest_so_that_another_implementation_verifies_it() -> None:
    archive = pack(signed_pack("shop.gtpack", v1_pack(), KEY, NOW, in_manifest=True))
    value: dict[str, Any] = decoded(archive.read("manifest.cbor"), "m").value
    (said,) = value["signatures"]["signatures"]
    KEY.public_key().verify(bytes(said["signature"]), cbor({**value, "signatures": {"signatures": []}}))
    assert said["key_id"] == hashlib.sha256(KEY.public_key().public_bytes_raw()).digest()[:16].hex()
    assert not list(differences(archive, read_sbom(archive)))
    checked(archive)


@pytest.mark.req("GRE-34.2")
def test_a_folder_is_signed_over_every_path_length_and_byte() -> None:
    files = {"pack.yaml": b"x", "flows/a.ygtc": b"yy", "flows-b": b""}
    stream = b"".join(b"PATH\0%s\nLEN\0%d\n" % (p.encode(), len(files[p])) + files[p] for p in sorted(files))
    said = json.loads(folder.sign_folder(files, KEY, NOW))["greentic"]["signature"]
    assert said["digest"] == hashlib.sha256(stream).hexdigest()
    KEY.public_key().verify(base64.urlsafe_b64decode(said["sig"] + "=="), hashlib.sha256(stream).digest())
    signature = folder.read_source_signature(folder.sign_folder(files, KEY, NOW), "s")
    assert folder.signs_folder({**files, folder.FILE: b"itself"}, signature, KEY.public_key())
    assert not folder.signs_folder(files, signature, OTHER.public_key())
    for changed in ({**files, "more": b""}, {**files, "pack.yaml": b"z"}, {"pack.yaml": b"x"}):
        assert not folder.signs_folder(changed, signature, KEY.public_key())
    with pytest.raises(Invalid, match="pack_signature_invalid"):
        folder.read_source_signature(b"{}", "s")


@pytest.mark.req("GRE-34.3")
def test_a_statement_is_an_in_toto_statement_in_a_dsse_envelope() -> None:
    digest = hashlib.sha256(b"pack").hexdigest()
    raw = dsse.attest("shop.gtpack", digest, KEY, builder="lichen", build_type="test")
    envelope = json.loads(raw)
    payload = base64.b64decode(envelope["payload"])
    pae = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    KEY.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), pae)
    statement = json.loads(payload)
    assert (statement["_type"], statement["predicateType"]) == (dsse.STATEMENT, "https://slsa.dev/provenance/v1")
    assert statement["subject"] == [{"name": "shop.gtpack", "digest": {"sha256": digest}}]
    found, said = dsse.read_envelope(raw, "s")
    dsse.check_subject(said, digest, "s")
    ids = {keys.key_id(KEY.public_key()): KEY.public_key()}
    assert dsse.signer(found, said, ids) == keys.key_id(KEY.public_key())
    with pytest.raises(Invalid, match="other bytes"):
        dsse.check_subject(said, "0" * 64, "s")


@pytest.mark.req("GRE-34.4")
def test_every_signature_of_a_statement_is_tried_and_one_without_an_id_is_nobodys() -> None:
    payload = b'{"_type":"x"}'
    good = base64.b64encode(KEY.sign(dsse.encoding(payload))).decode()
    bad = base64.b64encode(OTHER.sign(dsse.encoding(payload))).decode()
    known = keys.key_id(KEY.public_key())
    ids = {known: KEY.public_key()}

    def signer(*signatures: tuple[str, str]) -> str | None:
        said = {
            "payloadType": dsse.PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": keyid, "sig": sig} for keyid, sig in signatures],
        }
        return dsse.signer(*dsse.read_envelope(json.dumps(said).encode(), "s"), ids)

    assert signer((known, bad), (known.upper(), good)) == known
    assert signer(("", good)) is None
    assert signer(("other", good)) is None
    assert signer((known, bad)) is None
    with pytest.raises(Invalid, match="pack_statement_invalid"):
        signer()
    with pytest.raises(Invalid, match="pack_statement_invalid"):
        dsse.check_subject(payload, "0" * 64, "s")


@pytest.mark.req("GRE-31.1")
def test_files_that_are_not_as_listed_are_named() -> None:
    files = v1_files()
    entries = listed(files)
    entries[0] = {**entries[0], "hash_blake3": "0" * 64}
    entries[1] = {**entries[1], "size": 1}
    entries += [{**listed({"assets/gone.json": b"x"})[0]}, entries[1]]
    sbom = cbor({"format": "greentic-sbom-v1", "files": entries})
    data = zipped({**files, "assets/new.json": b"y", "sbom.cbor": sbom, "signatures/any": b"z"})
    archive = pack(data)
    assert {(each.what, each.path) for each in differences(archive, read_sbom(archive))} == {
        ("twice", "components/qa.wasm"),
        ("size", "components/qa.wasm"),
        ("missing", "assets/gone.json"),
        ("hash", "manifest.cbor"),
        ("unlisted", "assets/new.json"),
    }


@pytest.mark.req("GRE-31.2")
def test_a_bill_of_materials_is_read_strictly() -> None:
    for path, raw, pointer in (
        ("sbom.json", b'{"format": "spdx", "files": []}', "#/format"),
        ("sbom.json", b'{"format": "greentic-sbom-v1", "files": [{"path": "a", "size": -1}]}', "#/files/0/size"),
        ("sbom.json", b"[", ""),
        ("sbom.cbor", cbor({"format": "greentic-sbom-v1"}), "#/files"),
    ):
        with pytest.raises(Invalid) as told:
            read_sbom(pack(zipped({path: raw})))
        assert told.value.code == "pack_sbom_invalid"
        assert told.value.place == f"shop.gtpack!/{path}{pointer}"
    with pytest.raises(Invalid, match="pack_sbom_missing"):
        read_sbom(pack(zipped({"a": b""})))
    files = v1_files()
    assert read_sbom(pack(zipped({**files, "sbom.cbor": sbom_of(files)}))).files


@pytest.mark.req("GRE-36.2")
def test_a_lock_is_canonical_and_holds_the_hashes_of_components_and_operations() -> None:
    operation = Operation("process", {"type": "object", "x": 1.0}, {})
    held = lock.locked("qa", WASM, (operation, Operation("apply")), {"name": "qa"}, abi="0.6.0", config={"a": 1})
    assert held.resolved_digest == f"sha256:{hashlib.sha256(WASM).hexdigest()}"
    assert held.describe_hash == hashlib.sha256(cbor({"name": "qa"})).hexdigest()
    schema = cbor({"input": {"x": 1, "type": "object"}, "config": {"a": 1}, "output": {}})
    assert [(each.operation_id, each.schema_hash) for each in held.operations][1] == (
        "process",
        hashlib.sha256(schema).hexdigest(),
    )
    raw = lock.lock_of({"qa": held})
    found = lock.read_lock(pack(zipped({lock.FILE: raw})))
    assert found is not None
    assert dict(found.components) == {"qa": held}
    assert lock.lock_of(found.components) == raw
    assert lock.read_lock(pack(zipped({"a": b""}))) is None


@pytest.mark.req("GRE-36.2")
def test_a_lock_that_is_not_canonical_or_not_in_order_is_refused() -> None:
    held: dict[str, Any] = {
        "component_id": "qa",
        "abi_version": "0.6.0",
        "resolved_digest": "sha256:" + "0" * 64,
        "describe_hash": "0" * 64,
        "operations": [],
    }
    right = lock.lock_of({"qa": lock.locked("qa", WASM, (), None, abi="0.6.0")})
    assert lock.read_lock(pack(zipped({lock.FILE: right})))
    for raw in (
        cbor({"version": 1, "components": {"qa": held}}),
        right.replace(b"qa", b"qb", 1),
        right.replace(b"sha256:", b"sha257:"),
    ):
        with pytest.raises(Invalid, match="pack_lock_invalid"):
            lock.read_lock(pack(zipped({lock.FILE: raw})))


@pytest.mark.req("GRE-33.3")
def test_keys_are_pkcs8_and_spki_in_pem_and_other_kinds_are_refused() -> None:
    made = keys.new_key()
    assert keys.raw(keys.private_key(keys.private_pem(made)).public_key()) == keys.raw(made.public_key())
    assert "BEGIN PRIVATE KEY" in keys.private_pem(made)
    assert keys.fingerprint(keys.public_key(keys.public_pem(made.public_key()))) == keys.fingerprint(made.public_key())
    from lichen.tools.pins.keys import new_key, private_pem, public_pem

    for wrong in (lambda: keys.private_key("x"), lambda: keys.public_key("x"), lambda: keys.public_key("x" * 9_000)):
        with pytest.raises(Invalid, match="pack_key_invalid"):
            wrong()
    with pytest.raises(Invalid, match="no Ed25519 key"):
        keys.private_key(private_pem(new_key()))
    with pytest.raises(Invalid, match="no Ed25519 key"):
        keys.public_key(public_pem(new_key().public_key()))


@pytest.mark.req("GRE-33.3")
def test_certificates_of_another_key_are_not_taken_to_sign_with() -> None:
    with pytest.raises(Invalid, match="pack_key_differs"):
        signed_pack("shop.gtpack", v1_pack(), KEY, NOW, chain=certificate(OTHER))
    with pytest.raises(Invalid, match="pack_chain_invalid"):
        signed_pack("shop.gtpack", v1_pack(), KEY, NOW, chain=b"no certificate")
