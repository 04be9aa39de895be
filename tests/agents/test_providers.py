"""Providers before anything is sent: what is missing, and what tools are called on the wire."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.models.model import resolve
from lichen.agents.providers import facts
from lichen.agents.providers.names import CHARS_MAX, own_name, table, wire_name
from lichen.core.ports.model import ModelError, ModelMessage, ModelRequest
from lichen.core.words.errors import Invalid

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
