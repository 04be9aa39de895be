"""Flows that are made up, walked through the real engine: tools fail and hang, people say things, time passes, the
process is killed. Whatever comes, they end or wait, nothing is done twice, and results stand in their order."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Happened, NotDone, Probe, Resources, ToolSpec
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId, ToolName
from lichen.core.words.scope import SYSTEM, Scope
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from lichen.flows.trace.replaying import replayed
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.project.flows import flow_agents
from lichen.testing.worlds import World, world
from lichen.tools.arguments.described import canonical, read
from lichen.tools.spec import pinned

NODES_MAX = 8
HAPPENINGS = 12
ROUNDS_MAX = 60  # until a run has to be over or wait for somebody
SCOPE = Scope("acme", "dev")
POLICY = '@id("all") permit (principal, action, resource);'
ANYTHING = {"type": "object"}


class Found(NamedTuple):
    """What a made up flow did that none may, and the seed that makes it up again."""

    what: str
    seed: str


class Outside:
    """The world that tools act on: what was done, by idempotency key."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.done: dict[str, bytes] = {}
        self.twice: list[str] = []

    def act(self, key: str, args: bytes) -> None:
        """Something is done. That nobody asked for twice is what is looked for."""
        if key in self.done:
            self.twice.append(key)
        self.done[key] = args


class Doing:
    """A tool that echoes what it is given, and sometimes fails before, hangs, or loses its result."""

    def __init__(self, name: str, effects: Any, outside: Outside) -> None:
        self._outside = outside
        self.spec = pinned(
            ToolSpec(
                name=ToolName(name),
                description="Echoes.",
                effects=effects,
                input_schema=ANYTHING,
                output_schema={},
                timeout_s=5.0,
                has_probe=effects == "once",
            )
        )

    def bound(self, resources: Resources) -> Doing:
        return self

    def decode(self, args: bytes) -> Arguments:
        return canonical(read(args, ANYTHING))

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        fault = self._outside.chance.choice(["", "", "", "", "slow", "not", "lost", "hangs"])
        if fault == "slow":
            await asyncio.sleep(self._outside.chance.choice([0.1, 2.0]))
        if fault == "not":
            raise NotDone("It did not.", code="gone")
        if self.spec.effects == "once":
            self._outside.act(meta.idempotency_key, args.data)
        if fault == "hangs":
            await asyncio.sleep(60)
        if fault == "lost":
            raise ConnectionError("The result is lost.")
        return args.data

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        if meta.idempotency_key in self._outside.done:
            return Happened(self._outside.done[meta.idempotency_key])
        return CannotTell()


# -- flows -------------------------------------------------------------------------------------------------------


def made_up(chance: random.Random, id: str = "shop.flow", calls: str = "") -> Flow:
    """A flow whose nodes lead on to later ones only."""
    count = chance.randint(2, NODES_MAX)
    nodes = {f"n{i}": _node(chance, i, count, calls) for i in range(count)}
    told = {"id": id, "type": "messaging", "schema_version": 2, "start": "n0", "nodes": nodes}
    return parse(json.dumps(told), f"shop/{id}.ygtc").flow


def _node(chance: random.Random, i: int, count: int, calls: str) -> dict[str, Any]:
    later = [f"n{n}" for n in range(i + 1, count)]
    kinds = ["text", "shop.look", "shop.pay", "session.wait", "approval.call", "var.set"]
    kinds += ["flow.each", "flow.parallel"] * 2 if later else []
    kind = chance.choice([*kinds, "flow.call"] if calls else kinds)
    node: dict[str, Any] = {kind: _payload(chance, kind, later, calls)}
    routes: list[dict[str, Any]] = []
    if later and chance.random() < 0.4:
        routes.append({"status": "on_error", "to": chance.choice(later)})
    if later and chance.random() < 0.7:
        routes.append({"to": chance.choice(later)})
    else:
        routes.append(chance.choice([{"out": True}, {"reply": True}]))
    if kind not in ("text", "var.set") and chance.random() < 0.3:
        node["timeout"] = chance.choice([1, 5, 60])
    if kind in ("shop.look", "flow.call") and chance.random() < 0.5:
        node["retry"] = {"attempts": 2, "backoff_ms": 1}
    return {**node, "routing": routes}


def _payload(chance: random.Random, kind: str, later: list[str], calls: str) -> Any:
    match kind:
        case "text":
            return "said {{item}}{{index}}"
        case "shop.look" | "shop.pay":
            return {"item": "{{item}}", "at": "{{index}}"}
        case "session.wait":
            return {"prompt": "Which?"}
        case "approval.call":
            return {"text": "May it?"}
        case "var.set":
            return {"n": "{{index}}"}
        case "flow.call":
            return {"flow_id": calls, "input": {"n": "{{index}}"}}
        case _:
            terms: dict[str, Any] = {"join": chance.choice(["all", "all", "any", 1])}
            terms["failures"] = chance.choice(["fail", "collect"])
            if kind == "flow.parallel":
                return {"branches": chance.sample(later, min(len(later), chance.randint(1, 3))), **terms}
            items = list(range(chance.randint(0, 3)))
            return {"items": items, "do": chance.choice(later), "at_once": chance.randint(1, 3), **terms}


# -- walking them ------------------------------------------------------------------------------------------------


async def walked(seed: str) -> str:
    """What one made up flow did that none may; empty for nothing."""
    chance = random.Random(seed)
    outside = Outside(chance)
    tools = [Doing("shop.look", "none", outside), Doing("shop.pay", "once", outside)]
    part = made_up(chance, "shop.part")
    agents = flow_agents([made_up(chance, calls="shop.part"), part], tools=tools)
    with tempfile.TemporaryDirectory(prefix="lichen-walk-") as folder:
        policies = Path(folder) / "policies"
        policies.mkdir()
        (policies / "all.cedar").write_text(POLICY)
        async with world(agents, policies=policies, home=Path(folder) / "home", scope=SCOPE) as opened:
            talk = await opened.talk("customer-1", agent="shop.flow")
            await talk.send("go")
            for _ in range(HAPPENINGS):
                await _happen(opened, talk, chance)
            wrong = await _finished(opened, talk) or _looked_at(opened)
    return wrong or ("done twice" if outside.twice else "")


async def _happen(opened: World, talk: Any, chance: random.Random) -> None:
    """Something that somebody does, if it can be done now."""
    try:
        match chance.choice(["say", "say", "decide", "decide", "time", "time", "kill"]):
            case "say":
                await talk.send(chance.choice(["7", "no"]))
            case "decide":
                await _decide(opened, chance)
            case "time":
                await opened.clock.advance(chance.choice([0.1, 1.0, 20.0, 400.0]))
            case _:
                await opened.restart()
    except LichenError:
        pass  # refused: there is nothing to say to or to decide


async def _decide(opened: World, chance: random.Random) -> None:
    for wait in opened.approvals():
        await (opened.approve(wait) if chance.random() < 0.7 else opened.deny(wait))
        return
    for wait in opened.unknown():
        await opened.reconcile(chance.choice(["happened", "did_not_happen"]), wait, result={})
        return


async def _finished(opened: World, talk: Any) -> str:
    """Answers and waits until every run is over. What is wrong if one never is."""
    chance = random.Random(0)
    for _ in range(ROUNDS_MAX):
        await opened.clock.advance(90_000)
        open_runs = [run for run in opened.runs() if not _is_over(opened, run)]
        if not open_runs:
            return ""
        for run in open_runs:
            outcome = opened.runtime.runs.outcome(SCOPE, run, SYSTEM)
            if not (outcome.moving or outcome.waits_for):
                return f"{run} neither goes on nor waits: {opened.explain(run)}"
        await _decide(opened, chance)
    return f"it goes on and on: {[opened.explain(run) for run in opened.runs()][:3]}"


def _is_over(opened: World, run: RunId) -> bool:
    return opened.runtime.runs.outcome(SCOPE, run, SYSTEM).status in ("completed", "failed", "cancelled")


def _looked_at(opened: World) -> str:
    """What the traces of the runs show that may not be."""
    planner = next(agent.planner for agent in opened.runtime.hosted if agent.name == "shop.flow")
    assert isinstance(planner, FlowPlanner)
    for run in opened.runs():
        try:
            trace = opened.runtime.runs.trace(SCOPE, run, SYSTEM, contents=True)
        except LichenError as error:
            if error.code == "trace_no_flow":  # it ended before it was planned
                continue
            return f"no trace of {run}: {error.code}"
        found = replayed(trace, planner)
        if found.first is not None:
            return f"replayed, {run} does otherwise: {found.first}"
        for step in trace.steps:
            if step.output_json is not None and step.operation in ("flow.each", "flow.parallel"):
                given, gave = (
                    msgspec.json.decode(msgspec.json.encode(each)) for each in (step.invocation_json, step.output_json)
                )
                wrong = _joined_wrong(given["payload"], gave, step.status)
                if wrong:
                    return f"{step.node_id} of {run}: {wrong}"
    calls = Counter(call.id for run in opened.runs() for call in _calls(opened, run))
    return f"a call is there twice: {calls}" if any(count > 1 for count in calls.values()) else ""


def _calls(opened: World, run: RunId) -> Iterator[Any]:
    for call in opened.runtime.runs.show(SCOPE, run, SYSTEM).story.calls:
        yield msgspec.structs.replace(call, id=f"{run}/{call.id}")


def _joined_wrong(given: Any, gave: Any, status: str) -> str:
    """What is wrong with the results of branches: how many there are, their order, or that it did not wait for all.

    A tool that is called by a flow within a branch knows nothing of its number."""
    results, branches = cast("list[Any]", gave["results"]), given.get("items", given.get("branches"))
    errors = {each["index"] for each in gave["errors"]}
    if len(results) != len(branches):
        return f"of {branches} came {results}"
    for index, result in enumerate(results):
        if isinstance(result, dict) and cast("Any", result).get("at") not in (None, "", index, str(index)):
            return f"result {index} is {result}"
        if index in errors and result is not None:
            return f"branch {index} failed and has a result"
    if branches and given["join"] == "all" and (status == "partial") is not bool(errors):
        return f"it is {status} with {errors}"
    return ""


def walks(
    chance: random.Random, *, tries: float = float("inf"), seconds: float = float("inf"), enough: int = 5
) -> list[Found]:
    """What is found in so many flows, or in so many seconds; no more than is enough."""
    with _quiet():
        return _walks(chance, tries, seconds, enough)


@contextmanager
def _quiet() -> Generator[None]:
    """That tools fail is no news here."""
    log = logging.getLogger("lichen")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _walks(chance: random.Random, tries: float, seconds: float, enough: int) -> list[Found]:
    began, found, done = time.monotonic(), list[Found](), 0
    while done < tries and time.monotonic() - began < seconds and len(found) < enough:
        seed, done = f"{chance.getrandbits(64):x}", done + 1
        try:
            wrong = asyncio.run(walked(seed))
        except Exception as error:  # noqa: BLE001 - whatever it raises is what is looked for
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            found.append(Found(wrong, seed))
    return found
