"""One life of the process: plays the whole scenario, or dies at the named point. `python -m tests.crash.life --help`.

Every step carries an idempotency key, so a later life repeats it safely and goes on where the last one died.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from lichen.core.deciders.run import RunState
from lichen.core.ports.secrets import Secret
from lichen.core.words import faults
from lichen.core.words.errors import Conflict, Denied
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.runtime import Runtime, Session
from tests.crash.judge import judge, unknown_outcomes
from tests.crash.world import POLICY, SHOP_KEY, Post, agents, count

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
CUSTOMER = Customer("customer-7")
MESSAGES = ("hello", "look", "pay 10", "pay 80", "note", "flaky", "child", "ask", "person", "nap", "forever", "hang")
DEADLINE_S = 30.0


def install(point: str, nth: int, seen: Counter[str]) -> None:
    """Dies at the nth passing of the point; counts every passing."""

    def on_hit(name: str) -> None:
        seen[name] += 1
        if name == point and seen[name] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    faults.install(on_hit)


async def play(runtime: Runtime, home: Path) -> dict[str, str]:
    """The scenario. Returns each message's final answer."""
    await runtime.stops.set(SCOPE, "tool", "shop.nothing", OPS, anyway=True)
    await runtime.stops.clear(SCOPE, "tool", "shop.nothing", OPS)
    with suppress(Conflict):  # an earlier life had set it
        await runtime.secrets.set(SCOPE, "shop.key", Secret(SHOP_KEY), OPS)
    answers: dict[str, str] = {}
    for message in MESSAGES:
        session = await _session(runtime, message)
        answers[message] = await _converse(runtime, session, message, home)
    await _govern(runtime)
    closed = await _session(runtime, "closed")
    await closed.close()
    await runtime.people.erase(SCOPE, Customer("nobody"), OPS, force=True)
    return answers


async def _govern(runtime: Runtime) -> None:
    """What an operator does besides: reads a run, vouches for what was read; and what nobody but an operator may."""
    session = runtime.sessions.get(SCOPE, (await _session(runtime, "look")).id, OPS)
    await session.declassify(["third_party:shop.look"], reason="It is our own page.")
    runtime.runs.show(SCOPE, runtime.runs.list(SCOPE, OPS)[0].id, OPS)
    with suppress(Denied):
        await runtime.stops.set(SCOPE, "tool", "shop.pay", CUSTOMER)
    await runtime.log(SCOPE).durable()


async def _session(runtime: Runtime, name: str) -> Session:
    return await runtime.sessions.open(SCOPE, CUSTOMER, agent="crash.main", channel="post", delivery="push", key=name)


async def _converse(runtime: Runtime, session: Session, message: str, home: Path) -> str:
    turn = await session.say(message, key=f"say-{message}")
    run = await turn.run()
    if message == "ask":
        await _until(runtime, session, run)
        await session.say("that one", key="answer-ask")
    if message == "person":
        await _until(runtime, session, run)
        await _attend(runtime, session, f"{run}.w1")
    while not (state := _state(runtime, run)).outcome:
        if message == "hang" and state.calls:
            await runtime.runs.cancel(SCOPE, run, OPS)
        for wait in runtime.waits.list(SCOPE, SYSTEM):
            if wait.kind == "approval":
                await runtime.waits.approve(SCOPE, wait.id, OPS)
            else:
                await _reconcile(runtime, wait.id, str(wait.operator["idempotency_key"]), home)
        await asyncio.sleep(0.002)
    await runtime.log(SCOPE).durable_stream(run_stream(run))
    return await runtime.runs.result(SCOPE, run, SYSTEM)


async def _attend(runtime: Runtime, session: Session, handover: str) -> None:
    """A person who has the conversation: writes, is answered, and gives it back."""
    await runtime.handovers.reply(SCOPE, handover, "Ada here.", OPS, key="reply-person")
    await session.say("thanks", key="thanks-person")
    await runtime.handovers.give_back(SCOPE, handover, OPS, text="Bye.", key="back-person")


async def _until(runtime: Runtime, session: Session, run: RunId) -> None:
    """Until the customer is asked, or was already."""
    journal = runtime.engine.journal(SCOPE)
    while not _state(runtime, run).waits_made:
        await journal.watch(run_stream(run)).next()


async def _reconcile(runtime: Runtime, wait: str, key: str, home: Path) -> None:
    """A person looks into the other system and says what is true."""
    happened = count(home, "shop.pay", key) > 0
    outcome = "happened" if happened else "try_again"
    await runtime.waits.answer(SCOPE, wait, outcome, OPS, body={"result": {"ok": True}})


def _state(runtime: Runtime, run: RunId) -> RunState:
    return runtime.engine.journal(SCOPE).run(run)


async def live(home: Path, *, has_probe: bool, point: str, nth: int) -> None:
    """One life from opening the data to closing it."""
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "crash.cedar").write_text(POLICY)
    install(point, nth, Counter())
    runtime = Runtime.open(home, agents=agents(has_probe=has_probe), policies=policies, channels={"post": Post(home)})
    async with runtime, asyncio.timeout(DEADLINE_S):
        answers = await play(runtime, home)
        await runtime.idle()
        await judge(runtime, home, answers, has_probe=has_probe)
        for attempt in unknown_outcomes(runtime.log(SCOPE)):
            print(f"unknown {attempt}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    args = parser.parse_args()
    asyncio.run(live(args.home, has_probe=args.probe, point=args.point, nth=args.nth))


if __name__ == "__main__":
    main()
