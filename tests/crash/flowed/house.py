"""A flow that does everything a flow can rest in: a question, a node that is tried again, an agent, a branch for each
item, branches at once with an approval and a nested flow. Everything done outside is done once and written down."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import AbstractContextManager
from typing import Final

from pydantic import BaseModel

from lichen import Agent, CallMeta, DidNotHappen, NotDone, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from lichen.runtime.project.flows import flow_agents
from tests.crash.world import outside_in

MAIN: Final = "crash.flow"
FORGETS: Final = "LICHEN_CRASH_FORGETS"  # with this in its environment, nobody outside knows what happened
SCHEMA: Final = "create table if not exists did (what text, key text)"

_MAIN: Final = """
id: crash.flow
type: messaging
schema_version: 2
nodes:
  ask: {session.wait: {prompt: How many?}, routing: [{to: begin}]}
  begin: {emit.response: {text: "So {{input.text}}."}, routing: [{to: reserve}]}
  reserve:
    shop.reserve: {what: "{{node.ask.text}}"}
    retry: {attempts: 3, backoff_ms: 10, on: [busy]}
    routing: [{to: helper}]
  helper: {dw.agent: {agent: crash.helper, message: "Pack {{node.ask.text}}"}, routing: [{to: items}]}
  items: {flow.each: {items: [3, 1, 2], do: pay, at_once: 2}, routing: [{to: fan}]}
  pay: {shop.pay: {what: "item {{item}}"}, routing: [{to: stamp}]}
  stamp: {shop.stamp: {what: "stamp {{item}}"}}
  fan: {flow.parallel: {branches: [allow, city, part]}, routing: [{to: tell}]}
  allow: {approval.call: {text: All of it?}}
  city: {session.wait: {prompt: Which city?}}
  part: {flow.call: {flow_id: crash.part, input: {n: 4}}}
  tell: {text: "{{node.helper.text}}; {{node.items.results[0].did}}, {{node.items.results[2].did}}; \
{{node.fan.results[0].outcome}}, {{node.fan.results[1].text}}, {{node.fan.results[2].text}}"}
"""
_PART: Final = """
id: crash.part
type: messaging
schema_version: 2
nodes:
  send: {shop.send: {what: "parcel {{entry.n}}"}, routing: [{to: sure}]}
  sure: {session.wait: {prompt: Are you sure?}, routing: [{to: done}]}
  done: {text: "{{node.send.did}} {{input.text}}"}
"""
ANSWER: Final = "packed; stamp 3, stamp 2; approved, 7, parcel 4 7"
DEEDS: Final = sorted(
    ["reserve 7", "Pack 7", "parcel 4", *(f"{what} {n}" for what in ("item", "stamp") for n in (1, 2, 3))]
)
HELD: Final = "I have to check this with a colleague first. I will come back to you here."
TOLD: Final = sorted(["How many?", "So 7.", "Which city?", "Are you sure?", HELD, ANSWER])


class Deed(BaseModel):
    did: str


def _world(meta: CallMeta) -> AbstractContextManager[sqlite3.Connection]:
    return outside_in(meta.attributes["files"])


def _do(what: str, meta: CallMeta) -> Deed:
    """Blindly: nothing keeps it from happening twice."""
    with _world(meta) as world:
        world.execute(SCHEMA)
        world.execute("insert into did values (?, ?)", (what, meta.idempotency_key))
    return Deed(did=what)


def _probe(idempotency_key: str, *, meta: CallMeta) -> Deed | DidNotHappen:
    if FORGETS in os.environ:
        return DidNotHappen()
    with _world(meta) as world:
        world.execute(SCHEMA)
        row = world.execute("select what from did where key = ?", (idempotency_key,)).fetchone()
    return DidNotHappen() if row is None else Deed(did=row[0])


@tool(name="shop.reserve", effects="once", runs="loop", probe=_probe)
async def reserve(what: str, *, meta: CallMeta) -> Deed:
    """Does it when it is asked again."""
    if meta.attempt == 1:
        raise NotDone("Not yet.", code="busy")
    return _do(f"reserve {what}", meta)


@tool(name="shop.pay", effects="once", runs="loop", probe=_probe)
async def pay(what: str, *, meta: CallMeta) -> Deed:
    """Pays."""
    return _do(what, meta)


@tool(name="shop.stamp", effects="once", runs="loop", probe=_probe)
async def stamp(what: str, *, meta: CallMeta) -> Deed:
    """Stamps."""
    return _do(what, meta)


@tool(name="shop.send", effects="once", runs="loop", probe=_probe)
async def send(what: str, *, meta: CallMeta) -> Deed:
    """Sends."""
    return _do(what, meta)


class Packer:
    """The planner of the agent: packs, then says so."""

    pure = False
    digest = "crash-packer-1"

    async def plan(self, input: PlanInput) -> Plan:
        """A payment of its own, then the answer."""
        await asyncio.sleep(0)  # so that it is noted that it was asked
        if input.reason == "start":
            return Plan(calls=(CallRequest(ToolName("shop.pay"), json.dumps({"what": input.input[0].text}).encode()),))
        return Plan(answer="packed" if input.results[0].outcome == "ok" else "not packed")


def agents() -> list[Agent]:
    """The flows, as agents, and the agent that one of them asks."""
    helper = Agent("crash.helper", planner=Packer(), tools=[pay], description="Packs.")
    return [*flow_agents(_flows(), [helper], tools=[reserve, pay, stamp, send]), helper]


def _flows() -> list[Flow]:
    return [parse(text.lstrip(), f"{name}.ygtc").flow for name, text in (("main", _MAIN), ("part", _PART))]
