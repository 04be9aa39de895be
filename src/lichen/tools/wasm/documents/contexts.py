"""For whom and within what a component is asked, in the words of each ABI; each guest takes what its record has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.tools.wasm.documents.trees import json, table
from lichen.tools.wasm.port import Invocation, TenantContext

FOREVER: Final = 2**64 - 1
STEP: Final = "component.exec"
_CARD: Final = frozenset(("card_source", "card_spec"))


def exec_context(context: TenantContext) -> Mapping[str, Any]:
    """`exec-ctx` of greentic:component@0.4.0 and 0.5.0."""
    tenant: dict[str, Any] = {
        **_both("tenant", context.scope.tenant),
        **_both("team", context.scope.team),
        **_both("user", context.user or None),
        "env": context.scope.env,
        "trace-id": context.trace or None,
        "i18n-id": context.i18n,
        "correlation-id": context.correlation or None,
        "attributes": [],
        "session-id": context.session or None,
        "flow-id": context.flow or None,
        "node-id": context.node or None,
        "provider-id": None,
        "deadline-unix-ms": context.deadline_ms or None,
        "deadline-ms": context.deadline_ms or None,
        "attempt": context.attempt,
        "idempotency-key": context.idempotency_key or None,
        "impersonation": None,
    }
    return {"tenant": tenant, "i18n-id": context.i18n, "flow-id": context.flow, "node-id": context.node or None}


def tenant_context(context: TenantContext) -> Mapping[str, Any]:
    """`tenant-ctx` of greentic:component@0.6.0."""
    return {
        "tenant-id": context.scope.tenant,
        "team-id": context.scope.team,
        "user-id": context.user or None,
        "env-id": context.scope.env,
        "trace-id": context.trace,
        "correlation-id": context.correlation,
        "deadline-ms": context.deadline_ms or FOREVER,
        "attempt": context.attempt,
        "idempotency-key": context.idempotency_key or None,
        "i18n-id": context.i18n,
    }


def payload_of(asked: Invocation) -> Any:
    """What is asked, with the configuration beside it; the input of a card stays as it is."""
    given = table(asked.payload)
    if not asked.config or asked.payload != given or "config" in given or given.keys() >= _CARD:
        return asked.payload
    return {**given, "config": asked.config}


def payload_json(asked: Invocation) -> str:
    """The same as JSON."""
    return json(payload_of(asked))


def _both(name: str, value: str | None) -> Mapping[str, str | None]:
    return {name: value, f"{name}-id": value}
