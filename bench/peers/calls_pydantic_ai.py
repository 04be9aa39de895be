"""Pydantic AI over the network: its model class alone, and an agent of five tools. Nothing is stored. Prints JSON."""

import sys
from importlib.metadata import version

from pydantic_ai import Agent
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.tools import Tool

from bench.peers.calls import measured, timed
from bench.peers.flight import go
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS


async def main(times: int) -> None:
    model, settings = OpenAIChatModel(MODEL), {"max_tokens": 1024}
    agent = Agent(model, instructions=INSTRUCTIONS, tools=TOOLS, model_settings=settings)
    messages = [ModelRequest([SystemPromptPart(INSTRUCTIONS), UserPromptPart(QUESTION)])]
    parameters = ModelRequestParameters(function_tools=[Tool(each).tool_def for each in TOOLS])
    more = {"model_settings": settings, "model_request_parameters": parameters, "instrument": False}

    async def whole() -> str:
        return (await model_request(model, messages, **more)).parts[0].content

    async def streamed() -> str:
        async with model_request_stream(model, messages, **more) as stream:
            async for _ in stream:
                pass
            return stream.get().parts[0].content

    async def agent_whole() -> str:
        return (await agent.run(QUESTION)).output

    async def agent_streamed() -> str:
        async with agent.run_stream(QUESTION) as stream:
            async for _ in stream.stream_text(delta=True, debounce_by=None):
                pass
            return await stream.get_output()

    ways = {"whole": whole, "streamed": streamed, "agent whole": agent_whole, "agent streamed": agent_streamed}
    await measured({name: timed(ask) for name, ask in ways.items()}, times, version("pydantic-ai-slim"))


if __name__ == "__main__":
    go(main(int(sys.argv[2])))
