"""What a call can be: typed Python functions and agents, their contracts, and where they run."""

from lichen.tools.agent_tool import AgentTool, agent_tool
from lichen.tools.codec import ResultRefused
from lichen.tools.frames import ToolFailed
from lichen.tools.placement import StillRunning, Workers
from lichen.tools.python import PythonTool, tool
from lichen.tools.schemas import tool_schemas
from lichen.tools.types import Balance, Currency, Money

__all__ = [
    "AgentTool",
    "Balance",
    "Currency",
    "Money",
    "PythonTool",
    "ResultRefused",
    "StillRunning",
    "ToolFailed",
    "Workers",
    "agent_tool",
    "tool",
    "tool_schemas",
]
