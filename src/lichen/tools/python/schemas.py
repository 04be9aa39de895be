"""Every tool's contract in one JSON file, for reviewers, other programs, and a diff between two releases."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.tools.spec import contract

VERSION = 1


def tool_schemas(tools: Iterable[Tool]) -> bytes:
    """The contracts of `tools` by name, with their digests: UTF-8 JSON, the same bytes for the same tools in any order.

    `{"version": 1, "tools": {"<name>": {"digest": ..., "input_schema": ..., ...}}}`. Raises Invalid (`tool_duplicate`)
    if two tools share a name.
    """
    listed: dict[str, dict[str, Any]] = {}
    for tool in tools:
        if tool.spec.name in listed:
            message = f"Two tools are called {tool.spec.name!r}."
            raise Invalid(message, code="tool_duplicate", next_step="Give one of them another name.")
        listed[tool.spec.name] = {**contract(tool.spec), "digest": tool.spec.digest}
    document = {"version": VERSION, "tools": listed}
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
