"""The bare client of OpenAI: the request that the agent of `shapes` makes, sent and read. Prints JSON."""

import sys
from importlib.metadata import version

from openai import AsyncOpenAI
from pydantic import TypeAdapter

from bench.peers.calls import measured, timed
from bench.peers.flight import go
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS


async def main(times: int) -> None:
    client = AsyncOpenAI(max_retries=0)
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.__name__,
                "description": tool.__doc__,
                "parameters": TypeAdapter(tool).json_schema(),
            },
        }
        for tool in TOOLS
    ]
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": QUESTION}]
    request = {"model": MODEL, "messages": messages, "tools": tools, "max_completion_tokens": 1024}

    async def whole() -> str:
        return (await client.chat.completions.create(**request)).choices[0].message.content

    async def streamed() -> str:
        text = ""
        more = {"stream": True, "stream_options": {"include_usage": True}}
        async for chunk in await client.chat.completions.create(**request, **more):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        return text

    ways = {"whole": whole, "streamed": streamed}
    await measured({name: timed(ask) for name, ask in ways.items()}, times, version("openai"))


if __name__ == "__main__":
    go(main(int(sys.argv[2])))
