"""One turn of a Pydantic AI agent (function model, one tool), nothing stored. Prints JSON."""

import asyncio
import json
import sys
import time
from importlib.metadata import version

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel


def model(messages, info):
    if len(messages) == 1:
        return ModelResponse(parts=[ToolCallPart("lookup", {"order_id": "1042"})])
    return ModelResponse(parts=[TextPart("Order 1042 is shipped.")])


agent = Agent(FunctionModel(model))


@agent.tool_plain
async def lookup(order_id: str) -> str:
    return "shipped"


async def main(turns: int) -> None:
    times: list[float] = []
    for _ in range(turns + 5):
        began = time.perf_counter()
        await agent.run("Where is order 1042?")
        times.append(time.perf_counter() - began)
    print(json.dumps({"times": times[5:], "version": version("pydantic-ai-slim")}))


asyncio.run(main(int(sys.argv[2])))
