"""What a client of ours does not do, whatever a server says: follow it elsewhere, unpack what it packed, try again."""

from __future__ import annotations

import gzip

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lichen.core.ports.model import ModelError
from lichen.testing.model_conformance import GREET, KEY, asked
from tests.agents.wire.formats import CLAUDE_ON_BEDROCK
from tests.agents.wire.relay import Relay, serving
from tests.agents.wire.test_providers import reaching_by

PLACES = {
    "openai:gpt-5": "/v1",
    "openai-chat:gpt-4o": "/v1",
    "anthropic:claude-haiku-4-5": "",
    "google:gemini-2.5-flash": "",
    "mistral:mistral-large-latest": "",
    "ollama:qwen3": "/v1",
}


@pytest.mark.req("GOA-62.28")
@pytest.mark.parametrize("name", [*PLACES, "azure:gpt-4o", CLAUDE_ON_BEDROCK])
async def test_a_key_follows_no_redirect(name: str) -> None:
    seen: list[str] = []

    async def elsewhere(request: Request) -> Response:
        seen.append(str(dict(request.headers)))
        return Response(status_code=500)

    async def away(request: Request) -> Response:
        await request.body()
        return RedirectResponse(f"{other}/{request.path_params['rest']}", 307)

    every = ["GET", "POST"]
    with serving(Starlette(routes=[Route("/{rest:path}", elsewhere, methods=every)])) as other:
        place = Starlette(routes=[Route("/{name}/{fault}/{rest:path}", away, methods=every)])
        with serving(place) as url:
            relay = Relay("")
            relay.url = url
            key = f"AKIAEXAMPLE:{KEY}" if name.startswith("bedrock") else KEY
            async with reaching_by(relay, name, PLACES.get(name, ""), key, region="us-east-1")() as (model, _):
                with pytest.raises(ModelError):
                    await model.generate(asked(GREET))
    assert seen == []


@pytest.mark.req("GOA-62.29")
@pytest.mark.parametrize("name", PLACES)
async def test_a_compressed_reply_is_not_unpacked(name: str) -> None:
    packed = Response(gzip.compress(b" " * 10_000_000), media_type="application/json")
    packed.headers["content-encoding"] = "gzip"

    async def answer(request: Request) -> Response:
        await request.body()
        return packed

    app = Starlette(routes=[Route("/{name}/{fault}/{rest:path}", answer, methods=["POST"])])
    with serving(app) as url:
        relay = Relay("")
        relay.url = url
        async with reaching_by(relay, name, PLACES[name])() as (model, _):
            with pytest.raises(ModelError) as caught:
                await model.generate(asked(GREET))
    assert caught.value.code == "model_malformed"
    assert "compressed" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.req("GOA-62.30")
async def test_vertex_ai_is_another_door_of_the_same_provider() -> None:
    async def answer(request: Request) -> Response:
        await request.body()
        said = {"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP"}
        return JSONResponse({"candidates": [said]})

    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["POST"])])
    with serving(app) as url, Relay(url).serving() as relay:
        async with reaching_by(relay, "google:gemini-2.5-flash", vertex="true")() as (model, _):
            assert (await model.generate(asked(GREET))).text == "Yes."
    ((path,),) = relay.paths.values()
    assert path.endswith("publishers/google/models/gemini-2.5-flash:generateContent")
