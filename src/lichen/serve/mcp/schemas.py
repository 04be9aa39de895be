"""`verify_schema`: whether the key at an address signed a schema. Nothing is pinned by it, and nothing is on or off.

The signature stands beside the schema, as an argument or in a document of both, or in it as Symbiont embeds it.

Source: Symbiont, symbi mcp; SchemaPin specification 1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
from mcp_types import CallToolResult

from lichen.core.words.errors import Invalid
from lichen.serve.mcp.results import said
from lichen.serve.mcp.visit import Visit

if TYPE_CHECKING:
    from lichen.tools.pins.result import Verified
    from lichen.tools.pins.signed import Signed

SCHEMA_BYTES_MAX: Final = 256 * 1024
URL_CHARS_MAX: Final = 2_000
SIGNATURE_CHARS_MAX: Final = 512


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify_schema` takes."""

    schema: Any
    public_key_url: Annotated[str, msgspec.Meta(max_length=URL_CHARS_MAX)]
    signature: Annotated[str, msgspec.Meta(max_length=SIGNATURE_CHARS_MAX)] = ""


async def verify_schema(visit: Visit, asked: Asked) -> CallToolResult:
    """The result with SchemaPin's codes; an error for whoever looks at nothing but that, unless the signature counts.

    Raises Invalid (`signature_missing`, `document_invalid`, `content_too_large`) before anything is fetched.
    """
    found = await visit.runtime.servers.vouching.check(_signed(asked), asked.public_key_url)
    return said(_told(found), found.said()).model_copy(update={"is_error": not found.valid})


def _signed(asked: Asked) -> Signed:
    from lichen.tools.pins.canonical import canonical, read
    from lichen.tools.pins.signed import Signed, Terms, signed_of

    schema: object = asked.schema
    if isinstance(schema, str):
        schema = read(schema.encode(), place="schema", bytes_max=SCHEMA_BYTES_MAX)
    if len(canonical(schema)) > SCHEMA_BYTES_MAX:
        raise Invalid(f"The schema has more than {SCHEMA_BYTES_MAX} bytes.", code="content_too_large")
    if asked.signature and isinstance(schema, Mapping):
        return Signed(cast("Mapping[str, Any]", schema), Terms(asked.signature))
    return signed_of(schema)


def _told(found: Verified) -> str:
    """The result in a line."""
    if not found.valid:
        return f"Not verified. {found.error_code}: {found.error_message}"
    warnings = f" Warnings: {', '.join(found.warnings)}." if found.warnings else ""
    return f"Signed by {found.domain} with {found.fingerprint}.{warnings}"
