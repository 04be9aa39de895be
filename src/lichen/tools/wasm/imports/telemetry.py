"""Telemetry: what a component tells of its work is kept with the call, bounded, for operators.

Source: greentic:telemetry/logger-api@1.0.0 (greentic-interfaces).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.running.asked import Answer
from lichen.tools.wasm.running.refusals import ACK


def log(host: HostCall, span: Any, fields: Any, *_context: Any) -> Any:
    """Keeps a line."""
    if not host.may.telemetry:
        return host.refuse("denied", "telemetry is not granted")
    if host.watch is not None:
        host.watch.write(msgspec.json.encode({"span": span, "fields": fields}) + b"\n")
    return ACK


FUNCTIONS: Final[dict[str, Answer]] = {"log": log}
