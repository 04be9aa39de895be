"""Stub tools for the packs: plausible results, and a note of every call."""

from __future__ import annotations

from typing import Any

from lichen import Agent, NotDone, tool
from lichen.core.ports.plan import Plan, PlanInput

CALLS: list[tuple[str, dict[str, Any]]] = []
"""Every call by tool and arguments, in order."""
DOWN: set[str] = set()
"""Tools that are out of order."""

Json = dict[str, Any]


def said(name: str, /, **args: Any) -> None:
    """Notes a call."""
    CALLS.append((name, args))


def setup_tools(provider: str) -> list[Any]:
    """The operations of a provider's setup component."""

    @tool(name=f"{provider}.describe", effects="none", runs="loop")
    async def describe(id: str, spec_ref: str) -> Json:
        """The questions."""
        said(f"{provider}.describe", id=id, spec_ref=spec_ref)
        return {"questions": ["bot_token"], "id": id}

    @tool(name=f"{provider}.validate_answers", effects="none", runs="loop")
    async def validate(answers_json: Any, spec_json: Any) -> Json:
        """Whether the answers fit the questions."""
        said(f"{provider}.validate_answers", answers_json=answers_json, spec_json=spec_json)
        if not answers_json or "bot_token" not in answers_json:
            return {"ok": False, "error": {"code": "answers_invalid", "message": "bot_token is missing"}}
        return {"ok": True}

    @tool(name=f"{provider}.apply", effects="idempotent", runs="loop")
    async def apply(dry_run: Any, plan: Any) -> Json:
        """Does what the plan says."""
        said(f"{provider}.apply", dry_run=dry_run, plan=plan)
        return {"ok": True, "applied": len(plan["actions"])}

    return [describe, validate, apply]


@tool(name="llm.openai", effects="none", runs="loop")
async def llm(model: str, prompt: str) -> Json:
    """A model that thinks aloud."""
    said("llm.openai", model=model, prompt=prompt)
    return {"reasoning": "they seem upset", "answer": "Try turning it off and on."}


@tool(name="vault.validate", effects="none", runs="loop")
async def validate_config(config: Json) -> Json:
    """Whether the configuration is one."""
    said("vault.validate", config=config)
    return {"ok": True, "config": {**config, "checked": True}}


@tool(name="vault.get", effects="none", runs="loop")
async def get(config: Json, name: str, tenant: str) -> Json:
    """A secret."""
    said("vault.get", config=config, name=name, tenant=tenant)
    return {"value": "s3cr3t-of-acme", "meta": {"version": 4}}


@tool(name="vault.emit_event", effects="idempotent", runs="loop")
async def emit_event(config: Json, name: str) -> Json:
    """An entry of the audit."""
    said("vault.emit_event", config=config, name=name)
    return {"audited": True}


@tool(name="weather_api.forecast_weather", effects="none", runs="loop")
async def forecast(q: str, days: int) -> Json:
    """As weatherapi.com answers."""
    said("weather_api.forecast_weather", q=q, days=days)
    if q.lower() == "atlantis":
        return {"error": {"code": "not_found", "message": "no matching location", "status": 400}}
    day = [{"date": f"2026-01-0{i + 1}", "day": {"maxtemp_c": 3 + i}} for i in range(days)]
    return {"location": {"name": q.title()}, "forecast": {"forecastday": day}}


@tool(name="local.http_client.request", effects="none", runs="loop")
async def request(method: str, url: str, config: Json) -> Json:
    """A request."""
    said("local.http_client.request", method=method, url=url, config=config)
    code = int(url.rpartition("/")[2])
    return {"status_code": code, "body": {"title": "it works"}}


@tool(name="component_events2msg.convert", effects="none", runs="loop")
async def convert(event: Json, source: str) -> Json:
    """An event as a message."""
    said("component_events2msg.convert", event=event, source=source)
    return {"text": f"{source}: order {event['order_id']} is {event['state']}"}


@tool(name="messaging.slack.send_message", effects="idempotent", runs="loop")
async def send(channel: str, text: str) -> Json:
    """Sends."""
    said("messaging.slack.send_message", channel=channel, text=text)
    return {"ok": True, "ts": "1.2"}


@tool(name="component_adaptive_card.card", effects="none", runs="loop")
async def card(card_source: str, title: str, actions: list[str]) -> Json:
    """A card."""
    said("component_adaptive_card.card", card_source=card_source, title=title, actions=actions)
    return {"renderedCard": {"type": "AdaptiveCard", "title": title}}


@tool(name="ops.page", effects="idempotent", runs="loop")
async def page(severity: str, where: str) -> Json:
    """Wakes somebody."""
    said("ops.page", severity=severity, where=where)
    if "pager" in DOWN:
        raise NotDone("nobody answers", code="pager_down", retryable=True)
    return {"who": "Grace"}


class Silent:
    """Holds the tools and says nothing."""

    pure = True
    digest = "silent"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer="...")


desk = Agent(
    "stub.desk",
    planner=Silent(),
    tools=[
        *setup_tools("messaging_telegram"),
        *setup_tools("messaging_slack"),
        *(llm, validate_config, get, emit_event, forecast, request, convert, send, card, page),
    ],
)
