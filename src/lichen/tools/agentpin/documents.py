"""What a domain says of its agents: keys, agents and what they may do, and what it took back.

Source: AgentPin specification 0.1, discovery document, revocation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.agentpin.jwk import Jwk
from lichen.tools.pins.canonical import read

VERSION: Final = "0.1"
DEPTH_MAX: Final = 3
DOCUMENT_BYTES_MAX: Final = 1024 * 1024
KEYS_MAX: Final = 100
AGENTS_MAX: Final = 10_000

Revoked = Literal["credential", "agent", "key"]


class Declaration(msgspec.Struct, frozen=True):
    """An agent, as its owner declares it."""

    agent_id: str
    capabilities: tuple[str, ...]
    status: str
    name: str = ""
    constraints: Mapping[str, Any] | None = None
    credential_ttl_max: int | None = None
    agent_type: str | None = None


class Identity(msgspec.Struct, frozen=True):
    """`https://DOMAIN/.well-known/agent-identity.json`."""

    agentpin_version: str
    entity: str
    public_keys: tuple[Jwk, ...]
    agents: tuple[Declaration, ...] = ()
    entity_type: str = ""
    max_delegation_depth: int = 0
    revocation_endpoint: str | None = None
    updated_at: str = ""

    def key(self, kid: str) -> Jwk | None:
        """The key that is called so."""
        return next((each for each in self.public_keys if each.kid == kid), None)

    def agent(self, agent_id: str) -> Declaration | None:
        """The agent that is called so."""
        return next((each for each in self.agents if each.agent_id == agent_id), None)


class _Gone(msgspec.Struct, frozen=True):
    jti: str = ""
    agent_id: str = ""
    kid: str = ""


class Gone(msgspec.Struct, frozen=True):
    """The document of what a domain took back."""

    entity: str
    agentpin_version: str = ""
    updated_at: str = ""
    revoked_credentials: tuple[_Gone, ...] = ()
    revoked_agents: tuple[_Gone, ...] = ()
    revoked_keys: tuple[_Gone, ...] = ()

    def has(self, *, jti: str, agent: str, kid: str) -> Revoked | None:
        """What of these was taken back."""
        if any(each.jti == jti for each in self.revoked_credentials):
            return "credential"
        if any(each.agent_id == agent for each in self.revoked_agents):
            return "agent"
        return "key" if any(each.kid == kid for each in self.revoked_keys) else None


def identity_of(said: Mapping[str, Any] | bytes, domain: str) -> Identity:
    """The discovery document of a domain. Raises Invalid (`discovery_invalid`, `domain_mismatch`)."""
    try:
        told = read(said, place=domain, bytes_max=DOCUMENT_BYTES_MAX) if isinstance(said, bytes) else said
        found = msgspec.convert(told, Identity)
    except (Invalid, msgspec.ValidationError) as error:
        raise _invalid(domain, f"It is no discovery document: {getattr(error, 'message', error)}") from None
    if found.agentpin_version != VERSION:
        raise _invalid(domain, "It is of another version.")
    if found.entity != domain:
        raise Invalid("The document speaks of another domain.", code="domain_mismatch", place=domain)
    if not 0 < len(found.public_keys) <= KEYS_MAX or len(found.agents) > AGENTS_MAX:
        raise _invalid(domain, "It has no key, or too much of something.")
    if not 0 <= found.max_delegation_depth <= DEPTH_MAX:
        raise _invalid(domain, f"It lets agents be delegated more than {DEPTH_MAX} times.")
    return found


def gone_of(said: Mapping[str, Any] | bytes, domain: str) -> Gone:
    """The revocation document of a domain. Raises Invalid (`discovery_invalid`, `domain_mismatch`)."""
    try:
        told = read(said, place=domain, bytes_max=DOCUMENT_BYTES_MAX) if isinstance(said, bytes) else said
        found = msgspec.convert(told, Gone)
    except (Invalid, msgspec.ValidationError) as error:
        raise _invalid(domain, f"It is no revocation document: {getattr(error, 'message', error)}") from None
    if found.entity != domain:
        raise Invalid("The revocation document speaks of another domain.", code="domain_mismatch", place=domain)
    return found


def _invalid(domain: str, message: str) -> Invalid:
    step = "Tell whoever keeps the domain."
    return Invalid(message, code="discovery_invalid", place=domain, next_step=step)
