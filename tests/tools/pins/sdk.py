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
