"""Where a key is found: at its domain, in files, in bundles, and in the first of several places."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.tools.pins.bundle import (
    AUTHORITY,
    bundle,
    bundle_of,
    merged,
    read_bundle,
    request_of,
    responded,
    response_of,
    sign_bundle,
    text_of,
    verify_bundle,
)
from lichen.tools.pins.keys import fingerprint
from lichen.tools.pins.resolvers import Bundled, Chain, LocalFiles, WellKnown, resolved
from lichen.tools.pins.result import Verified
from lichen.tools.pins.signed import sign_schema
from lichen.tools.pins.verify import Issuer, verify
from tests.tools.pins import sdk
from tests.tools.pins.vendor import DOMAIN, NOW, SCHEMA, Vendor

FIXTURES = Path(__file__).parent / "fixtures"
ENDPOINT = f"https://{DOMAIN}/gone.json"


class Web:
    """What lies at https addresses."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, url: str, /, *, bytes_max: int) -> bytes:
        self.asked.append((url, bytes_max))
        if url not in self.pages:
            raise Unavailable("There is nothing.", code="fetch_failed")
        return json.dumps(self.pages[url]).encode()


def gone(*marks: str, domain: str = DOMAIN) -> dict[str, Any]:
    """A revocation document."""
    keys = [{"fingerprint": mark, "revoked_at": "2026-05-01T00:00:00Z", "reason": "superseded"} for mark in marks]
    return {"schemapin_version": "1.2", "domain": domain, "updated_at": "2026-05-01T00:00:00Z", "revoked_keys": keys}


@pytest.mark.req("SYM-63.1")
def test_the_bundle_signed_for_tests_across_languages_counts_until_its_time() -> None:
    found = read_bundle((FIXTURES / "signed_bundle.json").read_bytes())
    result = verify_bundle(found, NOW)
    assert (result.valid, result.domain, result.convention) == (True, AUTHORITY, "single")
    assert verify_bundle(found, NOW, pinned=result.fingerprint).pinning == "pinned"
    assert verify_bundle(found, NOW, pinned="sha256:00").error_code == "key_pin_mismatch"
    assert verify_bundle(found, NOW + timedelta(days=365 * 80)).error_code == "bundle_expired"
    changes: tuple[dict[str, Any], ...] = ({"expires_at": "3000-01-01T00:00:00Z"}, {"documents": []}, {"more": 1})
    for change in changes:
        assert verify_bundle(bundle_of({**found.said, **change}), NOW).error_code == "signature_invalid"
    for lacking in ("signature", "bundle_authority"):
        said = {key: value for key, value in found.said.items() if key != lacking}
        assert verify_bundle(bundle_of(said), NOW).error_code == "bundle_unsigned"
    assert verify_bundle(bundle_of({**found.said, "expires_at": "soon"}), NOW).error_code == "bundle_expired"


@pytest.mark.req("SYM-63.1")
def test_a_bundle_that_we_sign_is_read_by_the_python_sdk_in_the_same_bytes() -> None:
    authority, vendor = Vendor(), Vendor()
    made = bundle({DOMAIN: vendor.said()}, [gone("sha256:00")], NOW)
    signed = sign_bundle(made, authority.key, "authority-1", NOW, lasts=timedelta(days=30))
    again = read_bundle(text_of(signed).encode())
    assert verify_bundle(again, NOW).valid
    theirs = sdk.bundles.from_json(text_of(signed))
    assert theirs.find_discovery(DOMAIN) == vendor.said()
    known = theirs.find_revocation(DOMAIN)
    assert known is not None
    assert known.to_dict() == gone("sha256:00")
    unsigned = {**signed.said, "signature": ""}
    assert json.loads(sdk.core.canonicalize_schema(unsigned)) == unsigned


@pytest.mark.req("SYM-63.2")
def test_of_several_bundles_the_newest_document_counts_and_every_key_that_any_took_back() -> None:
    old, new = Vendor(), Vendor()
    first = bundle({DOMAIN: old.said()}, [gone("sha256:0a")], NOW - timedelta(days=9))
    second = bundle({DOMAIN: new.said(), "b.example": old.said()}, [gone("sha256:0b")], NOW)
    for pair in ((first, second), (second, first)):
        both = merged(pair)
        assert both.documents[DOMAIN].public_key_pem == new.pem
        assert {key.fingerprint for key in both.revocations[DOMAIN].revoked_keys} == {"sha256:0a", "sha256:0b"}
        assert verify_bundle(both, NOW).error_code == "bundle_unsigned"
    assert merged(()).documents == {}


@pytest.mark.req("SYM-63.2")
def test_agents_ask_each_other_for_bundles() -> None:
    made = bundle({DOMAIN: Vendor().said()}, [], NOW)
    assert request_of(DOMAIN, 1)["params"] == {"domain": DOMAIN}
    assert responded(response_of(made, 1)) == made
    answers: tuple[dict[str, Any], ...] = ({}, {"result": None}, {"result": {}}, {"result": {"bundle": 3}})
    for answer in answers:
        with pytest.raises(Invalid):
            responded(answer)


@pytest.mark.req("SYM-62.3")
async def test_a_domain_is_asked_at_its_well_known_address_and_nothing_counts_without_its_revocations() -> None:
    vendor = Vendor()
    at = f"https://{DOMAIN}/.well-known/schemapin.json"
    web = Web({at: vendor.said(revocation_endpoint=ENDPOINT), ENDPOINT: gone()})
    found = await resolved(WellKnown(web), DOMAIN.upper())
    assert isinstance(found, Issuer)
    assert verify(sign_schema(SCHEMA, vendor.key, NOW), found, NOW).valid
    assert web.asked == [(at, 64 * 1024), (ENDPOINT, 1024 * 1024)]
    del web.pages[ENDPOINT]
    refused = await resolved(WellKnown(web), DOMAIN)
    assert isinstance(refused, Verified)
    assert refused.error_code == "discovery_fetch_failed"
    for said, code in (
        (vendor.said(revocation_endpoint="http://vendor.example/x"), "discovery_invalid"),
        ({}, "discovery_invalid"),
    ):
        web.pages[at] = said
        refused = await resolved(WellKnown(web), DOMAIN)
        assert isinstance(refused, Verified)
        assert refused.error_code == code
    nobody = await resolved(WellKnown(Web({})), "127.0.0.1")
    assert isinstance(nobody, Verified)
    assert nobody.error_code == "discovery_invalid"


@pytest.mark.req("SYM-65.1")
async def test_the_dns_is_asked_beside_the_domain() -> None:
    vendor = Vendor()
    asked: list[str] = []

    async def txt(name: str) -> Iterable[str]:
        asked.append(name)
        return ["v=schemapin1; fp=sha256:00"]

    web = Web({f"https://{DOMAIN}/.well-known/schemapin.json": vendor.said()})
    found = await resolved(WellKnown(web, txt), DOMAIN)
    assert isinstance(found, Issuer)
    assert verify(sign_schema(SCHEMA, vendor.key, NOW), found, NOW).error_code == "domain_mismatch"
    assert asked == ["_schemapin.vendor.example"]


@pytest.mark.req("SYM-63.3")
async def test_local_files_and_bundles_know_domains_without_a_network(tmp_path: Path) -> None:
    vendor = Vendor()
    own = fingerprint(vendor.key.public_key())
    signed = sign_schema(SCHEMA, vendor.key, NOW)
    (tmp_path / f"{DOMAIN}.json").write_text(json.dumps(vendor.said(revocation_endpoint=ENDPOINT)))
    found = await resolved(LocalFiles(tmp_path), DOMAIN)
    assert isinstance(found, Issuer)
    assert verify(signed, found, NOW).warnings == ("revocation_unchecked",)
    (tmp_path / f"{DOMAIN}.revocations.json").write_text(json.dumps(gone(own)))
    found = await resolved(LocalFiles(tmp_path), DOMAIN)
    assert isinstance(found, Issuer)
    assert verify(signed, found, NOW).error_code == "key_revoked"
    found = await resolved(Bundled(bundle({DOMAIN: vendor.said()}, [], NOW)), DOMAIN)
    assert isinstance(found, Issuer)
    assert verify(signed, found, NOW).valid
    assert await LocalFiles(tmp_path).issuer("other.example") is None


@pytest.mark.req("SYM-63.3")
async def test_the_first_place_that_knows_a_domain_counts_and_a_key_that_any_takes_back_is_taken_back() -> None:
    vendor, other = Vendor(), Vendor()
    own = fingerprint(vendor.key.public_key())
    signed = sign_schema(SCHEMA, vendor.key, NOW)
    here = Bundled(bundle({DOMAIN: vendor.said()}, [], NOW))
    there = Bundled(bundle({DOMAIN: other.said()}, [gone(own)], NOW))
    nowhere = WellKnown(Web({}))
    for places, code in (
        ((here, nowhere), None),
        ((nowhere, here), None),
        ((here, there), "key_revoked"),
        ((there, here), "signature_invalid"),
        ((), "discovery_fetch_failed"),
        ((nowhere,), "discovery_fetch_failed"),
    ):
        found = await resolved(Chain(*places), DOMAIN)
        result = found if isinstance(found, Verified) else verify(signed, found, NOW)
        assert result.error_code == code


@pytest.mark.req("SYM-63.1")
@pytest.mark.parametrize("text", ["{}", "[]", "x", '{"schemapin_bundle_version":"1","created_at":"","documents":[{}]}'])
def test_a_file_that_is_no_bundle_is_refused(text: str) -> None:
    with pytest.raises(LichenError):
        read_bundle(text.encode())
