"""What a run made for the eyes of people, as the answer of the run refers to it: the bytes stay where they are."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import Artifact, ArtifactSpec
from lichen.core.words.content import Content
from lichen.core.words.ids import CallId, ToolName
from lichen.engine.act import Act
from lichen.engine.ports import AgentDef

PART: Final = "artifacts"
SHOWN_MAX: Final = 16  # beside one answer, the latest ones


class Reference(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An artifact by where it lies: number `i` of record `n` of the run."""

    n: int
    i: int
    kind: str


def references(act: Act) -> tuple[Content, ...]:
    """What the answer of a run refers to: artifacts for the timeline, of tools of ours. What a stranger's tool gave is
    for who reads the run. Looks only where the agent has tools that give some; nothing for a run that did not answer.
    """
    agent, state = act.agent, act.state
    tools = _telling(agent) if agent is not None else frozenset[ToolName]()
    if not tools or state.cancel or state.failure:
        return ()
    found: list[Reference] = []
    calls: dict[CallId, ToolName] = {}
    for event in act.journal.events(act.stream):
        match event.control:
            case e.Planned(calls=planned, error=""):
                calls |= {call.id: call.tool for call in planned}
            case e.CallFinished(call=call, outcome="ok") if calls.get(call) in tools:
                found += _made(act.contents(event.n).get(PART, b""), event.n)
            case _:
                pass
    return (Content(PART, state.subject, msgspec.json.encode(found[-SHOWN_MAX:])),) if found else ()


def _telling(agent: AgentDef) -> frozenset[ToolName]:
    specs = [tool.spec for tool in agent.tools.values() if tool.spec.origin == "records"]
    return frozenset(spec.name for spec in specs if any(_is_shown(kind) for kind in spec.artifacts.values()))


def _made(data: bytes, n: int) -> list[Reference]:
    if not data:
        return []
    given = msgspec.json.decode(data, type=list[Artifact])
    return [Reference(n, i, each.kind) for i, each in enumerate(given) if _is_shown(each)]


def _is_shown(each: Artifact | ArtifactSpec) -> bool:
    return each.audience == "timeline"
