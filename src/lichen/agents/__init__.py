"""Planners that ask a model or a table, and the toolsets they choose from.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lichen.agents.agent import Agent, Recall
    from lichen.agents.child import ChildTool
    from lichen.agents.exports import Ask, export
    from lichen.agents.files import load_agent
    from lichen.agents.llm.compress import Compress
    from lichen.agents.llm.instructions import RunFacts
    from lichen.agents.llm.llm import LLMPlanner
    from lichen.agents.llm.prompts import Prompt
    from lichen.agents.llm.reminders import Reminder
    from lichen.agents.models.cassette import RecordedModel, Recorder
    from lichen.agents.models.model import EchoModel, ScriptedModel
    from lichen.agents.overlay import Overlay
    from lichen.agents.own.adopted import current_call
    from lichen.agents.own.function import agent_function
    from lichen.agents.own.terms import Caller, Terms
    from lichen.agents.replay.chat import CallFailed, Chat, Unanswered
    from lichen.agents.rules.money import minor_units
    from lichen.agents.rules.planner import RulePlanner
    from lichen.agents.rules.rules import Answer, Call, Intent, Slot, When
    from lichen.agents.toolset import Toolset
    from lichen.agents.ways.chain import Chain
    from lichen.agents.ways.router import Route, Router

_HOMES = {
    "Agent": "agent",
    "Answer": "rules.rules",
    "Ask": "exports",
    "Call": "rules.rules",
    "CallFailed": "replay.chat",
    "Caller": "own.terms",
    "Chain": "ways.chain",
    "Chat": "replay.chat",
    "ChildTool": "child",
    "Compress": "llm.compress",
    "EchoModel": "models.model",
    "Intent": "rules.rules",
    "LLMPlanner": "llm.llm",
    "Overlay": "overlay",
    "Prompt": "llm.prompts",
    "Recall": "agent",
    "RecordedModel": "models.cassette",
    "Recorder": "models.cassette",
    "Reminder": "llm.reminders",
    "Route": "ways.router",
    "Router": "ways.router",
    "RulePlanner": "rules.planner",
    "RunFacts": "llm.instructions",
    "ScriptedModel": "models.model",
    "Slot": "rules.rules",
    "Terms": "own.terms",
    "Toolset": "toolset",
    "Unanswered": "replay.chat",
    "When": "rules.rules",
    "agent_function": "own.function",
    "current_call": "own.adopted",
    "export": "exports",
    "load_agent": "files",
    "minor_units": "rules.money",
}

__all__ = [
    "Agent",
    "Answer",
    "Ask",
    "Call",
    "CallFailed",
    "Caller",
    "Chain",
    "Chat",
    "ChildTool",
    "Compress",
    "EchoModel",
    "Intent",
    "LLMPlanner",
    "Overlay",
    "Prompt",
    "Recall",
    "RecordedModel",
    "Recorder",
    "Reminder",
    "Route",
    "Router",
    "RulePlanner",
    "RunFacts",
    "ScriptedModel",
    "Slot",
    "Terms",
    "Toolset",
    "Unanswered",
    "When",
    "agent_function",
    "current_call",
    "export",
    "load_agent",
    "minor_units",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen.agents' has no attribute {name!r}")
    return getattr(import_module(f"lichen.agents.{home}"), name)
