"""One thing that is wrong with a pack, or odd, and every code there is for such.

Source: Greentic `Diagnostic` (severity, code, message, path, hint) and the codes of `greentic-pack doctor`; those that
are marked as ours have no counterpart there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Severity = Literal["error", "warn", "info"]


class Diagnostic(msgspec.Struct, frozen=True):
    """A finding: `path` is the file in the pack, with the JSON pointer of the place in it."""

    severity: Severity
    code: str
    message: str
    path: str = ""
    hint: str = ""


CODES: Final[Mapping[str, str]] = {
    "PACK_CONTAINER_INVALID": "The file is no pack, or one that hides something; the message has its own code. (ours)",
    "PACK_MISSING_MANIFEST_CBOR": "There is no `manifest.cbor`.",
    "PACK_MANIFEST_INVALID": "The manifest is not what its model says, at the pointer named. (ours)",
    "PACK_SCHEMA_VERSION_MISSING": "The manifest does not say of which model it is.",
    "PACK_ID_MISSING": "The pack has no id.",
    "PACK_MISSING_FILE": "The manifest names a file that is not there.",
    "PACK_FILE_HASH_MISMATCH": "A file is another one than the manifest vouches for. (ours)",
    "PACK_SBOM_MISSING": "There is no bill of materials. (ours)",
    "PACK_SBOM_INVALID": "The bill of materials cannot be read. (ours)",
    "PACK_SBOM_DANGLING_PATH": "The bill of materials lists a file that is not there.",
    "PACK_SBOM_UNLISTED_FILE": "A file is there that the bill of materials does not list. (ours)",
    "PACK_SBOM_MISMATCH": "A file has another size or hash than the bill of materials says. (ours)",
    "PACK_SECRET_REQUIREMENTS_INVALID": "A secret is required by a name that no secret has, or without one.",
    "PACK_COMPONENT_ID_DUPLICATE": "Two components have one id.",
    "PACK_COMPONENT_NOT_EXPLICIT": "A flow uses a component that the manifest does not list.",
    "PACK_MISSING_COMPONENT_REFERENCE": "An extension names a component that the manifest does not list.",
    "PACK_COMPONENT_CONFIG_FLOW_MISSING": "A component is configured by a flow that is not there.",
    "PACK_COMPONENT_DOCTOR_NOT_WASM": "The file of a component is no WebAssembly.",
    "PACK_DEPENDENCY_ALIAS_MISSING": "A pack that is needed has no name here.",
    "PACK_DEPENDENCY_ALIAS_DUPLICATE": "Two packs that are needed have one name here.",
    "PACK_FLOW_ID_DUPLICATE": "Two flows have one id.",
    "PACK_FLOW_ID_MISMATCH": "A flow is called otherwise in the manifest than in itself.",
    "PACK_FLOW_KIND_MISMATCH": "A flow is of another kind in the manifest than in itself.",
    "PACK_FLOW_SCHEMA_VERSION_MISSING": "A lowered flow does not say its version.",
    "PACK_FLOW_COMPONENT_MISSING": "A node has no component.",
    "PACK_FLOW_DEPENDENCY_ALIAS_MISSING": "A node uses a pack by a name that no dependency has.",
    "PACK_FLOW_DOCTOR_ERROR": "A flow does not load; the message has its own code.",
    "PACK_FLOW_DOCTOR_WARNING": "A flow loads, and something in it will not do what it seems to.",
    "PACK_EXTENSION_UNKNOWN": "An extension is of a kind that is not known; an error in strict mode. (ours)",
    "PACK_EXTENSION_INVALID": "An extension of a known kind says something else. (ours)",
    "PACK_LOCK_MISSING": "There are components and no `pack.lock.cbor`.",
    "PACK_LOCK_INVALID": "The lock cannot be read, or is not in canonical CBOR.",
    "PACK_LOCK_COMPONENT_WASM_MISSING": "The lock has a component whose file is not there.",
    "PACK_LOCK_COMPONENT_DIGEST_MISMATCH": "The file of a component is another one than was locked.",
    "PACK_LOCK_DESCRIBE_HASH_MISMATCH": "A component describes itself otherwise than was locked.",
    "PACK_LOCK_OPERATION_MISSING": "A component has an operation that the lock has not.",
    "PACK_LOCK_OPERATION_STALE": "The lock has an operation that its component has not.",
    "PACK_LOCK_SCHEMA_HASH_LOCK_MISMATCH": "An operation takes or gives something else than was locked.",
    "PACK_SIGNATURE_INVALID": "The signature of the archive does not hold. (ours)",
    "PACK_SIGNATURE_DEVELOPMENT": "It was signed by a tool, for the machine it ran on. (ours)",
    "PACK_UNSIGNED": "Nobody signed it, so that it loads only where everything is for development. (ours)",
}
"""What each code means."""

VALIDATING: Final[Mapping[str, str]] = {
    "PACK_VALIDATOR_FOUND": "A validator found something, and gave it no code that can be told. (ours)",
    "PACK_VALIDATOR_FAILED": "A validator was stopped: it trapped, or took more time or memory than it has. (ours)",
    "PACK_VALIDATOR_INVALID": "What was named as a validator is none, or answers what none answers. (ours)",
    "PACK_VALIDATOR_UNTRUSTED": "A validator was not run, for nobody vouches for it. (ours)",
}
"""What each code means that comes of asking validators; those that they give themselves are theirs."""
