"""Lichen: a secure, durable, multi-tenant runtime for AI agents and conversation flows. One loop, one gate, one log.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lichen.agents.agent import Agent
    from lichen.core.call import CallMeta, CannotTell, DidNotHappen, Happened, NotDone, Retry
    from lichen.core.errors import LichenError
    from lichen.core.limits import Limits, Usage
    from lichen.core.plan import (
        CallRequest,
        Model,
        ModelCall,
        ModelError,
        ModelMessage,
        ModelReply,
        ModelRequest,
        Plan,
        PlanInput,
        WaitRequest,
    )
    from lichen.core.saying import Attachment, Saying
    from lichen.core.scope import Actor, Customer, Operator, Scope, Service, TenantCtx
    from lichen.runtime.runtime import Runtime
    from lichen.runtime.withdrawal import withdraw
    from lichen.tools.python import tool
    from lichen.tools.types import Balance, Currency, Money

_HOMES = {
    "Actor": "core.scope",
    "Agent": "agents.agent",
    "Attachment": "core.saying",
    "Balance": "tools.types",
    "CallMeta": "core.call",
    "CallRequest": "core.plan",
    "CannotTell": "core.call",
    "Currency": "tools.types",
    "Customer": "core.scope",
    "DidNotHappen": "core.call",
    "Happened": "core.call",
    "LichenError": "core.errors",
    "Limits": "core.limits",
    "Model": "core.plan",
    "ModelCall": "core.plan",
    "ModelError": "core.plan",
    "ModelMessage": "core.plan",
    "ModelReply": "core.plan",
    "ModelRequest": "core.plan",
    "Money": "tools.types",
    "NotDone": "core.call",
    "Operator": "core.scope",
    "Plan": "core.plan",
    "PlanInput": "core.plan",
    "Retry": "core.call",
    "Runtime": "runtime.runtime",
    "Saying": "core.saying",
    "Scope": "core.scope",
    "Service": "core.scope",
    "TenantCtx": "core.scope",
    "Usage": "core.limits",
    "WaitRequest": "core.plan",
    "tool": "tools.python",
    "withdraw": "runtime.withdrawal",
}

__all__ = [
    "Actor",
    "Agent",
    "Attachment",
    "Balance",
    "CallMeta",
    "CallRequest",
    "CannotTell",
    "Currency",
    "Customer",
    "DidNotHappen",
    "Happened",
    "LichenError",
    "Limits",
    "Model",
    "ModelCall",
    "ModelError",
    "ModelMessage",
    "ModelReply",
    "ModelRequest",
    "Money",
    "NotDone",
    "Operator",
    "Plan",
    "PlanInput",
    "Retry",
    "Runtime",
    "Saying",
    "Scope",
    "Service",
    "TenantCtx",
    "Usage",
    "WaitRequest",
    "tool",
    "withdraw",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen' has no attribute {name!r}")
    return getattr(import_module(f"lichen.{home}"), name)
