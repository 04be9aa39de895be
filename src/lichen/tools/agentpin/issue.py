"""Credentials that one's own agents show to others.

Source: AgentPin specification 0.1, agent credentials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.agentpin.capability import checked
from lichen.tools.agentpin.delegation import Agent, Attestation
from lichen.tools.agentpin.documents import VERSION
from lichen.tools.agentpin.jwk import Jwk, jwk_of
from lichen.tools.agentpin.token import Claims, written
from lichen.tools.agentpin.verify import TTL_S_MAX
from lichen.tools.pins.keys import PrivateKey, PublicKey
from lichen.tools.pins.signed import moment


class Granted(msgspec.Struct, frozen=True):
    """What a credential grants: capabilities, limits, for whom, by whom it was lent, and for how long."""

    capabilities: tuple[str, ...]
    audience: str = ""
    constraints: Mapping[str, Any] = {}
    chain: tuple[Attestation, ...] = ()
    ttl_s: int = 3_600


def issue(
    key: PrivateKey, agent: Agent, granted: Granted, now: datetime, *, id: str, kid: str = "", nonce: str = ""
) -> str:
    """The credential of an agent; `id` is told from every other one by whoever takes it back, and one with a `nonce` is
    shown once.

    Raises Invalid (`capability_invalid`, `credential_invalid`) for what nobody would take.
    """
    if not 0 < granted.ttl_s <= TTL_S_MAX:
        raise Invalid(f"A credential lasts {TTL_S_MAX} seconds at most.", code="credential_invalid")
    if not agent.agent_id.startswith(f"urn:agentpin:{agent.domain}:"):
        told = f"An agent of this domain is called urn:agentpin:{agent.domain}:NAME."
        raise Invalid(told, code="credential_invalid", place=agent.agent_id[:200])
    issued_s = int(now.timestamp())
    claims = Claims(
        iss=agent.domain,
        sub=agent.agent_id,
        iat=issued_s,
        exp=issued_s + granted.ttl_s,
        jti=id,
        capabilities=tuple(checked(each) for each in granted.capabilities),
        aud=granted.audience,
        constraints=granted.constraints,
        delegation_chain=granted.chain,
        nonce=nonce,
    )
    return written(claims, kid or jwk_of(key.public_key()).kid, key)


def identity_document(
    domain: str, keys: Sequence[PublicKey], agents: Mapping[str, Sequence[str]], now: datetime, *, depth: int = 0
) -> Mapping[str, Any]:
    """What a domain puts at its well-known address, of agents by name with their capabilities."""
    return {
        "agentpin_version": VERSION,
        "entity": domain,
        "entity_type": "both",
        "public_keys": [_said(jwk_of(key)) for key in keys],
        "agents": [
            {
                "agent_id": f"urn:agentpin:{domain}:{name}",
                "name": name,
                "capabilities": [checked(each) for each in capabilities],
                "status": "active",
            }
            for name, capabilities in agents.items()
        ],
        "revocation_endpoint": f"https://{domain}/.well-known/agent-identity-revocations.json",
        "max_delegation_depth": depth,
        "updated_at": moment(now),
    }


def _said(jwk: Jwk) -> Mapping[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(jwk).items() if value is not None}
