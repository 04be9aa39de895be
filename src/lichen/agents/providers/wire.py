"""One request to a provider and its reply, in our words: sent once, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model as WireModel

from lichen.agents.providers.asking import Asked, asked, enforces, makes
from lichen.agents.providers.clients import Clients
from lichen.agents.providers.facts import Facts
from lichen.agents.providers.failures import blames_schema, failed, key_missing, url_missing
from lichen.agents.providers.hearing import Pieces, heard
from lichen.agents.providers.schema_tools import answered, offered, takes_choice
from lichen.core.ports.model import Connection, Delta, Deltas, ModelError, ModelReply, ModelRequest


class Asking:
    """A model of a provider, over one connection."""

    def __init__(self, facts: Facts, model: str, connection: Connection, clients: Clients) -> None:
        self._facts, self._model, self._connection, self._clients = facts, model, connection, clients
        self._name = f"{facts.name}:{model}"
        self._first_us = 0
        self._streamed = False

    async def generate(self, request: ModelRequest, deltas: Deltas | None) -> ModelReply:
        """One reply. Raises ModelError."""
        if not self._facts.is_keyed(self._connection):
            raise key_missing(self._facts, self._name)
        if self._facts.needs_url and not self._facts.url_of(self._connection):
            raise url_missing(self._facts, self._name)
        if takes_choice(self._connection, request):
            return await self._chosen(request, deltas)
        return await self._said(request, deltas)

    async def _chosen(self, request: ModelRequest, deltas: Deltas | None) -> ModelReply:
        """The reply of a model that calls tools by writing which, as a schema lets it."""
        reply = answered(request, await self._said(offered(request), None))
        if deltas is not None and reply.text:
            deltas(Delta(reply.text))
        return reply

    async def _said(self, request: ModelRequest, deltas: Deltas | None) -> ModelReply:
        limit_s = max(0.001, min(self._connection.timeout_s, request.time_s))
        try:
            async with asyncio.timeout(limit_s):
                async with self._clients.lent(self._facts, self._connection, self._model) as model:
                    response = await self._fitting(model, request, deltas)
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - a provider's library may raise anything
            raise self._failed(error) from None
        reply = heard(self._facts.name, self._name, request, response)
        return reply if not self._first_us else _with_first(reply, self._first_us)

    async def _fitting(self, model: WireModel[Any], request: ModelRequest, deltas: Deltas | None) -> ModelResponse:
        """The response, held to the schema of the request by its provider where that can and takes this schema. One
        that it refuses is told in words from then on: what comes is checked by whoever asked."""
        schema = request.output_schema
        name = b"" if schema is None else _digest(self._name, schema)
        enforced = schema is not None and enforces(model, schema) and not self._clients.refuses(name)
        try:
            return await self._response(model, request, deltas, enforced=enforced)
        except Exception as error:
            if not enforced or not self._may_be_the_schema(model, request, error):
                raise
            response = await self._response(model, request, deltas, enforced=False)
            self._clients.note_refused(name)  # it was the schema: the same request is taken without
            return response

    def _may_be_the_schema(self, model: WireModel[Any], request: ModelRequest, error: Exception) -> bool:
        """Whether a request may have failed for its schema alone."""
        if self._failed(error).code == "model_request_invalid" or blames_schema(error):
            return True
        return not makes(model, asked(self._facts.name, model, request, enforced=True))

    def _failed(self, error: Exception) -> ModelError:
        """What an error of the provider's library means."""
        if isinstance(error, ModelError):
            return error
        return failed(self._facts, self._name, error, over=self._connection, streamed=self._streamed)

    async def _response(
        self, model: WireModel[Any], request: ModelRequest, deltas: Deltas | None, *, enforced: bool
    ) -> ModelResponse:
        what = asked(self._facts.name, model, request, enforced=enforced)
        if deltas is None and self._facts.name != "bedrock":  # whose bytes are counted piece by piece
            return await model_request(
                model,
                what.messages,
                model_settings=what.settings,
                model_request_parameters=what.parameters,
                instrument=False,
            )
        return await self._streaming(model, what, Pieces(deltas or _nowhere, request))

    async def _streaming(self, model: WireModel[Any], what: Asked, pieces: Pieces) -> ModelResponse:
        clock = asyncio.get_running_loop().time
        began = clock()
        opened = model_request_stream(
            model,
            what.messages,
            model_settings=what.settings,
            model_request_parameters=what.parameters,
            instrument=False,
        )
        async with opened as stream:
            async for event in stream:
                if pieces.take(event) and not self._streamed:
                    self._streamed, self._first_us = True, max(1, int((clock() - began) * 1e6))
            response = stream.get()
        if response.finish_reason is None and "finish_reason" not in (response.provider_details or {}):
            message = f"The reply of {self._name} broke off before its end."
            raise ModelError(message, code="model_malformed")
        return response


def _with_first(reply: ModelReply, first_us: int) -> ModelReply:
    return msgspec.structs.replace(reply, first_us=first_us)


def _nowhere(delta: Delta) -> None:
    """Takes pieces that nobody looks at."""


def _digest(model: str, schema: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(model.encode() + b"\x00" + msgspec.json.encode(schema, order="sorted")).digest()
