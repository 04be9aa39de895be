"""Lichen: a secure, durable, multi-tenant runtime for AI agents and conversation flows. One loop, one gate, one log.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lichen.agents.agent import Agent
    from lichen.agents.toolset import Toolset
    from lichen.core.cage.grant import Grant
    from lichen.core.ports.call import (
        CallMeta,
        CannotTell,
        CircuitBreaker,
        DidNotHappen,
        Happened,
        NeedsAnswer,
        NotDone,
        Retry,
    )
    from lichen.core.ports.model import (
        Delta,
        Media,
        Model,
        ModelCall,
        ModelError,
        ModelMessage,
        ModelReply,
        ModelRequest,
    )
    from lichen.core.ports.overrides import Overrides, Tagged
    from lichen.core.ports.plan import CallRequest, Plan, PlanInput, WaitRequest
    from lichen.core.ports.secrets import Secret
    from lichen.core.speech.saying import Attachment, Saying
    from lichen.core.words.errors import LichenError
    from lichen.core.words.ids import CallId, RunId, SessionId, TurnId
    from lichen.core.words.limits import Limits, Usage
    from lichen.core.words.scope import Actor, Customer, Operator, Scope, Service, TenantCtx
    from lichen.runtime.given.telling import tell
    from lichen.runtime.given.withdrawal import withdraw
    from lichen.runtime.runtime import Runtime
    from lichen.tools.python.tool import tool
    from lichen.tools.types import Attribute, Balance, Currency, Money

_HOMES = {
    "Actor": "core.words.scope",
    "Agent": "agents.agent",
    "Attachment": "core.speech.saying",
    "Attribute": "tools.types",
    "Balance": "tools.types",
    "CallId": "core.words.ids",
    "CallMeta": "core.ports.call",
    "CallRequest": "core.ports.plan",
    "CannotTell": "core.ports.call",
    "Currency": "tools.types",
    "Customer": "core.words.scope",
    "Delta": "core.ports.model",
    "DidNotHappen": "core.ports.call",
    "Grant": "core.cage.grant",
    "Happened": "core.ports.call",
    "LichenError": "core.words.errors",
    "Limits": "core.words.limits",
    "Media": "core.ports.model",
    "Model": "core.ports.model",
    "ModelCall": "core.ports.model",
    "ModelError": "core.ports.model",
    "ModelMessage": "core.ports.model",
    "ModelReply": "core.ports.model",
    "ModelRequest": "core.ports.model",
    "Money": "tools.types",
    "NeedsAnswer": "core.ports.call",
    "NotDone": "core.ports.call",
    "Operator": "core.words.scope",
    "Overrides": "core.ports.overrides",
    "Plan": "core.ports.plan",
    "PlanInput": "core.ports.plan",
    "CircuitBreaker": "core.ports.call",
    "Retry": "core.ports.call",
    "RunId": "core.words.ids",
    "Runtime": "runtime.runtime",
    "Saying": "core.speech.saying",
    "Scope": "core.words.scope",
    "Secret": "core.ports.secrets",
    "Service": "core.words.scope",
    "SessionId": "core.words.ids",
    "Tagged": "core.ports.overrides",
    "TenantCtx": "core.words.scope",
    "Toolset": "agents.toolset",
    "TurnId": "core.words.ids",
    "Usage": "core.words.limits",
    "WaitRequest": "core.ports.plan",
    "tell": "runtime.given.telling",
    "tool": "tools.python.tool",
    "withdraw": "runtime.given.withdrawal",
}

__all__ = [
    "Actor",
    "Agent",
    "Attachment",
    "Attribute",
    "Balance",
    "CallId",
    "CallMeta",
    "CallRequest",
    "CannotTell",
    "CircuitBreaker",
    "Currency",
    "Customer",
    "Delta",
    "DidNotHappen",
    "Grant",
    "Happened",
    "LichenError",
    "Limits",
    "Media",
    "Model",
    "ModelCall",
    "ModelError",
    "ModelMessage",
    "ModelReply",
    "ModelRequest",
    "Money",
    "NeedsAnswer",
    "NotDone",
    "Operator",
    "Overrides",
    "Plan",
    "PlanInput",
    "Retry",
    "RunId",
    "Runtime",
    "Saying",
    "Scope",
    "Secret",
    "Service",
    "SessionId",
    "Tagged",
    "TenantCtx",
    "Toolset",
    "TurnId",
    "Usage",
    "WaitRequest",
    "tell",
    "tool",
    "withdraw",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen' has no attribute {name!r}")
    return getattr(import_module(f"lichen.{home}"), name)
