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
    from lichen.core.limits import Limits
    from lichen.core.scope import Actor, Customer, Operator, Scope, Service, TenantCtx
    from lichen.runtime.runtime import Runtime
    from lichen.runtime.withdrawal import withdraw
    from lichen.tools.python import tool
    from lichen.tools.types import Balance, Currency, Money

_HOMES = {
    "Actor": "core.scope",
    "Agent": "agents.agent",
    "Balance": "tools.types",
    "CallMeta": "core.call",
    "CannotTell": "core.call",
    "Currency": "tools.types",
    "Customer": "core.scope",
    "DidNotHappen": "core.call",
    "Happened": "core.call",
    "LichenError": "core.errors",
    "Limits": "core.limits",
    "Money": "tools.types",
    "NotDone": "core.call",
    "Operator": "core.scope",
    "Retry": "core.call",
    "Runtime": "runtime.runtime",
    "Scope": "core.scope",
    "Service": "core.scope",
    "TenantCtx": "core.scope",
    "tool": "tools.python",
    "withdraw": "runtime.withdrawal",
}

__all__ = [
    "Actor",
    "Agent",
    "Balance",
    "CallMeta",
    "CannotTell",
    "Currency",
    "Customer",
    "DidNotHappen",
    "Happened",
    "LichenError",
    "Limits",
    "Money",
    "NotDone",
    "Operator",
    "Retry",
    "Runtime",
    "Scope",
    "Service",
    "TenantCtx",
    "tool",
    "withdraw",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen' has no attribute {name!r}")
    return getattr(import_module(f"lichen.{home}"), name)
