"""The projects' own Python packages, as oracles. They have no types, so they are taken as anything."""

from __future__ import annotations

from importlib import import_module
from typing import Any

core: Any = import_module("schemapin.core").SchemaPinCore
keys: Any = import_module("schemapin.crypto").KeyManager
signatures: Any = import_module("schemapin.crypto").SignatureManager
verification: Any = import_module("schemapin.verification")
skills: Any = import_module("schemapin.skill").SkillSigner
bundles: Any = import_module("schemapin.bundle").SchemaPinTrustBundle

agent_credentials: Any = import_module("agentpin.credential")
agent_verification: Any = import_module("agentpin.verification")
agent_pinning: Any = import_module("agentpin.pinning")
agent_capability: Any = import_module("agentpin.capability")
agent_delegation: Any = import_module("agentpin.delegation")
agent_keys: Any = import_module("agentpin.jwk")
agent_mutual: Any = import_module("agentpin.mutual")
agent_discovery: Any = import_module("agentpin.discovery")
