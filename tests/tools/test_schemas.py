"""The file with every tool's contract, and the digest that pins one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import ArtifactSpec, CircuitBreaker, Paging, Retry, SecretNames, ToolSpec
from lichen.core.words.errors import Invalid
from lichen.tools import agent_tool, tool, tool_schemas
from lichen.tools.spec import pinned
from tests.tools import samples

TOOLS = [samples.add, samples.who, samples.hang, agent_tool("shop.support", description="Asks the shop.")]


@pytest.mark.req("GOA-4.1")
def test_one_file_holds_the_contract_of_every_tool() -> None:
    document = json.loads(tool_schemas(TOOLS))
    assert document["version"] == 1
    assert set(document["tools"]) == {tool.spec.name for tool in TOOLS}
    assert document["tools"]["samples.add"] == {
        "name": "samples.add",
        "description": "Adds.",
        "effects": "none",
        "input_schema": samples.add.spec.input_schema,
        "output_schema": {"type": "integer"},
        "facts_schema": None,
        "timeout_s": 30.0,
        "retry": {"attempts": 1, "backoff_s": 0.5, "on": []},
        "audit": [],
        "tags": [],
        "origin": "records",
        "record_fields": [],
        "has_probe": False,
        "runs": "process",
        "cost": 1,
        "agent": None,
        "digest": samples.add.spec.digest,
    }


@pytest.mark.req("GOA-4.2")
def test_the_file_is_the_same_in_any_order_and_in_another_process() -> None:
    here = tool_schemas(TOOLS)
    assert tool_schemas(reversed(TOOLS)) == here
    program = "import sys; from tests.tools.test_schemas import *; sys.stdout.buffer.write(tool_schemas(TOOLS))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert there.stdout == here


@pytest.mark.req("GOA-4.1")
def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        tool_schemas([samples.add, samples.add])
    assert caught.value.code == "tool_duplicate"


CHANGES: dict[str, Any] = {
    "name": "a.c",
    "description": "other",
    "effects": "none",
    "input_schema": {"type": "object"},
    "output_schema": {},
    "facts_schema": {},
    "timeout_s": 1.0,
    "retry": Retry(2),
    "audit": ("a",),
    "tags": ("a",),
    "origin": "third_party",
    "record_fields": ("a",),
    "has_probe": True,
    "runs": "thread",
    "cost": 2,
    "agent": "a.b",
    "secrets": SecretNames(probe=("a",)),
    "needs": ("region",),
    "role": "terminal",
    "confirm": "a",
    "call_hint": "a",
    "result_hint": "a",
    "reminder": "a",
    "example": {"a": 1},
    "artifacts": {"a": ArtifactSpec()},
    "pages": Paging(),
    "breaker": CircuitBreaker(failures=1),
    "cage": Grant(),
}


@pytest.mark.req("GOA-4.3")
@pytest.mark.parametrize("field", [field for field in ToolSpec.__struct_fields__ if field != "digest"])
def test_the_digest_changes_with_every_part_of_the_contract(field: str) -> None:
    @tool(name="a.b")
    async def give() -> int:
        return 1

    changed = {name: getattr(give.spec, name) for name in ToolSpec.__struct_fields__} | {field: CHANGES[field]}
    assert pinned(ToolSpec(**changed)).digest != give.spec.digest
    assert pinned(give.spec).digest == give.spec.digest
    assert len(give.spec.digest) == 64


@pytest.mark.req("GOA-4.3")
def test_a_published_digest_stays_what_it_is() -> None:
    spec = ToolSpec(name=samples.add.spec.name, description="", effects="none", input_schema={}, output_schema={})
    assert pinned(spec).digest == GOLDEN


GOLDEN = "508b9ed87e5246f050c1cfc2e250b18c645877d8c08441507f18911ac93c0293"
