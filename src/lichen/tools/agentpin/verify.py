"""Whether a credential counts: twelve steps in order, each with its code, and no key pinned before the last of them.

Source: AgentPin specification 0.1, verification flow.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple, assert_never

import msgspec

from lichen.core.words.errors import Invalid, LichenError
from lichen.tools.agentpin.capability import exceeding
from lichen.tools.agentpin.constraints import effective, loosened
from lichen.tools.agentpin.delegation import DEPTH_MAX, Agent, Attestation, hops, is_attested, twice
from lichen.tools.agentpin.directory import Directory, Known
from lichen.tools.agentpin.documents import Declaration
from lichen.tools.agentpin.jwk import Jwk
from lichen.tools.agentpin.result import Hop, Refused, Result
from lichen.tools.agentpin.token import Claims, Token, taken_apart
from lichen.tools.pins.documents import domain_of
from lichen.tools.pins.keys import PublicKey
from lichen.tools.pins.signed import time_of

SKEW_S: Final = 60
TTL_S_MAX: Final = 86_400


class Terms(msgspec.Struct, frozen=True):
    """What whoever looks at credentials asks of them. `audience` is the own domain; empty, and nobody asks."""

    audience: str = ""
    skew_s: int = SKEW_S
    ttl_s_max: int = TTL_S_MAX


ANYBODY: Final = Terms()


class _Issuer(NamedTuple):
    known: Known
    jwk: Jwk
    key: PublicKey


async def verify_credential(
    text: str, places: Directory, now: datetime, *, pinned: Collection[str] | None = None, terms: Terms = ANYBODY
) -> Result:
    """What is to be said of a credential. `pinned` are the thumbprints that the issuer's keys had before, None for an
    issuer that was never seen; a first one is to be pinned by whoever asked, if the result is valid."""
    try:
        return await _verified(text, places, now, pinned, terms)
    except Refused as refused:
        return Result(valid=False, error_code=refused.code, error_message=refused.message)


async def _verified(
    text: str, places: Directory, now: datetime, pinned: Collection[str] | None, terms: Terms
) -> Result:
    try:
        token = taken_apart(text)  # 1
    except Invalid as error:
        raise Refused("ALGORITHM_REJECTED", error.message) from None
    claims = token.claims
    _check_time(claims, now, terms)  # 2
    issuer = await _issuer(places, claims.iss, token.kid, now, terms)  # 3, 4
    if not token.is_signed_by(issuer.key):  # 5
        raise Refused("SIGNATURE_INVALID", "The key that it names did not sign it.")
    _check_gone(issuer.known, claims.jti, claims.sub, token.kid)  # 6
    declared = _declared(issuer.known, claims.sub)  # 7
    if declared.credential_ttl_max is not None and claims.exp - claims.iat > declared.credential_ttl_max:
        raise Refused("CREDENTIAL_EXPIRED", "It lasts longer than its agent's credentials may.")
    over = exceeding(declared.capabilities, claims.capabilities)  # 8
    if over is not None:
        raise Refused("CAPABILITY_EXCEEDED", "It claims what its agent was not declared to be able to do.")
    loose = loosened(declared.constraints or {}, claims.constraints)  # 9
    if loose is not None:
        raise Refused("CONSTRAINT_VIOLATION", f"It limits its agent less than was declared: {loose}.")
    chain = await _delegated(token, issuer.known, places, now, terms)  # 10
    mark = issuer.jwk.thumbprint
    if pinned is not None and mark not in pinned:  # 11
        raise Refused("KEY_PIN_MISMATCH", "The issuer had another key before.")
    if terms.audience and claims.aud not in ("", "*", terms.audience):  # 12
        raise Refused("AUDIENCE_MISMATCH", "It was issued for somebody else.")
    return Result(
        valid=True,
        agent_id=claims.sub,
        issuer=claims.iss,
        capabilities=claims.capabilities,
        constraints=effective(declared.constraints or {}, claims.constraints),
        delegation_chain=chain,
        pinning="first_use" if pinned is None else "pinned",
        thumbprint=mark,
        warnings=_warnings(claims, issuer.known, terms),
    )


def _warnings(claims: Claims, known: Known, terms: Terms) -> tuple[str, ...]:
    told = ("audience_missing",) if terms.audience and not claims.aud else ()
    return (*told, "revocation_unchecked") if known.gone is None else told


def _check_time(claims: Claims, now: datetime, terms: Terms) -> None:
    at = now.timestamp()
    if claims.iat > at + terms.skew_s:
        raise Refused("CREDENTIAL_EXPIRED", "It was issued in the future.")
    if claims.exp <= at - terms.skew_s:
        raise Refused("CREDENTIAL_EXPIRED", "It is past its time.")
    if claims.nbf is not None and claims.nbf > at + terms.skew_s:
        raise Refused("CREDENTIAL_EXPIRED", "Its time has not come.")
    if not 0 < claims.exp - claims.iat <= terms.ttl_s_max:
        raise Refused("CREDENTIAL_EXPIRED", f"It lasts longer than {terms.ttl_s_max} seconds.")


async def _known(places: Directory, domain: str, *, anew: bool = False) -> Known:
    try:
        found = await places.known(domain_of(domain), anew=anew)
    except LichenError as error:
        match error.code:
            case "discovery_fetch_failed":
                raise Refused("DISCOVERY_FETCH_FAILED", error.message) from None
            case "domain_mismatch":
                raise Refused("DOMAIN_MISMATCH", error.message) from None
            case _:
                raise Refused("DISCOVERY_INVALID", error.message) from None
    if found is None:
        raise Refused("DISCOVERY_FETCH_FAILED", "Nothing is known of this domain.")
    return found


async def _issuer(places: Directory, domain: str, kid: str, now: datetime, terms: Terms) -> _Issuer:
    known = await _known(places, domain)
    jwk = known.identity.key(kid)
    if jwk is None:  # it may be a new one
        known = await _known(places, domain, anew=True)
        jwk = known.identity.key(kid)
    if jwk is None:
        raise Refused("KEY_NOT_FOUND", "The issuer has no key of this name.")
    expires = time_of(jwk.exp) if jwk.exp is not None else None
    if jwk.exp is not None and (expires is None or expires.timestamp() < now.timestamp() - terms.skew_s):
        raise Refused("KEY_EXPIRED", "The key is past its time, or its time cannot be read.")
    try:
        return _Issuer(known, jwk, jwk.key)
    except Invalid as error:
        raise Refused("KEY_NOT_FOUND", error.message) from None


def _check_gone(known: Known, jti: str, agent: str, kid: str) -> None:
    gone = known.gone.has(jti=jti, agent=agent, kid=kid) if known.gone is not None else None
    match gone:
        case None:
            return
        case "credential":
            raise Refused("CREDENTIAL_REVOKED", "Its issuer took the credential back.")
        case "agent":
            raise Refused("AGENT_INACTIVE", "Its issuer took the agent back.")
        case "key":
            raise Refused("KEY_REVOKED", "Its issuer took the key back.")
        case _:
            assert_never(gone)


def _declared(known: Known, agent_id: str) -> Declaration:
    declared = known.identity.agent(agent_id)
    if declared is None:
        raise Refused("AGENT_NOT_FOUND", "The issuer declares no such agent.")
    if declared.status != "active":
        raise Refused("AGENT_INACTIVE", "The agent is not active.")
    return declared


async def _delegated(token: Token, own: Known, places: Directory, now: datetime, terms: Terms) -> tuple[Hop, ...]:
    """Everybody who vouched. Each is asked about at its own domain, and lends only what it may do itself."""
    claims = token.claims
    chain, last = claims.delegation_chain, Agent(claims.iss, claims.sub)
    if len(chain) > DEPTH_MAX:
        raise Refused("DELEGATION_DEPTH_EXCEEDED", f"It was delegated more than {DEPTH_MAX} times.")
    again = twice(chain, last)
    if again is not None:
        raise Refused("DELEGATION_INVALID", f"{again.agent_id[:200]} stands in its own chain: that is a cycle.")
    depths = [own.identity.max_delegation_depth]
    granted: tuple[str, ...] | None = None
    told: list[Hop] = []
    for said, to in hops(chain, last):
        issuer = await _vouched(said, to, claims, places, now, terms)
        depths.append(issuer.known.identity.max_delegation_depth)
        lent = said.attested(claims.capabilities)
        if exceeding(lent if granted is None else granted, lent) is not None:
            raise Refused("DELEGATION_INVALID", "Somebody in the chain lends more than was lent to it.")
        granted = lent
        told.append(Hop(said.domain, said.role, True))
    if granted is not None and exceeding(granted, claims.capabilities) is not None:
        raise Refused("DELEGATION_INVALID", "It claims more than was lent to its agent.")
    if chain and len(chain) > min(depths):
        raise Refused("DELEGATION_DEPTH_EXCEEDED", "It was delegated more often than somebody in the chain lets it be.")
    return tuple(told)


async def _vouched(
    said: Attestation, to: Agent, claims: Claims, places: Directory, now: datetime, terms: Terms
) -> _Issuer:
    try:
        issuer = await _issuer(places, said.domain, said.kid, now, terms)
        _check_gone(issuer.known, "", said.agent_id, said.kid)
        declared = _declared(issuer.known, said.agent_id)
    except Refused as refused:
        if refused.code == "DISCOVERY_FETCH_FAILED":
            raise
        raise Refused("DELEGATION_INVALID", f"Of somebody in the chain: {refused.message}") from None
    if not is_attested(said, to, claims.capabilities, issuer.key):
        raise Refused("DELEGATION_INVALID", "Somebody in the chain did not vouch for it.")
    if exceeding(declared.capabilities, said.attested(claims.capabilities)) is not None:
        raise Refused("DELEGATION_INVALID", "Somebody in the chain lends more than it may do itself.")
    return issuer
