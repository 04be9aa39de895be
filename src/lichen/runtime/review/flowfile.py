"""A flow file as its project would host it: which tools, agents and flows it names that are not there, which arguments
no tool takes, and which slots its texts read that nobody fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from lichen.core.ports.call import Tool
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import ToolName
from lichen.flows.ir import Flow, Node
from lichen.flows.nodes.ask import QUESTIONS
from lichen.flows.nodes.kinds import kind_of, operation_of, payload_of
from lichen.flows.nodes.slots import questions_of
from lichen.flows.read.doctor import Diagnosis
from lichen.flows.read.hosting import Needed
from lichen.flows.read.load import parse, text_of
from lichen.flows.syntax.findings import Finding
from lichen.flows.syntax.naming import agent_names, pack_of
from lichen.flows.text.template import TemplateError, parse_template
from lichen.runtime.given.state import STATE_TOOLS
from lichen.runtime.given.telling import tell
from lichen.runtime.given.withdrawal import withdraw
from lichen.runtime.project.project import Project
from lichen.runtime.review.contracts import flow_flaws
from lichen.settings.file import FlowFile

NAMED_MAX: Final = 12


class Known(NamedTuple):
    """What a project has that a flow may name, and what it says of this one."""

    tools: Mapping[str, Tool]
    agents: frozenset[str]
    flows: frozenset[str]
    said: FlowFile
    pack: str


def unhosted(diagnosis: Diagnosis, project: Project) -> tuple[Finding, ...]:
    """What is wrong with a flow that loads in this project, beside what its diagnosis says."""
    flow = diagnosis.flow
    if flow is None or flow.kind == "component-config":
        return ()
    known = _known(Path(diagnosis.path).resolve(), flow, project)
    found = {need: _found(need, known) for need in diagnosis.needs}
    missing = [_missing(flow, need, known) for need, name in found.items() if name is None]
    tools = ((need, known.tools[name]) for need, name in found.items() if name and need.kind == "tool")
    specs = {ToolName(need.name): tool.spec for need, tool in tools}
    wrong = [_finding(flow, flaw.code, flaw.message, flaw.mend, flaw.place) for flaw in flow_flaws(flow, specs)]
    return (*missing, *wrong, *_slots(flow, diagnosis.document))


def _known(file: Path, flow: Flow, project: Project) -> Known:
    agents = [agent for agent in project.agents if agent.name not in project.flows]
    own = [tool for agent in agents for tool in agent.tools.values()]
    tools: dict[str, Tool] = {tool.spec.name: tool for tool in (*STATE_TOOLS, withdraw, tell, *own, *project.tools)}
    said = [each if isinstance(each, FlowFile) else FlowFile(each) for each in project.settings.parts.flows]
    files = {path.resolve(): each for each in said for path in project.settings.root.glob(each.file)}
    ids = {id for path in files if (id := _id(path))}
    return Known(
        tools,
        frozenset(agent.name for agent in agents),
        frozenset({*ids, *project.flows, flow.id}),
        files.get(file, FlowFile(str(file))),
        pack_of(str(file.relative_to(project.settings.root.resolve()))),
    )


def _id(path: Path) -> str:
    try:
        return parse(text_of(path), str(path)).flow.id
    except LichenError:  # its own diagnosis says why
        return ""


def _found(need: Needed, known: Known) -> str | None:
    """What is meant by the name here; None when there is nothing of that name."""
    return next((name for name in _names(need, known) if name in _all(need, known)), None)


def _names(need: Needed, known: Known) -> tuple[str, ...]:
    match need.kind:
        case "tool":
            own = known.said.tools
            mapped = tuple(own[at] for at in (*(f"@{id}" for id in need.nodes), need.name) if at in own)
            return mapped or (*need.names, need.name)
        case "agent":
            named = known.said.agents.get(need.name)
            return (named,) if named else tuple(agent_names(need.name, known.pack))
        case _:
            return (need.name,)


def _all(need: Needed, known: Known) -> Iterable[str]:
    return known.tools if need.kind == "tool" else known.agents if need.kind == "agent" else known.flows


def _missing(flow: Flow, need: Needed, known: Known) -> Finding:
    there = sorted(_all(need, known))
    close = get_close_matches(need.name, there, 1)
    step = f"Did you mean {close[0]!r}? " if close else ""
    step += f"There are: {', '.join(there[:NAMED_MAX])}{', …' if len(there) > NAMED_MAX else ''}."
    message = f"Node {need.nodes[0]!r}: This project has no {need.kind} {need.name!r}."
    mend = step if there else "Declare one in lichen.toml."
    return _finding(flow, f"{need.kind}_unknown", message, mend, need.nodes[0])


def _finding(flow: Flow, code: str, message: str, step: str, at: str) -> Finding:
    """`at` is a node, or `file:line:column`."""
    if at in flow.nodes:
        place = flow.nodes[at].place
        return Finding("BadComponentKey", code, message, flow.path, place.line, place.column, place.pointer, step)
    line, column = (int(part) for part in at.rsplit(":", 2)[1:])
    return Finding("BadComponentKey", code, message, flow.path, line, column, "", step)


# -- slots -------------------------------------------------------------------------------------------------------


def _slots(flow: Flow, document: Any) -> Iterator[Finding]:
    """Texts that read a slot which the flow does not declare and no node asks for."""
    asked = (questions_of(payload_of(node), flow.slots) for node in flow.nodes.values() if _asks(node))
    names = sorted({slot.name for slot in flow.slots} | {one.slot.name for each in asked for one in each})
    raw = cast("Mapping[str, Any]", document).get("nodes", {})
    for id in flow.nodes:
        for read in dict.fromkeys(_read(raw.get(id))):
            if read not in names:
                close = get_close_matches(read, names, 1)
                step = (f"Did you mean {close[0]!r}? " if close else "") + f"There are: {', '.join(names) or 'none'}."
                yield _finding(flow, "slot_unknown", f"Node {id!r} reads slot {read!r}, which nobody fills.", step, id)


def _asks(node: Node) -> bool:
    return kind_of(operation_of(node)) is QUESTIONS


def _read(value: Any) -> Iterator[str]:
    """The names of the slots that the texts in a value read."""
    if isinstance(value, str) and "{{" in value:
        try:
            paths = parse_template(value).outer_paths
        except TemplateError:
            return
        yield from (str(path[1]) for path in paths if path[0] == "slots" and len(path) > 1)
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            yield from _read(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _read(inner)
