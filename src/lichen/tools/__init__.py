"""What a call can be: typed Python functions and agents, their contracts, and where they run.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lichen.core.ports.call import Paging
from lichen.tools.agent_tool import AgentTool, agent_tool  # at once: the function hides the module of its name

if TYPE_CHECKING:
    from lichen.tools.arguments.codec import ResultRefused
    from lichen.tools.clad.loading import command_tool, session_tools
    from lichen.tools.openapi.toolset import api_tools
    from lichen.tools.python.artifacts import Artifact, WithArtifacts
    from lichen.tools.python.binding import bind
    from lichen.tools.python.schemas import tool_schemas
    from lichen.tools.python.tool import PythonTool, tool
    from lichen.tools.types import Attribute, Balance, Currency, Money
    from lichen.tools.workers.frames import ToolFailed
    from lichen.tools.workers.placement import StillRunning, Workers

_HOMES = {
    "Artifact": "python.artifacts",
    "Attribute": "types",
    "Balance": "types",
    "Currency": "types",
    "Money": "types",
    "PythonTool": "python.tool",
    "ResultRefused": "arguments.codec",
    "StillRunning": "workers.placement",
    "ToolFailed": "workers.frames",
    "WithArtifacts": "python.artifacts",
    "Workers": "workers.placement",
    "api_tools": "openapi.toolset",
    "bind": "python.binding",
    "command_tool": "clad.loading",
    "session_tools": "clad.loading",
    "tool": "python.tool",
    "tool_schemas": "python.schemas",
}

__all__ = [
    "AgentTool",
    "Artifact",
    "Attribute",
    "Balance",
    "Currency",
    "Money",
    "Paging",
    "PythonTool",
    "ResultRefused",
    "StillRunning",
    "ToolFailed",
    "WithArtifacts",
    "Workers",
    "agent_tool",
    "api_tools",
    "bind",
    "command_tool",
    "session_tools",
    "tool",
    "tool_schemas",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen.tools' has no attribute {name!r}")
    return getattr(import_module(f"lichen.tools.{home}"), name)
