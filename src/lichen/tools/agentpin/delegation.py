"""How an agent was lent what it may do: each of a chain vouches for the next, for nothing that it may not do itself.

Source: AgentPin specification 0.1, delegation chain; a list of `capabilities` in an attestation is ours, without it
what is attested is what the credential claims.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lichen.tools.agentpin.capability import hashed
from lichen.tools.pins.keys import SIGNATURE_CHARS_MAX, PrivateKey, PublicKey, is_signed

DEPTH_MAX: Final = 3


class Attestation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agent of a domain vouches for another one. `role` is `maker` or `deployer`."""

    domain: str
    role: Literal["maker", "deployer"]
    agent_id: str
    kid: str
    attestation: str
    capabilities: tuple[str, ...] | None = None

    def attested(self, claimed: Sequence[str]) -> tuple[str, ...]:
        """What it vouches for."""
        return tuple(claimed) if self.capabilities is None else self.capabilities


class Agent(msgspec.Struct, frozen=True):
    """An agent of a domain."""

    domain: str
    agent_id: str


def attest(
    key: PrivateKey, kid: str, by: Agent, to: Agent, capabilities: Iterable[str], *, role: Literal["maker", "deployer"]
) -> Attestation:
    """The attestation by which an agent lends these capabilities to another one."""
    lent = tuple(capabilities)
    signature = key.sign(_spoken(by, role, to, lent), ec.ECDSA(hashes.SHA256()))
    return Attestation(by.domain, role, by.agent_id, kid, base64.b64encode(signature).decode(), lent)


def is_attested(said: Attestation, to: Agent, claimed: Sequence[str], key: PublicKey) -> bool:
    """Whether the key signed this attestation for that agent."""
    if len(said.attestation) > SIGNATURE_CHARS_MAX:
        return False
    try:  # the specification says base64url, its tools write base64
        text = said.attestation.replace("-", "+").replace("_", "/").rstrip("=")
        signature = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return False
    spoken = _spoken(Agent(said.domain, said.agent_id), said.role, to, said.attested(claimed))
    return is_signed(spoken, signature, key)


def hops(chain: Sequence[Attestation], last: Agent) -> Iterator[tuple[Attestation, Agent]]:
    """Each attestation with the agent it was made for; the first is the outermost."""
    agents = [*(Agent(each.domain, each.agent_id) for each in chain), last]
    for said, (_, to) in zip(chain, pairwise(agents), strict=True):
        yield said, to


def twice(chain: Sequence[Attestation], last: Agent) -> Agent | None:
    """The first agent that stands in the chain twice."""
    seen: set[Agent] = set()
    for each in [*(Agent(said.domain, said.agent_id) for said in chain), last]:
        if each in seen:
            return each
        seen.add(each)
    return None


def _spoken(by: Agent, role: str, to: Agent, capabilities: Iterable[str]) -> bytes:
    """What is signed. A bar in a name could be read as the end of it, so that such a name is never attested."""
    parts = (by.domain, role, by.agent_id, to.domain, to.agent_id)
    if any("|" in part for part in parts):
        return b""
    return "|".join((*parts, hashed(capabilities))).encode()
