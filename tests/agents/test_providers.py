"""Providers before anything is sent: what is missing, and what tools are called on the wire."""

from __future__ import annotations

import copy
import os
import re
import socket
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.test import TestModel
from pydantic_ai.profiles import JsonSchemaTransformer
from pydantic_ai.tools import ToolDefinition

from lichen.agents.models.model import resolve
from lichen.agents.providers import facts
from lichen.agents.providers.asking import asked
from lichen.agents.providers.makers import Reach, make
from lichen.agents.providers.remote import RemoteModel, clients_held
from lichen.agents.providers.spelling import CHARS_MAX, SCHEMA_BYTES_MAX, own_name, table, wire_name
from lichen.agents.providers.transport import http_client
from lichen.core.ports.model import Connection, ModelError, ModelMessage, ModelRequest
from lichen.core.words.errors import Invalid
from tests.agents.shop import spec

ASKED = ModelRequest("", (ModelMessage("user", "Hello."),))
KEYED = [each for each in facts.PROVIDERS.values() if each.needs_key]
NAMES = st.text("abz_.-09ä", min_size=1, max_size=90)


@pytest.mark.req("GOA-62.12")
def test_a_provider_whose_libraries_are_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(facts, "find_spec", nothing)
    with pytest.raises(Invalid) as caught:
        resolve("anthropic:claude-haiku-4-5")
    assert caught.value.code == "model_extra_missing"
    assert "`anthropic`" in caught.value.next_step


@pytest.mark.req("GOA-62.12")
@pytest.mark.parametrize(
    "provider", [each for each in facts.PROVIDERS.values() if each.needs_key], ids=lambda f: f.name
)
async def test_a_provider_without_a_key_names_the_variable(
    provider: facts.Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})
    with pytest.raises(ModelError) as caught:
        await resolve(f"{provider.name}:some-model").generate(ASKED)
    assert caught.value.code == "model_key_missing"
    assert provider.keys[0] in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.req("GOA-62.13")
def test_naming_a_model_imports_no_library_of_a_provider() -> None:
    program = (
        "import sys\nfrom lichen.agents.models.model import resolve\nresolve('openai:gpt-5')\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('pydantic_ai', 'openai', 'httpx2')])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


@pytest.mark.req("GOA-62.14")
@given(st.sets(NAMES, min_size=1, max_size=8))
def test_tools_keep_apart_on_the_wire_and_are_told_back(names: set[str]) -> None:
    spelt = {wire_name(name) for name in names}
    assert len(spelt) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", each) and len(each) <= CHARS_MAX for each in spelt)
    known = table(names)
    assert {own_name(each, known) for each in spelt} == names


@pytest.mark.req("GOA-62.14")
def test_a_tool_is_called_on_the_wire_nearly_as_it_is_here() -> None:
    assert wire_name("orders.lookup") == "orders__lookup"
    assert own_name("orders__refund", {}) == "orders.refund"


MODELS = {
    "openai": "gpt-5",
    "openai-chat": "gpt-4.1-mini",
    "openai-compatible": "small",
    "ollama": "qwen3",
    "azure": "gpt-5",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-3-flash",
    "mistral": "mistral-large-latest",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"to": {"$ref": "#/$defs/Place"}, "note": {"type": "string", "default": "", "title": "Note"}},
    "required": ["to"],
    "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "title": "P"}},
}


def told(model: Any, schema: dict[str, Any]) -> ToolDefinition:
    """The tool as the provider of a model is told of it."""
    asked = ModelRequestParameters(function_tools=[ToolDefinition(name="send", parameters_json_schema=schema)])
    return model.customize_request_parameters(asked).function_tools[0]


@pytest.mark.req("GOA-62.33")
@pytest.mark.parametrize("provider", sorted(MODELS))
async def test_a_tools_schema_is_made_once_for_a_provider_and_is_what_pydantic_ai_makes_of_it(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, connection = facts.PROVIDERS[provider], Connection("key", "http://127.0.0.1:9", options={"region": "eu"})
    made = make(Reach(known, connection, http_client(timeout_s=1.0)))
    ours = made.model(MODELS[provider])
    kind: Any = type(ours)
    plain = kind(MODELS[provider], provider=ours._provider)  # pyright: ignore[reportPrivateUsage]
    transformer = plain.profile.get("json_schema_transformer")
    assert transformer is not None or provider == "mistral"
    expected = told(plain, SCHEMA)
    assert told(ours, SCHEMA) == expected
    if transformer is not None:  # it is asked no more
        monkeypatch.setattr(transformer, "walk", pytest.fail)
    again = told(ours, copy.deepcopy(SCHEMA))
    assert again == expected
    again.parameters_json_schema.clear()  # whoever has it may do with it as they like
    assert told(ours, SCHEMA) == expected
    await made.close()


@pytest.mark.req("GOA-62.33")
async def test_schemas_that_differ_are_told_apart_and_a_long_one_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(Reach(facts.PROVIDERS["openai"], Connection("key"), http_client(timeout_s=1.0)))
    model = made.model("gpt-5")
    strict = ToolDefinition(name="send", parameters_json_schema=SCHEMA, strict=True)
    forced = model.customize_request_parameters(ModelRequestParameters(function_tools=[strict])).function_tools[0]
    assert (forced.parameters_json_schema["required"], forced.strict) == (["to", "note"], True)
    assert told(model, SCHEMA).parameters_json_schema["required"] == ["to"]
    assert told(model, {**SCHEMA, "required": []}).parameters_json_schema["required"] == []

    walked: list[str] = []
    inner = JsonSchemaTransformer.walk

    def walk(self: JsonSchemaTransformer) -> dict[str, Any]:
        walked.append(self.schema.get("description", ""))
        return inner(self)

    monkeypatch.setattr(JsonSchemaTransformer, "walk", walk)
    for size in (SCHEMA_BYTES_MAX, SCHEMA_BYTES_MAX, 9, 9):
        assert told(model, {**SCHEMA, "description": "x" * size}).parameters_json_schema["description"] == "x" * size
    assert list(map(len, walked)) == [SCHEMA_BYTES_MAX, SCHEMA_BYTES_MAX, 9]
    await made.close()


@pytest.mark.req("GOA-35.5")
def test_a_note_of_the_system_names_an_action_as_the_provider_was_told_it() -> None:
    action = f"lichen.continue_{'0af1' * 6}"
    note = ModelMessage("system", f"Only 2 were returned. For the next page call {action} without arguments.")
    said = ModelMessage("user", f"What is {action}?")
    request = msgspec.structs.replace(ASKED, messages=(said, note), tools=(spec(action),))
    sent = asked("test", TestModel(), request, enforced=True)
    (tool,), (message,) = sent.parameters.function_tools, sent.messages
    told = [repr(part) for part in message.parts]
    assert (action in told[0], f"call {tool.name} without" in told[1], action in told[1]) == (True, True, False)


@pytest.mark.req("GOA-65.22")
@pytest.mark.parametrize("name", ["openai-chat", "openai", "anthropic", "mistral", "google"])
@pytest.mark.parametrize("by", ["table", "variable"])
async def test_a_refused_connection_is_told_with_its_address_and_who_says_it(
    name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{nobody.getsockname()[1]}"
        url, provider = f"http://somebody:hush@{where}/v1", facts.PROVIDERS[name]
        monkeypatch.setenv(provider.keys[0], "sk-hush")
        if by == "variable":
            if not provider.urls:
                pytest.skip("its address is in no variable")
            monkeypatch.setenv(provider.urls[0], url)
        connection = Connection(base_url=url if by == "table" else "")
        async with clients_held() as held:
            model = resolve(f"{name}:some-model")
            assert isinstance(model, RemoteModel)
            with pytest.raises(ModelError) as caught:
                await model.asked(connection, held, ASKED, None)
    told = str(caught.value)
    assert f"{where} refused the connection" in told
    assert (f"[models.{name}]" if by == "table" else provider.urls[0]) in told
    assert "hush" not in told
    assert (caught.value.code, caught.value.is_refused) == ("model_unavailable", True)
