"""Whose packs load where: strict wherever an environment is not marked for development, for both models."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Scope
from lichen.packs.building.signing import signed_pack
from lichen.packs.container.archive import opened
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.proofs import dsse
from lichen.packs.proofs.chain import read_chain
from lichen.packs.proofs.keys import fingerprint, key_id, public_pem
from lichen.packs.proofs.ring import ring_of
from lichen.packs.proofs.trust import Proof, Ring, Root, Verdict, judged, proven
from lichen.settings.file import Settings, Tenant
from lichen.settings.packs.table import PacksTable, TrustTable
from tests.packs.making import (
    NOW,
    YEAR,
    cbor,
    certificate,
    listed,
    meta_pack,
    signed,
    v1_files,
    v1_pack,
    v1_value,
    zipped,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ROOT = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
MIDDLE = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
ACME = Root("acme", KEY.public_key())
DEVELOPMENT = Ring(is_for_development=True)


def proof(data: bytes, statement: bytes | None = None) -> Proof:
    archive = opened("shop.gtpack", data)
    return proven(archive, read_manifest(archive), statement=statement)


def codes(verdict: Verdict) -> list[str]:
    return [each.code for each in verdict.errors]


def refusals() -> dict[str, tuple[str, bytes]]:
    """Packs that no strict environment which trusts acme loads, with why."""
    expired = certificate(KEY, until=NOW - timedelta(days=1))
    local = certificate(KEY, "greentic-dev-local")
    alone = {"key_id": "acme", "algorithm": "ed25519", "signature": list(KEY.sign(cbor(v1_value())))}
    return {
        "unsigned": ("pack_unsigned", meta_pack()),
        "unsigned pack-v1": ("pack_unsigned", v1_pack()),
        "only its manifest": ("pack_unsigned", v1_pack(v1_files(signatures={"signatures": [alone]}))),
        "signed for development": ("pack_signed_for_development", meta_pack(KEY, local)),
        "of an unknown key": ("pack_signer_unknown", v1_pack(key=OTHER)),
        "of an unknown key, older": ("pack_signer_unknown", meta_pack(OTHER)),
        "expired": ("pack_signature_expired", meta_pack(KEY, expired)),
    }  # fmt: skip


@pytest.mark.req("GRE-35.1")
@pytest.mark.parametrize("name", refusals())
def test_nothing_loads_that_nobody_known_signed_unless_it_is_for_development(name: str) -> None:
    code, data = refusals()[name]
    strict = judged(proof(data), Ring((ACME,)), NOW)
    assert (strict.is_ok, codes(strict)) == (False, [code])
    assert strict.errors[0].kind == "denied"
    lenient = judged(proof(data), DEVELOPMENT, NOW)
    assert lenient.is_ok
    assert lenient.warnings[0].code in (code, "pack_signer_unknown")


@pytest.mark.req("GRE-35.2")
@pytest.mark.parametrize("data", [meta_pack(KEY), v1_pack(key=KEY)], ids=["meta", "pack-v1"])
def test_what_a_trusted_key_signed_loads(data: bytes) -> None:
    verdict = judged(proof(data), Ring((ACME,)), NOW)
    assert (verdict.is_ok, verdict.scheme, verdict.signer, verdict.subject) == (True, "archive", "acme", "Acme")
    assert not verdict.warnings


@pytest.mark.req("GRE-35.3")
def test_what_does_not_hold_or_was_denied_loads_nowhere() -> None:
    archive = opened("shop.gtpack", v1_pack(key=KEY))
    files = {path: archive.read(path) for path in archive}
    broken = proof(zipped({**files, "manifest.cbor": cbor(v1_value(publisher="Mallory"))}))
    sound = proof(v1_pack(key=KEY))
    alone = {"key_id": "acme", "algorithm": "ed25519", "signature": list(OTHER.sign(cbor(v1_value())))}
    claimed = proof(v1_pack(v1_files(signatures={"signatures": [alone]}), KEY))
    for is_dev in (True, False):
        ring = Ring((ACME,), is_for_development=is_dev)
        assert "pack_signature_invalid" in codes(judged(broken, ring, NOW))
        assert codes(judged(claimed, ring, NOW)) == ["pack_signature_invalid"]
        for denied in (sound.digest, fingerprint(KEY.public_key()), key_id(KEY.public_key())):
            ring = Ring((ACME,), frozenset({denied}), is_for_development=is_dev)
            assert codes(judged(sound, ring, NOW)) == ["pack_denied"]


@pytest.mark.req("GRE-35.4")
def test_files_that_are_not_as_listed_are_refused_also_where_the_signer_is_known() -> None:
    files = v1_files()
    held = {**files, "sbom.cbor": cbor({"format": "greentic-sbom-v1", "files": listed(files)})}
    data = zipped({**signed(held, KEY, None, "sbom.cbor"), "unlisted": b"x"})
    verdict = judged(proof(data), Ring((ACME,)), NOW)
    assert codes(verdict) == ["pack_sbom_differs"]
    assert verdict.errors[0].place == "shop.gtpack!/unlisted"
    assert judged(proof(data), Ring((ACME,), is_for_development=True), NOW).is_ok
    lacking = judged(proof(zipped(files)), Ring((ACME,)), NOW)
    assert set(codes(lacking)) == {"pack_sbom_missing", "pack_unsigned"}


def chained(*certificates: bytes) -> Verdict:
    root = read_chain(certificate(ROOT, "Root", ca=True), "root").certificates[0]
    ring = Ring((Root("root", certificate=root),))
    return judged(proof(meta_pack(KEY, b"".join(certificates))), ring, NOW)


@pytest.mark.req("GRE-35.5")
def test_a_chain_counts_only_up_to_a_root_that_is_trusted() -> None:
    leaf = certificate(KEY, "Acme", issuer=(ROOT, "Root"))
    assert chained(leaf).signer == "root"
    assert chained(leaf, certificate(ROOT, "Root", ca=True)).is_ok
    middle = certificate(MIDDLE, "Middle", issuer=(ROOT, "Root"), ca=True)
    below = certificate(KEY, "Acme", issuer=(MIDDLE, "Middle"))
    assert chained(below, middle).is_ok
    unknown = ["pack_signer_unknown"]
    assert codes(chained(below)) == unknown  # the one between is missing
    assert codes(chained(certificate(KEY, "Acme", issuer=(OTHER, "Root")))) == unknown  # only called as the root is
    assert codes(chained(certificate(KEY, "Acme"), certificate(ROOT, "Root", ca=True))) == unknown
    no_authority = certificate(MIDDLE, "Middle", issuer=(ROOT, "Root"))
    assert codes(chained(below, no_authority)) == unknown
    shallow = certificate(MIDDLE, "Middle", issuer=(ROOT, "Root"), ca=True, path_length=0)
    lower = certificate(OTHER, "Lower", issuer=(MIDDLE, "Middle"), ca=True)
    assert chained(below, shallow).is_ok
    assert codes(chained(certificate(KEY, "Acme", issuer=(OTHER, "Lower")), lower, shallow)) == unknown
    old = certificate(MIDDLE, "Middle", issuer=(ROOT, "Root"), ca=True, until=NOW - timedelta(days=1))
    assert codes(chained(below, old)) == ["pack_signature_expired"]


@pytest.mark.req("GRE-35.5")
def test_an_issuer_that_is_trusted_as_a_key_vouches_for_nobody_else() -> None:
    leaf = certificate(KEY, "Acme", issuer=(ROOT, "Root"))
    ring = Ring((Root("root", ROOT.public_key()),))
    data = meta_pack(KEY, leaf + certificate(ROOT, "Root", ca=True))
    assert codes(judged(proof(data), ring, NOW)) == ["pack_signer_unknown"]


@pytest.mark.req("GRE-35.6")
def test_trust_ends_on_its_day() -> None:
    ring = Ring((Root("acme", KEY.public_key(), until=NOW),))
    assert judged(proof(v1_pack(key=KEY)), ring, NOW).is_ok
    assert codes(judged(proof(v1_pack(key=KEY)), ring, NOW + timedelta(seconds=1))) == ["pack_signer_unknown"]
    data = signed_pack("shop.gtpack", v1_pack(), KEY, NOW, lasts=timedelta(days=10))
    assert judged(proof(data), Ring((ACME,)), NOW + timedelta(days=10)).is_ok
    assert codes(judged(proof(data), Ring((ACME,)), NOW + timedelta(days=11))) == ["pack_signature_expired"]
    assert codes(judged(proof(data), Ring((ACME,)), NOW - YEAR)) == ["pack_signature_expired"]


@pytest.mark.req("GRE-34.3")
def test_a_statement_beside_a_pack_vouches_for_all_its_bytes() -> None:
    data = v1_pack()
    said = dsse.attest("shop", hashlib.sha256(data).hexdigest(), KEY, builder="b", build_type="t")
    verdict = judged(proof(data, said), Ring((ACME,)), NOW)
    assert (verdict.is_ok, verdict.scheme, verdict.signer) == (True, "statement", "acme")
    assert codes(judged(proof(data, said), Ring(), NOW)) == ["pack_signer_unknown"]
    elsewhere = dsse.attest("shop", "0" * 64, KEY, builder="b", build_type="t")
    for ring in (Ring((ACME,)), DEVELOPMENT):
        assert "pack_statement_invalid" in codes(judged(proof(data, elsewhere), ring, NOW))


@pytest.mark.req("GRE-35.7")
def test_trust_is_given_per_tenant_and_environment(tmp_path: Path) -> None:
    (tmp_path / "acme.pem").write_text(public_pem(KEY.public_key()))
    (tmp_path / "root.pem").write_bytes(certificate(ROOT, "Root", ca=True))
    table = PacksTable(
        (
            TrustTable("acme", "acme.pem", tenants=("shop",), environments=("prod",), until=date(2027, 1, 1)),
            TrustTable("root", "root.pem", tenants=("bank",)),
        ),
        denied=("sha256:" + "0" * 64,),
    )
    tenants = {"shop": Tenant(("dev", "prod"), development=("dev",)), "bank": Tenant(("prod",))}
    settings = Settings(tmp_path, tmp_path, tenants, packs=table)
    found = {scope: ring_of(settings, scope) for scope in settings.scopes}
    assert [root.name for root in found[Scope("shop", "prod")].roots] == ["acme"]
    assert [root.name for root in found[Scope("bank", "prod")].roots] == ["root"]
    assert not found[Scope("shop", "dev")].roots
    assert {scope.env for scope, ring in found.items() if ring.is_for_development} == {"dev"}
    assert all(ring.denied == {"0" * 64} for ring in found.values())
    verdicts = {scope: judged(proof(v1_pack(key=KEY)), ring, NOW).is_ok for scope, ring in found.items()}
    assert verdicts == {Scope("shop", "dev"): True, Scope("shop", "prod"): True, Scope("bank", "prod"): False}


@pytest.mark.req("GRE-35.7")
@pytest.mark.parametrize("text", [None, "no key", "-----BEGIN CERTIFICATE-----\n"])
def test_a_trusted_file_that_holds_no_key_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "acme.pem").write_text(text)
    settings = Settings(tmp_path, tmp_path, {"shop": Tenant()}, packs=PacksTable((TrustTable("acme", "acme.pem"),)))
    with pytest.raises(Invalid, match="pack_trust_invalid"):
        ring_of(settings, Scope("shop", "dev"))
