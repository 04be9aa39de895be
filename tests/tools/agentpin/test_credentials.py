"""Credentials of agents: the project's own package as oracle both ways, twelve steps, and who lent what to whom."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid, Unavailable
from lichen.tools.agentpin.capability import covers, hashed
from lichen.tools.agentpin.constraints import effective, loosened
from lichen.tools.agentpin.delegation import Agent, Attestation, attest
from lichen.tools.agentpin.directory import Bundled, Chain, LocalFiles, WellKnown
from lichen.tools.agentpin.documents import Gone, gone_of, identity_of
from lichen.tools.agentpin.issue import Granted, identity_document, issue
from lichen.tools.agentpin.jwk import Jwk, base64url, base64url_decoded, jwk_of
from lichen.tools.agentpin.mutual import Nonces, answered, challenge, respond
from lichen.tools.agentpin.result import Result
from lichen.tools.agentpin.token import Claims, taken_apart, written
from lichen.tools.agentpin.verify import Terms, verify_credential
from lichen.tools.pins.keys import new_key, private_pem, public_pem
from tests.tools.pins import sdk

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DOMAIN = "deployer.example"
SCOUT = Agent(DOMAIN, f"urn:agentpin:{DOMAIN}:scout")
GRANTED = Granted(("read:codebase", "write:report"), "verifier.example")
REASON = {"revoked_at": "2026-05-01T00:00:00Z", "reason": "key_compromise"}


class Owner:
    """A domain with a key and agents."""

    def __init__(self, domain: str, agents: Mapping[str, tuple[str, ...]], *, depth: int = 0) -> None:
        self.domain = domain
        self.key = new_key()
        self.jwk = jwk_of(self.key.public_key())
        self.said: dict[str, Any] = dict(identity_document(domain, [self.key.public_key()], agents, NOW, depth=depth))
        self.gone: dict[str, Any] | None = {"agentpin_version": "0.1", "entity": domain, "updated_at": ""}

    def agent(self, name: str) -> Agent:
        return Agent(self.domain, f"urn:agentpin:{self.domain}:{name}")

    def attest(self, name: str, to: Agent, capabilities: tuple[str, ...]) -> Attestation:
        return attest(self.key, self.jwk.kid, self.agent(name), to, capabilities, role="maker")


def owner() -> Owner:
    return Owner(DOMAIN, {"scout": ("read:*", "write:report")}, depth=3)


def places(*owners: Owner) -> Bundled:
    gone = {each.domain: gone_of(each.gone, each.domain) for each in owners if each.gone is not None}
    return Bundled({each.domain: identity_of(each.said, each.domain) for each in owners}, gone)


def credential(by: Owner, granted: Granted = GRANTED, **changes: Any) -> str:
    text = issue(by.key, by.agent("scout"), granted, NOW, id="id-1")
    claims = msgspec.structs.replace(taken_apart(text).claims, **changes)
    return written(claims, by.jwk.kid, by.key)


async def looked(text: str, *owners: Owner, **asked: Any) -> Result:
    return await verify_credential(text, places(*owners), NOW, **asked)


@pytest.mark.req("SYM-66.1")
async def test_what_we_issue_counts_for_the_python_sdk_and_what_it_issues_for_us() -> None:
    by = owner()
    now = datetime.fromtimestamp(int(time.time()), UTC)
    ours = issue(by.key, SCOUT, GRANTED, now, id="id-1")
    store = sdk.agent_pinning.KeyPinStore()
    found = sdk.agent_verification.verify_credential_offline(ours, by.said, by.gone, store, "verifier.example")
    assert (found.valid, found.agent_id) == (True, SCOUT.agent_id)
    theirs = sdk.agent_credentials.issue_credential(
        private_pem(by.key), by.jwk.kid, DOMAIN, SCOUT.agent_id, "verifier.example",
        [sdk.agent_capability.Capability("read:codebase")], {"rate_limit": "5/hour"}, None, 600,
    )  # fmt: skip
    result = await verify_credential(theirs, places(by), now, terms=Terms("verifier.example"))
    assert (result.valid, result.capabilities, result.warnings) == (True, ("read:codebase",), ())
    assert result.constraints == {"rate_limit": "5/hour"}
    assert result.said()["key_pinning"] == {"status": "first_use"}


@pytest.mark.req("SYM-66.1")
def test_keys_thumbprints_and_hashes_are_those_of_the_python_sdk() -> None:
    key = new_key()
    mine = jwk_of(key.public_key())
    theirs = sdk.agent_keys.pem_to_jwk(public_pem(key.public_key()), mine.kid)
    assert {name: value for name, value in json.loads(msgspec.json.encode(mine)).items() if value is not None} == theirs
    assert mine.thumbprint == sdk.agent_keys.jwk_thumbprint(theirs)
    assert public_pem(mine.key) == public_pem(key.public_key())
    names = ["write:b", "read:a"]
    assert hashed(names) == sdk.agent_capability.capabilities_hash([sdk.agent_capability.Capability(n) for n in names])
    for wrong in ({"kty": "RSA"}, {"crv": "P-384"}, {"x": "AA"}, {"x": mine.y}, {"y": "=="}):
        with pytest.raises(Invalid, match="key_invalid"):
            _ = msgspec.structs.replace(mine, **wrong).key


@pytest.mark.req("SYM-66.1")
async def test_a_signature_of_two_numbers_as_the_rfc_has_it_counts_as_well() -> None:
    by = owner()
    signed, _, signature = credential(by).rpartition(".")
    der = base64url_decoded(signature)
    assert der is not None
    raw = b"".join(number.to_bytes(32) for number in decode_dss_signature(der))
    assert (await looked(f"{signed}.{base64url(raw)}", by)).valid


def broken(by: Owner, step: str) -> tuple[str, dict[str, Any]]:
    """A credential that fails at this step and at every later one, as far as it can; and what is asked of it."""
    asked: dict[str, Any] = {"pinned": ("00",), "terms": Terms("other.example")}
    at = int(NOW.timestamp())
    changes: dict[str, Any] = {"constraints": {"rate_limit": "9/second"}, "capabilities": ("admin:x",)}
    agent = by.said["agents"][0]
    agent["constraints"] = {"rate_limit": "9/hour"}
    match step:
        case "algorithm":
            return "a.b.c", asked
        case "time":
            return credential(by, **changes, iat=at - 9_000, exp=at - 61), asked
        case "discovery":
            return credential(by, **changes, iss="nowhere.example"), asked
        case "key":
            by.said["public_keys"][0]["kid"] = "other"
            return credential(by, **changes), asked
        case "key time":
            by.said["public_keys"][0]["exp"] = "2026-05-01T00:00:00Z"
            return credential(by, **changes), asked
        case "signature":
            return credential(by, **changes)[:-8] + "AAAAAAAA", asked
        case "revoked credential" | "revoked agent" | "revoked key":
            names = {"credential": ("jti", "id-1"), "agent": ("agent_id", SCOUT.agent_id), "key": ("kid", by.jwk.kid)}
            kind = step.split()[1]
            by.gone = {"entity": DOMAIN, f"revoked_{kind}s": [{names[kind][0]: names[kind][1], **REASON}]}
            return credential(by, **changes), asked
        case "agent":
            return credential(by, **changes, sub="urn:agentpin:other"), asked
        case "inactive":
            agent["status"] = "suspended"
            return credential(by, **changes), asked
        case "lasting":
            agent["credential_ttl_max"] = 60
            return credential(by, **changes), asked
        case "capability":
            return credential(by, **changes), asked
        case "constraint":
            return credential(by, constraints=changes["constraints"]), asked
        case "delegation":
            loop = by.attest("scout", SCOUT, ("read:codebase",))
            return credential(by, delegation_chain=(loop,)), asked
        case "pin":
            return credential(by), asked
        case _:
            return credential(by), {"terms": asked["terms"]}


@pytest.mark.req("SYM-66.2")
@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("algorithm", "ALGORITHM_REJECTED"),
        ("time", "CREDENTIAL_EXPIRED"),
        ("discovery", "DISCOVERY_FETCH_FAILED"),
        ("key", "KEY_NOT_FOUND"),
        ("key time", "KEY_EXPIRED"),
        ("signature", "SIGNATURE_INVALID"),
        ("revoked credential", "CREDENTIAL_REVOKED"),
        ("revoked agent", "AGENT_INACTIVE"),
        ("revoked key", "KEY_REVOKED"),
        ("agent", "AGENT_NOT_FOUND"),
        ("inactive", "AGENT_INACTIVE"),
        ("lasting", "CREDENTIAL_EXPIRED"),
        ("capability", "CAPABILITY_EXCEEDED"),
        ("constraint", "CONSTRAINT_VIOLATION"),
        ("delegation", "DELEGATION_INVALID"),
        ("pin", "KEY_PIN_MISMATCH"),
        ("audience", "AUDIENCE_MISMATCH"),
    ],
)
async def test_each_step_that_fails_has_its_code_whatever_later_ones_would_say(step: str, code: str) -> None:
    by = owner()
    text, asked = broken(by, step)
    found = await looked(text, by, **asked)
    assert (found.valid, found.error_code) == (False, code)


@pytest.mark.req("SYM-66.2")
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "none"}, {}),
        ({"alg": "HS256"}, {}),
        ({"typ": "JWT"}, {}),
        ({"kid": None}, {}),
        ({}, {"agentpin_version": "9"}),
        ({}, {"capabilities": "read:*"}),
        ({}, {"iat": "now"}),
        ({}, {"jti": None}),
    ],
)
async def test_a_credential_of_another_kind_is_rejected_before_its_signature_is_looked_at(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    by = owner()
    parts = [json.loads(base64url_decoded(part) or b"") for part in credential(by).split(".")[:2]]
    told = [{**parts[0], **header}, {**parts[1], **claims}]
    text = ".".join(base64url(json.dumps(each).encode()) for each in told) + ".AAAA"
    assert (await looked(text, by)).error_code == "ALGORITHM_REJECTED"


@pytest.mark.req("SYM-66.2")
@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"iat": 60}, True), ({"iat": 61}, False),
        ({"nbf": 60}, True), ({"nbf": 61}, False),
        ({"iat": -4_000, "exp": -59}, True), ({"iat": -4_000, "exp": -60}, False),
        ({"exp": 86_400}, True), ({"exp": 86_401}, False),
        ({"exp": 0}, False),
    ],
)  # fmt: skip
async def test_a_credential_counts_in_its_time_give_or_take_a_minute(changes: dict[str, int], valid: bool) -> None:
    by, at = owner(), int(NOW.timestamp())
    times: dict[str, Any] = {"exp": at + 3_600, **{name: at + seconds for name, seconds in changes.items()}}
    assert (await looked(credential(by, **times), by)).valid is valid


BY = owner()
TEXT = credential(BY)


@pytest.mark.req("SYM-66.3")
@settings(deadline=None)
@given(place=st.integers(0, len(TEXT) * 8 - 1))
async def test_a_single_bit_that_is_flipped_anywhere_in_a_credential_is_refused(place: int) -> None:
    text = bytearray(TEXT.encode())
    text[place // 8] ^= 1 << place % 8
    assert not (await looked(text.decode("latin-1"), BY)).valid


@pytest.mark.req("SYM-66.4")
@pytest.mark.parametrize(
    ("granted", "wanted", "is_covered"),
    [
        ("read:a", "read:a", True), ("read:*", "read:a", True), ("read:*", "read:*", True),
        ("read:a", "read:a.b", True),
        ("read:a", "read:ab", False), ("read:a", "read:*", False), ("read:a.b", "read:a", False),
        ("read:*", "write:a", False), ("admin:*", "admin:x", False), ("admin:*", "admin:*", False),
        ("admin:x", "admin:x", True), ("admin:x", "admin:x.y", False), ("read", "read", False),
    ],
)  # fmt: skip
def test_a_capability_covers_itself_what_is_below_it_and_never_admin_by_a_star(
    granted: str, wanted: str, is_covered: bool
) -> None:
    assert covers(granted, wanted) is is_covered


HOURS = {"start": "09:00", "end": "17:00", "timezone": "UTC"}
DECLARED = {
    "allowed_domains": ["*.client.example", "own.example"],
    "denied_domains": ["secret.client.example"],
    "rate_limit": "100/hour",
    "data_classification_max": "internal",
    "ip_allowlist": ["10.0.0.0/8"],
    "valid_hours": HOURS,
}


@pytest.mark.req("SYM-66.4")
@pytest.mark.parametrize(
    ("name", "tighter", "looser"),
    [
        ("allowed_domains", ["api.client.example"], ["*.example"]),
        ("allowed_domains", ["*.client.example"], []),
        ("denied_domains", ["*.client.example"], ["other.example"]),
        ("rate_limit", "1/minute", "2/minute"),
        ("rate_limit", "100/hour", "many"),
        ("data_classification_max", "public", "confidential"),
        ("data_classification_max", "internal", "cosmic"),
        ("ip_allowlist", ["10.1.0.0/16"], ["0.0.0.0/0"]),
        ("ip_allowlist", ["10.0.0.1/32"], ["::/0"]),
        ("valid_hours", {**HOURS, "start": "10:00"}, {**HOURS, "start": "08:59"}),
        ("valid_hours", HOURS, {**HOURS, "timezone": "Asia/Tokyo"}),
    ],
)
def test_a_credential_limits_its_agent_at_least_as_much_as_was_declared(name: str, tighter: Any, looser: Any) -> None:
    assert loosened(DECLARED, {name: tighter}) is None
    assert loosened(DECLARED, {name: looser}) == name
    assert loosened(DECLARED, {}) is None
    assert effective(DECLARED, {name: tighter}) == {**DECLARED, name: tighter}


def chained(*, depth: int = 3, granted: tuple[str, ...] = ("read:codebase",)) -> tuple[list[Owner], str]:
    """A maker lends to a reseller, who lends to the deployer's agent."""
    maker = Owner("maker.example", {"engine": ("read:*",)}, depth=depth)
    seller = Owner("seller.example", {"pack": ("read:codebase", "read:text")}, depth=3)
    by = owner()
    chain = (
        maker.attest("engine", seller.agent("pack"), ("read:codebase", "read:text")),
        seller.attest("pack", SCOUT, ("read:codebase",)),
    )
    return [by, maker, seller], credential(by, Granted(granted, chain=chain))


@pytest.mark.req("SYM-66.5")
async def test_everybody_in_a_chain_vouches_for_the_next_and_lends_less_and_less() -> None:
    owners, text = chained()
    result = await looked(text, *owners)
    assert [(hop.domain, hop.verified) for hop in result.delegation_chain] == [
        ("maker.example", True),
        ("seller.example", True),
    ]
    assert result.said()["delegation_verified"] is True
    owners, text = chained(granted=("read:codebase", "read:text"))
    more = await looked(text, *owners)
    assert (more.error_code, "more than was lent" in more.error_message) == ("DELEGATION_INVALID", True)


@pytest.mark.req("SYM-66.5")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("nobody vouches", "DELEGATION_INVALID"),
        ("lends more than it has", "DELEGATION_INVALID"),
        ("widens", "DELEGATION_INVALID"),
        ("revoked", "DELEGATION_INVALID"),
        ("suspended", "DELEGATION_INVALID"),
        ("unknown", "DISCOVERY_FETCH_FAILED"),
    ],
)
async def test_a_chain_counts_only_while_each_of_it_does(change: str, code: str) -> None:
    (by, maker, seller), text = chained()
    owners = [by, maker, seller]
    chain = list(taken_apart(text).claims.delegation_chain)
    match change:
        case "nobody vouches":
            chain[0] = msgspec.structs.replace(chain[0], attestation=chain[1].attestation)
        case "lends more than it has":
            chain[1] = seller.attest("pack", SCOUT, ("read:codebase", "write:all"))
        case "widens":
            seller.said["agents"][0]["capabilities"] = ["read:*"]
            chain[1] = seller.attest("pack", SCOUT, ("read:*",))
        case "revoked":
            maker.gone = {"entity": maker.domain, "revoked_keys": [{"kid": maker.jwk.kid, **REASON}]}
        case "suspended":
            seller.said["agents"][0]["status"] = "suspended"
        case _:
            owners = [by, maker]
    found = await looked(credential(by, Granted(("read:codebase",), chain=tuple(chain))), *owners)
    assert found.error_code == code


@pytest.mark.req("SYM-76.1")
async def test_nobody_is_delegated_more_than_three_times_or_than_the_least_of_the_chain_lets() -> None:
    owners, text = chained(depth=1)
    assert (await looked(text, *owners)).error_code == "DELEGATION_DEPTH_EXCEEDED"
    makers = [Owner(f"m{n}.example", {"a": ("read:*",)}, depth=3) for n in range(4)]
    for count, code in ((3, None), (4, "DELEGATION_DEPTH_EXCEEDED")):
        agents = [*(maker.agent("a") for maker in makers[:count]), SCOUT]
        chain = tuple(m.attest("a", to, ("read:x",)) for m, to in zip(makers[:count], agents[1:], strict=True))
        by = owner()
        found = await looked(credential(by, Granted(("read:x",), chain=chain)), by, *makers)
        assert found.error_code == code


@pytest.mark.req("SYM-76.2")
async def test_a_cycle_is_refused_by_the_name_of_the_agent_that_stands_in_it_twice() -> None:
    by = owner()
    maker = Owner("maker.example", {"engine": ("read:*",)}, depth=3)
    chain = (by.attest("scout", maker.agent("engine"), ("read:x",)), maker.attest("engine", SCOUT, ("read:x",)))
    found = await looked(credential(by, Granted(("read:x",), chain=chain)), by, maker)
    assert found.error_code == "DELEGATION_INVALID"
    assert SCOUT.agent_id in found.error_message


@pytest.mark.req("SYM-66.5")
async def test_an_attestation_of_the_python_sdk_counts_for_what_the_credential_claims() -> None:
    by, maker = owner(), Owner("maker.example", {"engine": ("read:*",)}, depth=1)
    names = [sdk.agent_capability.Capability("read:codebase")]
    theirs = sdk.agent_delegation.create_attestation(
        private_pem(maker.key), maker.jwk.kid, maker.domain, "maker", maker.agent("engine").agent_id, DOMAIN,
        SCOUT.agent_id, names,
    )  # fmt: skip
    said = msgspec.convert(theirs, Attestation)
    assert (await looked(credential(by, Granted(("read:codebase",), chain=(said,))), by, maker)).valid
    other = await looked(credential(by, Granted(("read:other",), chain=(said,))), by, maker)
    assert other.error_code == "DELEGATION_INVALID"
    ours = maker.attest("engine", SCOUT, ("read:codebase",))
    sdk.agent_delegation.verify_attestation(
        msgspec.to_builtins(ours), public_pem(maker.key.public_key()), DOMAIN, SCOUT.agent_id, names
    )


@pytest.mark.req("SYM-66.6")
async def test_a_key_that_nobody_knows_is_looked_for_once_more_and_what_was_taken_back_must_be_known() -> None:
    by = owner()
    old = json.dumps({**by.said, "public_keys": [msgspec.to_builtins(jwk_of(new_key().public_key()))]})
    pages = [old, "{}", json.dumps(by.said), json.dumps(by.gone)]
    asked: list[str] = []

    async def fetch(url: str, /, *, bytes_max: int) -> bytes:
        asked.append(url)
        page = {old: old, "{}": json.dumps(by.gone)}.get(pages[0], pages[0])
        pages.pop(0)
        if page == "none":
            raise Unavailable("There is nothing.", code="fetch_failed")
        return page.encode()

    assert (await verify_credential(credential(by), WellKnown(fetch), NOW)).valid
    assert asked == [f"https://{DOMAIN}/.well-known/agent-identity{end}.json" for end in ("", "-revocations")] * 2
    pages[:] = [json.dumps(by.said), "none"]
    assert (await verify_credential(credential(by), WellKnown(fetch), NOW)).error_code == "DISCOVERY_FETCH_FAILED"
    pages[:] = [json.dumps({**by.said, "revocation_endpoint": "http://x.example"})]
    assert (await verify_credential(credential(by), WellKnown(fetch), NOW)).error_code == "DISCOVERY_INVALID"
    pages[:] = [json.dumps({**by.said, "entity": "other.example"})]
    assert (await verify_credential(credential(by), WellKnown(fetch), NOW)).error_code == "DOMAIN_MISMATCH"


@pytest.mark.req("SYM-66.6")
async def test_bundles_and_files_know_domains_without_a_network(tmp_path: Path) -> None:
    by = owner()
    bundle = {"agentpin_bundle_version": "0.1", "documents": [by.said], "revocations": [by.gone]}
    from_bundle = Bundled.read(json.dumps(bundle).encode())
    assert (await verify_credential(credential(by), from_bundle, NOW)).warnings == ()
    (tmp_path / f"{DOMAIN}.json").write_text(json.dumps(by.said))
    files = LocalFiles(tmp_path)
    assert (await verify_credential(credential(by), files, NOW)).warnings == ("revocation_unchecked",)
    empty = Bundled({}, {})
    assert (await verify_credential(credential(by), Chain(empty, files), NOW)).valid
    assert (await verify_credential(credential(by), Chain(), NOW)).error_code == "DISCOVERY_FETCH_FAILED"
    (tmp_path / f"{DOMAIN}.json").write_text("{")
    assert (await verify_credential(credential(by), Chain(files, from_bundle), NOW)).valid
    for data in (b"{}", b"[", b'{"agentpin_bundle_version":"1","documents":[{}]}'):
        with pytest.raises(Invalid):
            Bundled.read(data)


@pytest.mark.req("SYM-66.6")
@pytest.mark.parametrize(
    "change",
    [
        {"agentpin_version": "1"},
        {"public_keys": []},
        {"max_delegation_depth": 4},
        {"agents": {}},
        {"public_keys": None},
    ],
)
def test_a_discovery_document_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="discovery_invalid"):
        identity_of({**owner().said, **change}, DOMAIN)


@pytest.mark.req("SYM-66.7")
def test_what_nobody_would_take_is_not_issued() -> None:
    by = owner()
    for granted, code in (
        (Granted(("admin:*",)), "capability_invalid"),
        (Granted(("read",)), "capability_invalid"),
        (Granted(("print:paper",)), "capability_invalid"),
        (Granted(("read:x",), ttl_s=86_401), "credential_invalid"),
    ):
        with pytest.raises(Invalid, match=code):
            issue(by.key, SCOUT, granted, NOW, id="id-1")
    with pytest.raises(Invalid, match="credential_invalid"):
        issue(by.key, Agent(DOMAIN, "urn:agentpin:other.example:scout"), GRANTED, NOW, id="id-1")
    assert isinstance(taken_apart(issue(by.key, SCOUT, GRANTED, NOW, id="id-1")).claims, Claims)


@pytest.mark.req("SYM-66.8")
def test_an_answer_proves_the_key_once_and_within_a_minute() -> None:
    key, other, nonces = new_key(), new_key(), Nonces()
    asked = challenge(bytes(range(16)), NOW)
    answer = respond(asked, key, "k")
    later = NOW + timedelta(seconds=60)
    assert answered(respond(asked, other, "k"), asked, key.public_key(), nonces, NOW) == "signature_invalid"
    assert answered(answer, asked, key.public_key(), nonces, later + timedelta(seconds=1)) == "expired"
    assert answered(answer, asked, key.public_key(), nonces, NOW - timedelta(seconds=1)) == "expired"
    assert answered(answer, challenge(bytes(16), NOW), key.public_key(), nonces, NOW) == "wrong_nonce"
    assert answered(answer, asked, key.public_key(), nonces, later) == "proved"
    assert answered(answer, asked, key.public_key(), nonces, later) == "replayed"
    with pytest.raises(Invalid, match="nonce_invalid"):
        challenge(bytes(15), NOW)


@pytest.mark.req("SYM-66.8")
def test_challenges_and_answers_are_those_of_the_python_sdk() -> None:
    key = new_key()
    theirs = sdk.agent_mutual.create_challenge()
    ours = respond(challenge(bytes(16), NOW), key, "k")
    mine = respond(msgspec.structs.replace(challenge(bytes(16), NOW), nonce=theirs["nonce"]), key, "k")
    assert sdk.agent_mutual.verify_response(msgspec.to_builtins(mine), theirs, public_pem(key.public_key()))
    response = sdk.agent_mutual.create_response({"nonce": ours.nonce}, private_pem(key), "k")
    assert response["nonce"] == ours.nonce
    assert Gone("x").has(jti="", agent="", kid="") is None
    assert Jwk("k", "EC", "P-256", "", "").thumbprint
