"""One life of the process in which both agents run: plays the conversation to its end, or dies at the named point.

`python -m tests.crash.streamed.life HOME URL [--point NAME] [--nth N]`; a life that is told of `--deaths` judges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from lichen.core.words.ids import run_stream
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime import Runtime, Session
from tests.crash.life import install
from tests.crash.sabotage import SABOTAGES
from tests.crash.streamed.judge import judge
from tests.crash.streamed.provider import chunks, events
from tests.crash.streamed.script import ANSWER, WISH, Called, Said
from tests.crash.streamed.world import SCOPE, project
from tests.crash.world import Post

DEADLINE_S = 60.0
WARM = Said("look", "words", (Called("tool", {"order": "7"}),))


def warm() -> None:
    """Has the client's library make what it makes of a type when it first sees one, so that lives need not."""
    import httpx
    import openai

    from lichen.agents.providers import wire

    def answer(request: httpx.Request) -> httpx.Response:
        lines = events(WARM, 1) if request.url.path.endswith("/responses") else chunks(WARM, 1)
        return httpx.Response(200, text="".join(lines), headers={"content-type": "text/event-stream"})

    assert wire
    http: Any = httpx.Client(transport=httpx.MockTransport(answer))
    with openai.OpenAI(api_key="-", http_client=http) as client:
        assert list(client.responses.create(model="-", input="-", stream=True))
        assert list(client.chat.completions.create(model="-", messages=[], stream=True))


async def play(runtime: Runtime) -> Session:
    """The conversation, each step under a key, so that a later life goes on where the last one died."""
    session = await runtime.sessions.open(
        SCOPE, Customer("customer-7"), agent="shop.clerk", channel="post", delivery="push", key="paid-back"
    )
    turn = await session.say(WISH, key="wish")
    run = await turn.run()
    watch = runtime.engine.journal(SCOPE).watch(run_stream(run))
    while not runtime.engine.journal(SCOPE).run(run).outcome:
        await watch.next()
    answer = await runtime.runs.result(SCOPE, run, SYSTEM)
    assert answer == ANSWER, answer
    await runtime.log(SCOPE).durable_stream(run_stream(run))
    return session


async def live(args: argparse.Namespace) -> Counter[str]:
    """One life from opening the data to closing it."""
    seen: Counter[str] = Counter()
    install(args.point, args.nth, seen)
    runtime = Runtime.of(project(args.home), channels={"post": Post(args.home)})
    async with runtime, asyncio.timeout(DEADLINE_S):
        session = await play(runtime)
        await runtime.idle()
        await judge(runtime, args.home, session.id, url=args.url, deaths=args.deaths, lost=args.lost)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("url", help="of the provider, under which only this conversation asks")
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=0, help="lives before this one")
    parser.add_argument("--lost", type=int, default=0, help="attempts that these took with them")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break a promise")
    parser.add_argument("--seen", type=Path, help="write how often each point was passed, as JSON")
    args = parser.parse_args()
    if args.sabotage:
        SABOTAGES[args.sabotage]()
    os.environ.update(OPENAI_API_KEY="sk-only-for-tests", OPENAI_BASE_URL=f"{args.url}/v1")
    seen = asyncio.run(live(args))
    if args.seen:
        args.seen.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
