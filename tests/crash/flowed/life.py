"""One life of a flow: is begun, asks, is answered and allowed, and ends as it has to; or dies at the named point.

`python -m tests.crash.flowed.life HOME [--point NAME] [--nth N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.engine.ports import Delivery, Outbound
from lichen.log.log import Log
from lichen.runtime import Runtime, Session
from tests.crash.bills import Wrong
from tests.crash.flowed.house import ANSWER, DEEDS, FORGETS, MAIN, SCHEMA, TOLD, agents
from tests.crash.life import install
from tests.crash.world import Post, outside

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
DEADLINE_S = 40.0


async def play(runtime: Runtime) -> str:
    """The conversation, each step under a key, so that a later life goes on where the last one died. The answer."""
    session = await runtime.sessions.open(
        SCOPE, Customer("customer-7"), agent=MAIN, channel="post", delivery="push", key="flow"
    )
    turn = await session.say("Begin.", key="say-begin")
    run = await turn.run()
    while not (state := runtime.engine.journal(SCOPE).run(run)).outcome:
        for wait in list(state.waits.values()):
            await _answer(runtime, session, run, wait.id, wait.kind)
        await asyncio.sleep(0.002)
    await runtime.log(SCOPE).durable_stream(run_stream(run))
    return await runtime.runs.result(SCOPE, run, SYSTEM)


async def _answer(runtime: Runtime, session: Session, run: RunId, wait: str, kind: str) -> None:
    match kind:
        case "approval":
            for found in runtime.waits.list(SCOPE, SYSTEM, kinds=("approval",)):
                await runtime.waits.approve(SCOPE, found.id, OPS)
        case "clarification":
            await session.say("7", key=f"answer-{wait}")
        case "timer":
            pass
        case _:
            raise Wrong(f"{run} waits for {kind}: a probe tells, so nobody has to be asked")


async def judge(runtime: Runtime, home: Path, answer: str) -> None:
    """Raises Wrong naming what is not as it must be."""
    log = runtime.log(SCOPE)
    runs = {RunId(row.id): _controls(log, RunId(row.id)) for row in log.stream_rows("run", limit=1000)}
    agents_of = sorted(str(each.agent) for found in runs.values() for each in found if isinstance(each, e.RunStarted))
    if answer != ANSWER or agents_of != ["crash.flow", "crash.helper"]:
        raise Wrong(f"answered {answer!r} by {agents_of}")
    for id, controls in runs.items():
        _ended_once(id, controls)
    with outside(home) as world:
        world.execute(SCHEMA)
        rows = world.execute("select what, key from did").fetchall()
        sent = sorted(text for (text,) in world.execute("select text from sent").fetchall())
    if sorted(what for what, _ in rows) != DEEDS or len({key for _, key in rows}) != len(rows):
        raise Wrong(f"something was done twice, or never: {rows}")
    if sent != TOLD:
        raise Wrong(f"told {sent}")
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _controls(log: Log, run: RunId) -> list[e.Control]:
    return [event.control for event in log.events(run_stream(run))]


def _ended_once(run: RunId, controls: list[e.Control]) -> None:
    """Every call and wait that was planned ended once, and so did the run."""
    planned = Counter(call.id for each in controls if isinstance(each, e.Planned) for call in each.calls)
    ended = Counter(each.call for each in controls if isinstance(each, e.CallFinished) and each.outcome != "unknown")
    opened = Counter(each.wait for each in controls if isinstance(each, e.WaitOpened))
    closed = Counter(each.wait for each in controls if isinstance(each, e.WaitClosed))
    ends = sum(isinstance(each, e.RunFinished) for each in controls)
    if planned != ended or opened != closed or ends != 1:
        raise Wrong(f"{run}: planned {planned}, ended {ended}, opened {opened}, closed {closed}, {ends} ends")


async def live(args: argparse.Namespace) -> Counter[str]:
    """One life from opening the data to closing it."""
    home, seen = args.home, Counter[str]()
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "open.cedar").write_text("permit (principal, action, resource);")
    install(args.point, args.nth, seen)
    runtime = Runtime.open(home, agents=agents(), policies=policies, channels={"post": Post(home)})
    async with runtime, asyncio.timeout(DEADLINE_S):
        answer = await play(runtime)
        await runtime.idle()
        await judge(runtime, home, answer)
    return seen


def _forget() -> None:
    os.environ[FORGETS] = "yes"


def _skip_a_reply() -> None:
    """Of what is sent, one thing does not arrive."""
    send = Post.send

    async def lossy(self: Post, scope: Scope, message: Outbound) -> Delivery:
        return Delivery("delivered") if message.saying.text == "So 7." else await send(self, scope, message)

    Post.send = lossy  # type: ignore[method-assign]


SABOTAGES = {"forget": _forget, "skip_a_reply": _skip_a_reply}
"""Ways to break a promise, so that the judge can be seen to notice."""


def warm() -> None:
    """Makes the agents once."""
    agents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=0, help="lives before this one")
    parser.add_argument("--lost", type=int, default=0, help="attempts that asked models: there are none here")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break a promise")
    parser.add_argument("--seen", type=Path, help="write how often each point was passed, as JSON")
    args = parser.parse_args()
    if args.sabotage:
        SABOTAGES[args.sabotage]()
    seen = asyncio.run(live(args))
    if args.seen:
        args.seen.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
