"""One life of a team: is asked, answers, and tells what it came to; or dies at the named point.

`python -m tests.crash.patterned.life HOME TEAM [--point NAME] [--nth N] [--story FILE | --like FILE]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import msgspec

from lichen.agents.patterns import sagas
from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.log.log import Log
from lichen.runtime import Runtime
from tests.crash.bills import Wrong
from tests.crash.life import install
from tests.crash.patterned.teams import FORGETS, IN_ORDER, SCHEMA, TASK, TEAMS
from tests.crash.world import outside

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
DEADLINE_S = 40.0


class Story(msgspec.Struct, frozen=True):
    """What a run of a team came to: how it ended, which agents ran and how that ended, and what was done outside."""

    outcome: str
    code: str
    answer: str
    runs: list[tuple[str, str, str]]
    did: list[str]


async def play(runtime: Runtime) -> RunId:
    """Asks the team, under a key, so that a later life goes on where the last one died; a person finds it good."""
    run = await runtime.runs.start(SCOPE, "team.work", TASK, Customer("customer-7"), key="work")
    while not runtime.engine.journal(SCOPE).run(run).outcome:
        for wait in runtime.waits.list(SCOPE, SYSTEM):
            if wait.kind != "approval":
                raise Wrong(f"{wait.kind}: a probe tells, so nobody has to be asked")
            await runtime.waits.approve(SCOPE, wait.id, OPS)
        await asyncio.sleep(0.002)
    await runtime.log(SCOPE).durable_stream(run_stream(run))
    await runtime.idle()
    return run


async def told(runtime: Runtime, home: Path, run: RunId) -> Story:
    """What it came to. Raises Wrong for what no team may leave behind."""
    log = runtime.log(SCOPE)
    runs = {RunId(row.id): _controls(log, RunId(row.id)) for row in log.stream_rows("run", limit=1000)}
    ended = {id: [each for each in controls if isinstance(each, e.RunFinished)] for id, controls in runs.items()}
    if any(len(ends) != 1 for ends in ended.values()):
        raise Wrong(f"a run has one end: {ended}")
    for id, controls in runs.items():
        _calls_ended_once(id, controls)
    with outside(home) as world:
        world.execute(SCHEMA)
        rows = world.execute("select what, key from did order by rowid").fetchall()
    if len({key for _, key in rows}) != len(rows):
        raise Wrong(f"something was done twice: {rows}")
    (end,) = ended[run]
    answer = await runtime.runs.result(SCOPE, run, SYSTEM) if end.outcome == "completed" else ""
    every = sorted((_agent(controls), ended[id][0].outcome, ended[id][0].code) for id, controls in runs.items())
    return Story(end.outcome, end.code, answer, every, [what for what, _ in rows])


def _controls(log: Log, run: RunId) -> list[e.Control]:
    return [event.control for event in log.events(run_stream(run))]


def _agent(controls: list[e.Control]) -> str:
    (started,) = [each.agent for each in controls if isinstance(each, e.RunStarted)]
    return str(started)


def _calls_ended_once(run: RunId, controls: list[e.Control]) -> None:
    """Every call that was planned ended once, and a call of an agent started one run."""
    planned = Counter(call.id for each in controls if isinstance(each, e.Planned) for call in each.calls)
    ended = Counter(each.call for each in controls if isinstance(each, e.CallFinished) and each.outcome != "unknown")
    started = Counter(each.child for each in controls if isinstance(each, e.CallStarted) and each.child)
    if planned != ended or set(started.values()) - {1}:
        raise Wrong(f"{run}: planned {planned}, ended {ended}, started {started}")


def judge(team: str, story: Story, like: Story) -> None:
    """Raises Wrong for a story that is not that of a team nobody disturbed."""
    if team in IN_ORDER and story.did != IN_ORDER[team]:
        raise Wrong(f"done in this order: {story.did}")
    if msgspec.structs.replace(story, did=sorted(story.did)) != msgspec.structs.replace(like, did=sorted(like.did)):
        raise Wrong(f"{story} is not {like}")


async def live(args: argparse.Namespace) -> Counter[str]:
    """One life from opening the data to closing it."""
    home, seen = args.home, Counter[str]()
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "open.cedar").write_text("permit (principal, action, resource);")
    install(args.point, args.nth, seen)
    async with Runtime.open(home, agents=[TEAMS[args.team]()], policies=policies) as runtime:
        async with asyncio.timeout(DEADLINE_S):
            run = await play(runtime)
        story = await told(runtime, home, run)
        if args.story:
            args.story.write_bytes(msgspec.json.encode(story))
        else:
            judge(args.team, story, msgspec.json.decode(args.like.read_bytes(), type=Story))
        report = await runtime.proofs.verify(SCOPE, SYSTEM)
        if not report.ok:
            raise Wrong(f"the log does not verify: {report}")
    return seen


def _forget() -> None:
    os.environ[FORGETS] = "yes"


def _undo_forwards() -> None:
    sagas.reversed = lambda steps: steps  # type: ignore[attr-defined]


SABOTAGES = {"forget": _forget, "undo_forwards": _undo_forwards}
"""Ways to break a promise, so that the judge can be seen to notice."""


def warm() -> None:
    """Makes every team once."""
    for make in TEAMS.values():
        make()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("team", choices=TEAMS)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=0, help="lives before this one")
    parser.add_argument("--lost", type=int, default=0, help="attempts that asked models: there are none here")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break a promise")
    parser.add_argument("--story", type=Path, help="write what it came to")
    parser.add_argument("--like", type=Path, help="what it came to in a life that did not die")
    parser.add_argument("--seen", type=Path, help="write how often each point was passed, as JSON")
    args = parser.parse_args()
    if args.sabotage:
        SABOTAGES[args.sabotage]()
    seen = asyncio.run(live(args))
    if args.seen:
        args.seen.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
