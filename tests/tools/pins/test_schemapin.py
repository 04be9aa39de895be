"""Schemas signed by a domain's key: both conventions, seven steps, and the project's own tools as oracles."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import canonical, read
from lichen.tools.pins.dns import Witness, name_of, witness_of
from lichen.tools.pins.documents import Revocations, RevokedKey, discovery_of, domain_of, revocations_of
from lichen.tools.pins.keys import fingerprint, private_key, private_pem, public_key, sign
from lichen.tools.pins.result import KeyPins
from lichen.tools.pins.signed import Signed, Terms, document_of, sign_schema, signed_of
from lichen.tools.pins.verify import Caller, Issuer, verify, within
from tests.tools.pins import sdk
from tests.tools.pins.vendor import DOMAIN, NOW, SCHEMA, Vendor

FIXTURES = Path(__file__).parent / "fixtures"


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


@pytest.mark.req("SYM-60.1")
@pytest.mark.parametrize(
    ("language", "convention"),
    [("python", "double"), ("javascript", "double"), ("go", "single"), ("go_tools", "single")],
)
def test_what_the_tools_of_every_language_signed_counts_and_says_in_which_convention(
    language: str, convention: str
) -> None:
    signed = signed_of(fixture(f"{language}.signed.json"))
    issuer = Issuer(DOMAIN, discovery_of(fixture(f"{language}.well_known.json"), DOMAIN))
    result = verify(signed, issuer, NOW)
    assert (result.valid, result.convention, result.pinning) == (True, convention, "first_use")
    other = msgspec.structs.replace(signed, schema={**signed.schema, "name": "other"})
    assert verify(other, issuer, NOW).error_code == "signature_invalid"


@pytest.mark.req("SYM-60.1")
def test_what_we_sign_counts_for_the_python_sdk_and_what_it_signs_for_us() -> None:
    vendor = Vendor()
    ours = sign_schema(SCHEMA, vendor.key, NOW)
    found = sdk.verification.verify_schema_offline(
        SCHEMA, ours.terms.signature, DOMAIN, "t", vendor.said(), None, sdk.verification.KeyPinStore()
    )
    assert found.valid
    pem = private_pem(vendor.key)
    theirs = sdk.signatures.sign_schema_hash(sdk.core.canonicalize_and_hash(SCHEMA), sdk.keys.load_private_key_pem(pem))
    assert verify(Signed(SCHEMA, Terms(theirs)), vendor.issuer(), NOW).convention == "double"
    assert fingerprint(vendor.key.public_key()) == sdk.keys.calculate_key_fingerprint_from_pem(vendor.pem)


@pytest.mark.req("SYM-60.1")
def test_a_signature_may_stand_in_the_schema_as_symbiont_embeds_it() -> None:
    vendor = Vendor()
    embedded = {**SCHEMA, "signature": sign(canonical(SCHEMA), vendor.key, "single")}
    assert verify(signed_of(embedded), vendor.issuer(), NOW).convention == "single"
    with pytest.raises(Invalid, match="signature_missing"):
        signed_of(SCHEMA)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.req("SYM-60.2")
@given(value=JSON)
def test_the_spelling_that_is_signed_is_that_of_the_sdk(value: Any) -> None:
    try:
        theirs = sdk.core.canonicalize_schema(value).encode()
    except UnicodeEncodeError:
        with pytest.raises(Invalid, match="schema_canonicalization_failed"):
            canonical(value)
        return
    assert canonical(value) == theirs
    assert read(theirs, place="x") == value


@pytest.mark.req("SYM-60.2")
def test_a_number_that_languages_spell_differently_is_not_signed_and_is_told_of_where_it_was() -> None:
    vendor = Vendor()
    schema = {**SCHEMA, "inputSchema": {"minimum": 0.5}}
    with pytest.raises(Invalid) as error:
        sign_schema(schema, vendor.key, NOW)
    assert (error.value.code, error.value.place) == ("schema_canonicalization_failed", "/inputSchema/minimum")
    signed = Signed(schema, Terms(sign(canonical(schema), vendor.key)))
    assert verify(signed, vendor.issuer(), NOW).warnings == ("float_in_schema /inputSchema/minimum",)


@pytest.mark.req("SYM-60.2")
@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000, "{", '"' + "x" * 2_000_000 + '"'])
def test_a_document_that_means_different_things_to_different_readers_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="document_invalid"):
        read(text.encode(), place="x")


@pytest.mark.req("SYM-60.2")
def test_what_is_nested_too_deep_has_no_spelling() -> None:
    deep: Any = {}
    for _ in range(80):
        deep = {"a": deep}
    vendor = Vendor()
    result = verify(Signed(deep, Terms("AAAA")), vendor.issuer(), NOW)
    assert result.error_code == "schema_canonicalization_failed"


@pytest.mark.req("SYM-60.3")
def test_each_step_that_fails_has_its_code_in_the_order_of_the_steps() -> None:
    vendor, mark = Vendor(), fingerprint(Vendor().key.public_key())
    own = fingerprint(vendor.key.public_key())
    good = sign_schema(SCHEMA, vendor.key, NOW)
    bad = Signed({"other": 1}, good.terms)
    gone = Revocations(DOMAIN, (RevokedKey(own.upper().replace("SHA256", "sha256"), reason="nobody knows"),))
    unknown = Signed(SCHEMA, msgspec.structs.replace(good.terms, canonicalization="jcs"))
    mock = "-----BEGIN PUBLIC KEY-----\nMOCK\n-----END PUBLIC KEY-----"
    elsewhere = msgspec.structs.replace(vendor.issuer(), witness=Witness(mark))

    def code(signed: Signed, issuer: Issuer, pinned: str | None = None) -> str | None:
        return verify(signed, issuer, NOW, pinned=pinned).error_code

    assert code(unknown, vendor.issuer(revoked_keys=[own])) == "canonicalization_unsupported"
    assert code(bad, vendor.issuer(public_key_pem=mock)) == "key_not_found"
    assert code(bad, vendor.issuer(revoked_keys=[own]), mark) == "key_revoked"
    assert code(bad, vendor.issuer(gone), mark) == "key_revoked"
    assert code(bad, elsewhere, mark) == "domain_mismatch"
    assert code(bad, vendor.issuer(), mark) == "key_pin_mismatch"
    assert code(bad, vendor.issuer(), own) == "signature_invalid"
    assert code(good, vendor.issuer(), own) is None
    assert verify(good, vendor.issuer(), NOW, pinned=own).pinning == "pinned"


@pytest.mark.req("SYM-60.3")
@pytest.mark.parametrize(
    "said",
    [b"{}", b"[]", b"no", {"public_key_pem": 3}, {"public_key_pem": "x"}, {"public_key_pem": "x", "revoked_keys": "y"}],
)
def test_a_discovery_document_that_is_none_is_refused(said: Any) -> None:
    with pytest.raises(Invalid, match="discovery_invalid"):
        discovery_of(said, DOMAIN)


VENDOR = Vendor()
SIGNED = sign_schema(SCHEMA, VENDOR.key, NOW)


@pytest.mark.req("SYM-60.4")
@settings(deadline=None)
@given(data=st.data())
def test_a_single_bit_that_is_flipped_in_schema_or_signature_is_noticed(data: st.DataObject) -> None:
    text = bytearray(canonical(document_of(SIGNED)))
    place = data.draw(st.integers(0, len(text) * 8 - 1))
    text[place // 8] ^= 1 << place % 8
    try:
        found = signed_of(read(bytes(text), place="x"))
    except Invalid:
        return
    if canonical(found.schema) == canonical(SCHEMA) and found.terms.signature == SIGNED.terms.signature:
        return  # only the time at which it was signed is another, which nobody signs
    assert not verify(found, VENDOR.issuer(), NOW).valid


@pytest.mark.req("SYM-61.3")
def test_a_key_is_pinned_only_by_a_signature_that_counts() -> None:
    vendor, attacker = Vendor(), Vendor()
    pins = KeyPins()
    forged = verify(Signed(SCHEMA, Terms(SIGNED.terms.signature)), attacker.issuer(), NOW, pinned=pins.of("t", DOMAIN))
    pins = pins.having("t", forged)
    assert pins.of("t", DOMAIN) is None
    first = verify(sign_schema(SCHEMA, vendor.key, NOW), vendor.issuer(), NOW, pinned=pins.of("t", DOMAIN))
    pins = pins.having("t", first)
    assert pins.of("t", DOMAIN) == fingerprint(vendor.key.public_key())
    later = verify(sign_schema(SCHEMA, attacker.key, NOW), attacker.issuer(), NOW, pinned=pins.of("t", DOMAIN))
    assert later.error_code == "key_pin_mismatch"
    assert pins.having("t", later) == pins
    assert KeyPins.read(pins.text()) == pins
    assert pins.without("t", DOMAIN) == KeyPins()


@pytest.mark.req("SYM-61.3")
def test_the_file_of_pins_is_that_of_the_python_sdk() -> None:
    store = sdk.verification.KeyPinStore()
    store.check_and_pin("t", DOMAIN, "sha256:00")
    assert KeyPins.read(store.to_json()).of("t", DOMAIN) == "sha256:00"
    theirs = sdk.verification.KeyPinStore.from_json(KeyPins({f"t@{DOMAIN}": "sha256:01"}).text())
    assert theirs.get_pinned("t", DOMAIN) == "sha256:01"


@pytest.mark.req("SYM-62.2")
def test_a_key_that_either_kind_of_revocation_names_counts_no_more() -> None:
    vendor = Vendor()
    own = fingerprint(vendor.key.public_key())
    document = {
        "schemapin_version": "1.2",
        "domain": DOMAIN,
        "updated_at": "2026-05-01T00:00:00Z",
        "revoked_keys": [{"fingerprint": own, "revoked_at": "2026-05-01T00:00:00Z", "reason": "key_compromise"}],
    }
    signed = sign_schema(SCHEMA, vendor.key, NOW)
    assert verify(signed, vendor.issuer(revoked_keys=[own]), NOW).error_code == "key_revoked"
    assert verify(signed, vendor.issuer(revocations_of(document, DOMAIN)), NOW).error_code == "key_revoked"
    with pytest.raises(Invalid, match="domain_mismatch"):
        revocations_of({**document, "domain": "other.example"}, DOMAIN)


@pytest.mark.req("SYM-60.5")
def test_a_signature_past_its_time_counts_and_says_so() -> None:
    vendor = Vendor()
    signed = sign_schema(SCHEMA, vendor.key, NOW - timedelta(days=3), lasts=timedelta(days=1))
    late = verify(signed, vendor.issuer(), NOW)
    assert (late.valid, late.expired, late.warnings) == (True, True, ("signature_expired",))
    unclear = Signed(SCHEMA, msgspec.structs.replace(signed.terms, expires_at="tomorrow"))
    assert verify(unclear, vendor.issuer(), NOW).warnings == ("signature_expires_at_unparseable",)
    fresh = verify(sign_schema(SCHEMA, vendor.key, NOW, lasts=timedelta(days=1)), vendor.issuer(), NOW)
    assert (fresh.expired, fresh.expires_at, fresh.warnings) == (False, "2026-06-02T12:00:00Z", ())
    assert fresh.said()["key_pinning"] == {"status": "first_use"}


@pytest.mark.req("SYM-60.6")
def test_a_caller_has_what_it_trusts_and_as_far_as_it_was_delegated() -> None:
    result = verify(SIGNED, VENDOR.issuer(), NOW)
    assert within(result, Caller("a")) == result
    assert within(result, Caller("a", 3, (DOMAIN,))) == result
    assert within(result, Caller("a", 0, ("*.example",))) == result
    assert within(result, Caller("a", 4)).error_code == "a2a_scope_violation"
    assert within(result, Caller("a", 0, ("*.vendor.example", "other.example"))).error_code == "a2a_scope_violation"


@pytest.mark.req("SYM-65.1")
def test_a_record_in_the_dns_that_names_another_key_refuses_and_none_changes_nothing() -> None:
    own = fingerprint(VENDOR.key.public_key())
    record = f"fp={own.upper()} ; kid=a ; v = schemapin1; more=x"
    assert name_of("vendor.example.") == "_schemapin.vendor.example"
    assert witness_of([]) is None
    assert witness_of(["v=spf1 -all"]) is None
    for records, code in (
        ([record, "v=schemapin1; fp=sha256:0"], None),
        (["v=schemapin1;fp=sha256:0"], "domain_mismatch"),
    ):
        issuer = msgspec.structs.replace(VENDOR.issuer(), witness=witness_of(["other", *records]))
        assert verify(SIGNED, issuer, NOW).error_code == code
    for broken in (
        "v=schemapin1",
        "v=schemapin1; fp=md5:0",
        "v=schemapin1; fp",
        "v=schemapin1;fp=sha256:" + "0" * 2_000,
    ):
        with pytest.raises(Invalid, match="discovery_invalid"):
            witness_of([broken])


@pytest.mark.req("SYM-60.7")
@pytest.mark.parametrize(
    "text",
    ["", "localhost", "127.0.0.1", "a.example:443", "a.example/x", "u@a.example", "a..b", "-a.example", "a.example\n"],
)
def test_a_domain_is_a_bare_name(text: str) -> None:
    if text == "a.example\n":
        assert domain_of(" A.Example. ") == "a.example"
        return
    with pytest.raises(Invalid, match="domain_invalid"):
        domain_of(text)


@pytest.mark.req("SYM-60.7")
def test_a_key_is_one_on_the_curve_p_256_and_nothing_else() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    for other in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        pem = other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(Invalid, match="key_invalid"):
            public_key(pem.decode())
        secret = other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(Invalid, match="key_invalid"):
            private_key(secret.decode())
