"""A server that offers what a file says, as it is at that moment: `python told.py FILE`, on its standard streams.

A call of `whose` says which process it is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            info = {"name": "told", "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": json.loads(Path(sys.argv[1]).read_text())}
        case "tools/call":
            said = f"process {os.getpid()}" if params["name"] == "whose" else "done"
            return {"content": [{"type": "text", "text": said}]}
        case _:
            return None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = answer(asked["method"], asked.get("params", {}))
    outcome = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **outcome}), flush=True)  # noqa: T201
