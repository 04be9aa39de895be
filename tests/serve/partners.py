"""Domains with agents of their own, whose credentials are shown to the demo shop."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.remote.credentials import AgentPinTable, AgentTerms
from lichen.tools.agentpin.delegation import Agent, Attestation, attest
from lichen.tools.agentpin.issue import Granted, identity_document, issue
from lichen.tools.agentpin.jwk import base64url, jwk_of
from lichen.tools.agentpin.token import taken_apart, written
from lichen.tools.pins.keys import new_key

AUDIENCE: Final = "shop.example"
BUYER: Final = "urn:agentpin:partner.example:buyer"
TABLE: Final = AgentPinTable(
    audience=AUDIENCE,
    tenant="acme",
    env="dev",
    agents={BUYER: AgentTerms(roles=("partner",), capabilities=("read:orders", "execute:refunds"))},
    known="known",
)
_ids = itertools.count()


class Partner:
    """A domain with a key and agents, as a folder knows it."""

    def __init__(self, folder: Path, domain: str = "partner.example", *, depth: int = 0, **agents: Any) -> None:
        self.folder, self.domain = folder, domain
        self.agents: Mapping[str, tuple[str, ...]] = agents or {"buyer": ("read:*",)}
        self.depth = depth
        self.key = new_key()
        self.publish()

    def publish(self, **gone: Any) -> None:
        """Says what there is, and what was taken back."""
        self.folder.mkdir(exist_ok=True)
        said = identity_document(self.domain, [self.key.public_key()], self.agents, now(), depth=self.depth)
        (self.folder / f"{self.domain}.json").write_text(json.dumps(said))
        back = {"agentpin_version": "0.1", "entity": self.domain, "updated_at": "", **gone}
        (self.folder / f"{self.domain}.revocations.json").write_text(json.dumps(back))

    def agent(self, name: str = "buyer") -> Agent:
        return Agent(self.domain, f"urn:agentpin:{self.domain}:{name}")

    @property
    def kid(self) -> str:
        return jwk_of(self.key.public_key()).kid

    def credential(
        self, *, to: str = AUDIENCE, name: str = "buyer", can: tuple[str, ...] = ("read:*",), **claims: Any
    ) -> str:
        text = issue(self.key, self.agent(name), Granted(can, to, ttl_s=600), now(), id=f"id-{next(_ids)}")
        return written(msgspec.structs.replace(taken_apart(text).claims, **claims), self.kid, self.key)

    def lends(self, to: Agent, *can: str, name: str = "buyer") -> Attestation:
        return attest(self.key, self.kid, self.agent(name), to, can, role="maker")


def now() -> datetime:
    return datetime.now(UTC)


def now_s() -> int:
    return int(time.time())


def shown(attestation: Attestation) -> str:
    """An attestation as it stands in a header."""
    return base64url(msgspec.json.encode(attestation))
