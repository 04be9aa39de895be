"""What is said around a result: whose it is, how it was asked for, when, and how long that took.

Source: ToolClad, output and evidence. The result is the record's; no file is kept beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lichen.core.ports.call import RESULT_BYTES_MAX, CallMeta, NotDone
from lichen.tools.clad.manifest import Manifest, Output
from lichen.tools.clad.output import Unreadable, read_output


class CommandFailed(Exception):
    """It ended badly after it was started: what it did by then is not known."""


_SAID: Final[Mapping[str, Any]] = {
    "status": {"type": "string", "enum": ["success", "error"]},
    "scan_id": {"type": "string"},
    "tool": {"type": "string"},
    "command": {"type": "string"},
    "duration_ms": {"type": "integer"},
    "timestamp": {"type": "string"},
    "output_file": {"type": "string"},
    "output_hash": {"type": "string"},
}
OF_COMMANDS: Final[Mapping[str, Any]] = {"exit_code": {"type": "integer"}, "stderr": {"type": "string"}}
OF_REQUESTS: Final[Mapping[str, Any]] = {"http_status": {"type": "integer"}}


def schema_of(output: Output, more: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a result in its envelope, in which there is `more` of its kind."""
    said = {**_SAID, **more, "results": {"anyOf": [output.schema, {"type": "null"}]}}
    return {"type": "object", "properties": said, "required": list(said)}


class Asked(msgspec.Struct, frozen=True):
    """One call: how it is written down, and when it began."""

    manifest: Manifest
    meta: CallMeta
    command: str
    began_us: int
    began_s: float

    def envelope(self, said: bytes, now_s: float, **more: Any) -> dict[str, Any]:
        """The envelope of what was said, without results."""
        return {
            "status": "success",
            "scan_id": f"{self.meta.run}-{self.meta.call}",
            "tool": self.manifest.tool.name,
            "command": self.command,
            "duration_ms": round((now_s - self.began_s) * 1_000),
            "timestamp": datetime.fromtimestamp(self.began_us / 1e6, UTC).isoformat(),
            "output_file": "",
            "output_hash": f"sha256:{hashlib.sha256(said).hexdigest()}",
            **more,
        }


def results_of(output: Output, said: bytes) -> Any:
    """What was said, as the manifest reads it. Raises Unreadable where it does not fit its schema."""
    from lichen.tools.arguments import bounded  # no process needs it to start

    results = read_output(output, said)
    problem = bounded.misfit(output.schema, results)
    if problem is not None:
        raise Unreadable(f"{problem.place or '/'}: what it said does not fit its schema.")
    return results


def encoded(output: Output, envelope: Mapping[str, Any], results: Any) -> bytes:
    """The result of a call. Raises CommandFailed for one that is too long."""
    data = msgspec.json.encode({**envelope, "results": results} if output.envelope else results)
    if len(data) > RESULT_BYTES_MAX:
        raise CommandFailed(f"It said more than {RESULT_BYTES_MAX} bytes.")
    return data


def answered(asked: Asked, output: Output, said: bytes, now_s: float, *, acts: bool, **more: Any) -> bytes:
    """The result of a call that was carried out elsewhere. Raises CommandFailed, NotDone for what cannot be read."""
    try:
        results = results_of(output, said)
    except Unreadable as error:
        if acts:
            raise CommandFailed(str(error)) from None
        raise NotDone(str(error), code="command_failed", retryable=False, recovery="replan") from None
    return encoded(output, asked.envelope(said, now_s, **more), results)
