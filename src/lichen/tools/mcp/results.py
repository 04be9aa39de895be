"""What a call brought: its structured content, else its text; what else there is goes to people as artifacts.

Source: Model Context Protocol, CallToolResult.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from lichen.core.ports.call import RESULT_BYTES_MAX, Artifact, ArtifactSpec, Produced
from lichen.core.words.errors import Unavailable
from lichen.tools.mcp.failures import refused

if TYPE_CHECKING:
    from mcp.types import CallToolResult

CONTENTS_MAX: Final = 100
CONTENT: Final = "content"
LOST: Final = ("lease_lost", "outcome_unknown")
ASK_AGAIN: Final = "Somebody has to find out at the server what came of it."
ARTIFACTS: Final = {CONTENT: ArtifactSpec({"type": "object"}, description="What a server gave beside text.")}


class Malformed(Exception):
    """The result is not what the tool promised, though the call was carried out."""


def produced_of(result: CallToolResult, schema: Any) -> Produced:
    """The result of a call. Raises NotDone where the tool says that it failed, Unavailable where nobody knows
    (`lease_lost`, `outcome_unknown`), Malformed for what cannot be used."""
    contents = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in result.content]
    if len(contents) > CONTENTS_MAX:
        raise Malformed(f"The result has more than {CONTENTS_MAX} parts.")
    text = "\n".join(each["text"] for each in contents if each.get("type") == "text")
    lost = error_of(result)
    if lost in LOST:
        raise Unavailable(text or "Nobody knows what came of it.", code=lost, next_step=ASK_AGAIN)
    if result.is_error:
        raise refused(text or "The tool failed and did not say why.")
    data = msgspec.json.encode(_value(result, text, schema))
    others = [Artifact(CONTENT, "timeline", each) for each in contents if each.get("type") != "text"]
    artifacts = msgspec.json.encode(others) if others else b""
    if len(data) + len(artifacts) > RESULT_BYTES_MAX:
        raise Malformed(f"The result has more than {RESULT_BYTES_MAX} bytes.")
    return Produced(data, artifacts)


def error_of(result: CallToolResult) -> str:
    """The code of an error that a Lichen says beside its words; empty where there is none."""
    match result.structured_content:
        case {"error": {"code": str(code)}} if result.is_error:
            return code
        case _:
            return ""


def status_of(result: CallToolResult) -> str:
    """How the run of a Lichen's agent ended; empty where nothing says it."""
    match result.structured_content:
        case {"status": str(status)}:
            return status
        case _:
            return ""


def _value(result: CallToolResult, text: str, schema: Any) -> Any:
    structured: Any = result.structured_content
    if structured is None:
        if schema is not None:
            raise Malformed("The tool promised structured content and gave none.")
        return {"text": text}
    from lichen.tools.arguments import bounded  # no process needs it to start

    problem = bounded.misfit(schema, structured) if schema is not None else None
    if problem is not None:
        raise Malformed(f"{problem.place or '/'}: {problem.message}")
    return structured
