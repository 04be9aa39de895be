"""A vendor whose key signs, and what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lichen.tools.pins.documents import Revocations, discovery_of
from lichen.tools.pins.keys import PrivateKey, new_key, public_pem
from lichen.tools.pins.verify import Issuer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DOMAIN = "vendor.example"
SCHEMA: dict[str, Any] = {
    "name": "look_up",
    "description": "Sucht in Büchern – 本",
    "inputSchema": {"type": "object", "properties": {"title": {"type": "string", "maxLength": 80}}},
}


class Vendor:
    """Somebody with a key and a domain."""

    def __init__(self, key: PrivateKey | None = None) -> None:
        self.key = key or new_key()
        self.pem = public_pem(self.key.public_key())

    def said(self, **more: Any) -> dict[str, Any]:
        """Its discovery document."""
        return {"schema_version": "1.2", "developer_name": "Vendor", "public_key_pem": self.pem, **more}

    def issuer(self, *revocations: Revocations, **more: Any) -> Issuer:
        """What is known of it."""
        return Issuer(DOMAIN, discovery_of(self.said(**more), DOMAIN), revocations)
