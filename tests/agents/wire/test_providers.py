"""Every provider through its real client library, against a server that speaks as it does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import count

import pytest

from lichen.agents.models.model import resolve
from lichen.agents.providers.remote import Held, RemoteModel
from lichen.core.ports.model import Connection, Deltas, ModelReply, ModelRequest
from lichen.testing.model_conformance import (
    CODES,
    KEY,
    TRY_S,
    Fault,
    ModelConformance,
    Reached,
    Reaching,
    Shown,
)
from tests.agents.wire.relay import Relay

_NUMBERS = count()


class Over:
    """A model over one connection."""

    def __init__(self, name: str, connection: Connection, held: Held) -> None:
        model = resolve(name)
        assert isinstance(model, RemoteModel)
        self._model, self._connection, self._held = model, connection, held
        self.name = model.name

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        return await self._model.asked(self._connection, self._held, request, deltas)


def reaching_by(relay: Relay, name: str, path: str = "", key: str = KEY, **options: str) -> Reaching:
    """The model of a name whose provider is said to be at the relay."""

    @asynccontextmanager
    async def reaching(fault: Fault | None = None) -> AsyncGenerator[Reached]:
        held, place = Held(), f"t{next(_NUMBERS)}"
        url = f"{relay.url}/{place}/{fault or 'none'}{path}"
        connection = Connection(key, url, options=options, timeout_s=TRY_S if fault == "hanging" else 20.0)
        try:
            yield Reached(Over(name, connection, held), relay.sent[place])
        finally:
            await held.close()

    return reaching


class OfAimock(ModelConformance):
    """A provider as aimock speaks it."""

    name = ""
    path = ""
    options: Mapping[str, str] = {}

    @pytest.fixture
    def reaching(self, aimock: Relay) -> Reaching:
        return reaching_by(aimock, self.name, self.path, **self.options)


class TestOpenAI(OfAimock):
    name, path = "openai:gpt-5", "/v1"
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "image", "document"})


class TestOpenAIChat(OfAimock):
    name, path = "openai-chat:gpt-4o", "/v1"
    shows: frozenset[Shown] = frozenset({"usage", "image", "document", "audio"})


class TestOpenAICompatible(OfAimock):
    name, path = "openai-compatible:qwen3", "/v1"
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "thinking_back", "image", "document", "audio"})


class TestOllama(OfAimock):
    name, path = "ollama:qwen3", "/v1"
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "thinking_back", "image", "document", "audio"})


class TestAzure(OfAimock):
    name = "azure:gpt-4o"
    shows: frozenset[Shown] = frozenset({"usage", "image", "audio"})


class TestAnthropic(OfAimock):
    name = "anthropic:claude-haiku-4-5"
    faults = frozenset(CODES) - {"refused"}  # said in a reply, not by a status
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "thinking_back", "image", "document"})


class TestGoogle(OfAimock):
    name = "google:gemini-2.5-flash"
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "image", "document", "audio"})
    faults = frozenset(CODES) - {"refused"}  # said in a reply, not by a status


class TestMistral(ModelConformance):
    shows: frozenset[Shown] = frozenset({"usage", "thinking", "thinking_back", "image", "document"})
    faults = frozenset(CODES) - {"refused"}  # it has no such failure

    @pytest.fixture
    def reaching(self, mistral_api: Relay) -> Reaching:
        return reaching_by(mistral_api, "mistral:mistral-large-latest")


class TestBedrock(ModelConformance):
    shows: frozenset[Shown] = frozenset({"usage", "cached", "thinking", "thinking_back", "image", "document"})
    faults = frozenset(CODES) - {"refused"}  # said in a reply, not by a status

    @pytest.fixture
    def reaching(self, bedrock_api: Relay) -> Reaching:
        name = "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0"
        return reaching_by(bedrock_api, name, key=f"AKIAEXAMPLE:{KEY}", region="us-east-1")
