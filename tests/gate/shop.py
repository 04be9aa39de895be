"""A small shop: its tools, its people, and a gate over policies written in a test."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.policy import Check, Evidence, Grant, Verdict
from lichen.core.words.ids import CallId, RunId, SessionId, ToolName
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.gate.gate import PolicyGate
from lichen.gate.rules.policies import PolicySet, policy_set

SCOPE = Scope("acme", "dev")
ANNA = Customer("anna", ("gold",))
SUPPORT = Actor("agent", "shop.support", on_behalf_of=ANNA)
MINOR = {"type": "integer", "minimum": 0, "x-lichen-unit": "minor"}

REFUND = ToolSpec(
    name=ToolName("payments.refund"),
    description="Pays money back.",
    effects="once",
    input_schema={
        "type": "object",
        "properties": {"order_id": {"type": "string"}, "amount": MINOR, "note": {"type": "string"}},
        "required": ["order_id", "amount"],
    },
    output_schema={"type": "object", "properties": {"email": {"type": "string"}, "receipt": {"type": "string"}}},
    facts_schema={
        "type": "object",
        "properties": {"price": {"type": "integer"}, "refunded": {"type": "integer"}},
        "required": ["price", "refunded"],
    },
    tags=("money",),
    digest="refund-1",
)
LOOKUP = ToolSpec(
    name=ToolName("orders.lookup"),
    description="Reads an order.",
    effects="none",
    input_schema={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    output_schema={"type": "object"},
)
MAIL = ToolSpec(
    name=ToolName("mail.send"),
    description="Sends a mail.",
    effects="once",
    input_schema={
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": {"type": "string"}},
            "cc": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "body": {"$ref": "#/$defs/Body"},
            "weight": {"type": "number"},
        },
        "required": ["to"],
        "$defs": {
            "Body": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "urgent": {"type": "boolean"}},
                "required": ["text"],
            }
        },
    },
    output_schema={"type": "object"},
)
TOOLS = (REFUND, LOOKUP, MAIL)

MAY_REFUND = '@id("may") permit(principal, action == Action::"payments.refund", resource);'
COUNTED = """
[[meter]]
name = "refunds"
tools = ["payments.refund"]

[[meter]]
name = "refunded"
tools = ["payments.refund"]
amount = "amount"
per = "argument"
per_argument = "order_id"
"""


def policies(cedar: str, *, meters: str = "", base: bool = False) -> PolicySet:
    return policy_set({"test.cedar": cedar, "meters.toml": meters, "policy.toml": f"base = {str(base).lower()}"}, TOOLS)


def digest(scope: Scope, data: bytes) -> str:
    return hashlib.blake2b(data, key=scope.tenant.encode(), digest_size=16).hexdigest()


class Shop:
    """A gate with everything that is injected into it at hand."""

    def __init__(
        self, cedar: str = MAY_REFUND, *, meters: str = "", base: bool = False, facts_timeout_s: float = 0.001
    ) -> None:
        self.now_us = 1_700_000_000_000_000
        self.totals: dict[str, tuple[int, int]] = {}
        self.unknown: set[tuple[SessionId | None, str, bytes]] = set()
        self.price = 5000
        self.refunded = 0
        self.gate = PolicyGate(
            {("acme", "dev"): policies(cedar, meters=meters, base=base)},
            clock=lambda: self.now_us,
            digest=digest,
            load=lambda scope, key: self.totals.get(key, (0, 0)),
            is_unknown=lambda scope, session, tool, call: (session, tool, call) in self.unknown,
            pseudonym=lambda scope, actor: f"{actor.kind}_{actor.id}",
            facts_timeout_s=facts_timeout_s,
        )

    async def facts(self) -> Mapping[str, Any]:
        return {"price": self.price, "refunded": self.refunded}

    def refund(
        self,
        call: str = "c1",
        *,
        run: str = "run-1",
        actor: Actor = SUPPORT,
        amount: Any = 1000,
        order: str = "A-1",
        session: str | None = "ses-1",
        label: Label = EMPTY,
        evidence: tuple[Evidence, ...] = (),
        grants: tuple[Grant, ...] = (),
        of: bytes = b"digest",
        facts: Callable[[], Awaitable[Mapping[str, Any]]] | None = None,
        scope: Scope = SCOPE,
        args: Mapping[str, Any] | None = None,
    ) -> Check:
        """The question whether the agent may pay back `amount` of `order`."""
        return Check(
            scope=scope,
            actor=actor,
            action=REFUND.name,
            resource=REFUND.name,
            run=RunId(run),
            call=CallId(call),
            session=None if session is None else SessionId(session),
            tool=REFUND,
            args={"order_id": order, "amount": amount} if args is None else args,
            label=label,
            evidence=evidence,
            grants=grants,
            digest=of,
            facts=facts or self.facts,
        )

    def call(
        self, tool: ToolSpec, args: Mapping[str, Any], *, call: str = "c1", run: str = "run-1", label: Label = EMPTY,
        evidence: tuple[Evidence, ...] = (),
    ) -> Check:  # fmt: skip
        """The question whether the agent may call `tool`."""
        return Check(
            scope=SCOPE,
            actor=SUPPORT,
            action=tool.name,
            resource=tool.name,
            run=RunId(run),
            call=CallId(call),
            session=SessionId("ses-1"),
            tool=tool,
            args=args,
            label=label,
            evidence=evidence,
        )

    async def ask(self, check: Check) -> Verdict:
        return self.gate.decide(check, await self.gate.facts(check))

    def end(self, call: str = "c1", *, run: str = "run-1", paid: bool = True) -> None:
        self.gate.settle(SCOPE, RunId(run), CallId(call), paid=paid)
