"""What a node redacts: by the field's own name, under another name, in children, whatever its type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Agent, Runtime, tool
from lichen.core.words.scope import Operator, Scope
from lichen.flows.read.load import parse
from lichen.runtime.project.flows import flow_agents
from tests.runtime.test_structured_input import Teller

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))


@tool(name="vault.read", effects="none", runs="loop")
async def read(name: str) -> dict[str, Any]:
    """A secret of a few forms."""
    return {"value": 'line "one"', "pin": 4711, "inner": {"token": ["tok-123456"]}, "open": "shown", "short": "ab"}


@tool(name="vault.use", effects="none", runs="loop")
async def use(text: str) -> dict[str, str]:
    """Says it again."""
    return {"text": text}


def opened(home: Path, fields: str, after: str, output: str = "") -> Runtime:
    """A runtime of a flow that reads the secret, redacting these fields, and does something after."""
    more = f"output: {{{output}}}, " if output else ""
    text = (
        f"  a: {{vault.read: {{name: x}}, {more}redaction: {{fields: [{fields}]}}, routing: [{{to: b}}]}}\n  b: {after}"
    )
    flow = parse(f"id: shop.flow\ntype: job\nschema_version: 2\nnodes:\n{text}\n", "shop.flow.ygtc").flow
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "all.cedar").write_text('@id("all") permit (principal, action, resource);')
    keeper = Agent("shop.keeper", planner=Teller(), tools=[read, use])
    return Runtime.open(home, agents=[keeper, *flow_agents([flow], [keeper])], policies=home / "policies")


async def told(runtime: Runtime) -> tuple[str, str]:
    """The answer, and everything an operator is shown of the run and its children."""
    run = await runtime.runs.start(SCOPE, "shop.flow", "go", OPS)
    answer = await runtime.runs.result(SCOPE, run, OPS)
    runs = [each.id for each in runtime.runs.list(SCOPE, OPS)]
    return answer, json.dumps([msgspec.to_builtins(runtime.runs.show(SCOPE, each, OPS)) for each in runs])


@pytest.mark.req("GRE-3.5")
async def test_values_of_every_type_are_hidden_wherever_they_went(tmp_path: Path) -> None:
    after = '{vault.use: {text: "{{node.a.value}} {{node.a.pin}} {{node.a.inner.token.0}} {{node.a.short}}"}}'
    async with opened(tmp_path, "value, pin, inner, short", after) as runtime:
        answer, seen = await told(runtime)
        assert answer == 'line "one" 4711 tok-123456 ab'
        assert not [secret for secret in ("line ", "4711", "tok-123456") if secret in seen]
        assert '"short": "[redacted]"' in seen, "a value of a few characters is hidden where it stands alone"
        assert '"open": "shown"' in seen


@pytest.mark.req("GRE-3.5")
@pytest.mark.parametrize("source", ["/inner", "'{{result.inner}}'", "'is {{result.inner.token.0}}'"])
async def test_a_field_that_the_output_calls_otherwise_is_hidden_at_its_source(tmp_path: Path, source: str) -> None:
    async with opened(tmp_path, "secret", "{text: '{{json node.a.secret}}'}", f"secret: {source}") as runtime:
        answer, seen = await told(runtime)
        assert "tok-123456" in answer
        assert "tok-123456" not in seen


@pytest.mark.req("GRE-3.5")
async def test_a_child_does_not_show_what_its_caller_hides(tmp_path: Path) -> None:
    after = '{dw.agent: {agent: shop.keeper, message: "use {{node.a.value}}"}}'
    async with opened(tmp_path, "value", after) as runtime:
        answer, seen = await told(runtime)
        assert 'line "one"' in answer
        assert "line " not in seen


@pytest.mark.req("GRE-3.5")
async def test_a_run_that_redacts_nothing_is_shown_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path, "", '{vault.use: {text: "{{node.a.value}}"}}') as runtime:
        _, seen = await told(runtime)
        assert "line " in seen
