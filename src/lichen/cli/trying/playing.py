"""`lichen flow run`, `trace` and `replay`: a flow played at the terminal, and what its nodes were given and gave."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.seeking import whose
from lichen.cli.here.trust import check_trust, nearest
from lichen.cli.show.screen import Screen, note
from lichen.core.words.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lichen.evals.document import Stub, Turn
    from lichen.evals.plays.playing import Play, Staged
    from lichen.evals.trial import Happened
    from lichen.flows.trace.document import Trace
    from lichen.flows.trace.replaying import Replayed
    from lichen.flows.walk.planner import FlowPlanner
    from lichen.runtime.project.project import Project

HELLO: Final = "Hello"  # what is said first where nothing else is
EXITS: Final = {"completed": 0, "failed": 1, "cancelled": 1, "refused": 1}
WAITS: Final = 3  # the exit code where it waits for something that nobody says

Path_ = Annotated[Path, typer.Argument(help="A flow file.", metavar="FLOW")]
Alone = Annotated[bool, typer.Option("--alone", help="Play it by itself, also where there is a project.")]
Contents = Annotated[bool, typer.Option("--contents", help="What was given and said, not only hashes of it.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]


def play(
    path: Path_,
    input: Annotated[str, typer.Option("--input", help="What is said first.", metavar="TEXT")] = "",
    input_json: Annotated[
        str, typer.Option("--input-json", help="What a form sends first, or what a flow nobody talks to begins with.")
    ] = "",
    answers: Annotated[
        Path | None, typer.Option(help="What is said afterwards: a JSON list of texts and turns.", metavar="FILE")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--with", help="What tools and agents give, by name, as JSON.", metavar="FILE")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="What fails on purpose: JSON, as greentic-runner has it.", metavar="FILE")
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a trace of it here.", metavar="FILE")] = None,
    contents: Contents = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the flow with its way here, as SVG.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the ids and of chance.", min=0, max=2**32)] = 1,
    alone: Alone = False,
    as_json: Json = False,
) -> None:
    """Plays a flow here and now: what is said, what its tools give, and the way it takes.

    Inside a project that hosts it, with the tools, policies and agents there, in an environment for development. By
    itself without one: in a terminal you are asked what tools give that `--with` is silent about. Nothing of it stays.

    The exit code is 0 when it came to an end, 1 when it failed, 3 when it waits for something that nobody says.
    """
    from lichen.evals.plays.playing import played, read_answers, read_faults, read_stubs, with_failures

    screen = Screen(as_json=as_json)
    is_asked = sys.stdin.isatty() and screen.is_terminal
    stubs = () if given is None else read_stubs(given)
    failing, fault_seed = ((), 0) if faults is None else read_faults(faults)
    whole = _staged(path, stubs, alone=alone, asks=_ask if is_asked else None)
    staged, injector = with_failures(whole, failing, seed=fault_seed)
    turns = iter(() if answers is None else read_answers(answers))
    started = _json(input_json) if input_json else None

    async def go() -> int:
        async with played(staged, seed=seed) as playing:
            table = _Table(playing, screen, is_asked=is_asked)
            await table.play(input or ("" if input_json else HELLO), started, turns)
            if trace is not None:
                trace.write_bytes(playing.trace(contents=contents).encoded())
            for number in injector.missing():
                note(f"It never came to fault {number + 1}, at {failing[number].point}.")
            return table.tell(picture)

    raise typer.Exit(asyncio.run(go()))


def _staged(path: Path, stubs: Sequence[Stub], *, alone: bool, asks: Any) -> Staged:
    """The flow in the project around it, or by itself where no project hosts it."""
    from lichen.evals.plays.playing import staged_alone, staged_in

    project = None if alone else _project(path)
    if project is not None:
        found = staged_in(project, path, stubs=stubs)
        if found is not None:
            return found
        note(f"The project in {project.settings.root} does not host {path}, so it is played by itself.")
    return staged_alone(path, stubs=stubs, asks=asks)


def _project(path: Path) -> Project | None:
    """The project around a file, if there is one. Raises what loading it raises."""
    from lichen.runtime.project.loading import load
    from lichen.settings import FILE

    file = nearest(path.resolve().parent, FILE) if path.is_file() else None
    if file is None:
        return None
    check_trust(file, os.environ)
    return load(file, environ=os.environ)


class _Table:
    """The conversation on the screen."""

    def __init__(self, playing: Play, screen: Screen, *, is_asked: bool) -> None:
        self._play, self._screen, self._is_asked = playing, screen, is_asked
        self._turns: list[Happened] = []

    async def play(self, text: str, input: Any, turns: Iterator[Turn]) -> None:
        """The whole conversation: what is said first, then what a file or somebody at the terminal says."""
        self._say(await self._play.begin(text, input))
        while (turn := next(turns, None) or self._asked()) is not None:
            self._say(await self._play.go_on(turn))

    def _say(self, happened: Happened) -> None:
        self._turns.append(happened)
        self._screen.line(f"> {happened.said}", "dim")
        for call in happened.calls:
            self._screen.line(f"  {call.tool} {_plain(call.arguments)}: {call.outcome or call.verdict}", "dim")
        for text in happened.texts:
            self._screen.line(text)
        if happened.error:
            self._screen.line(f"refused: {happened.error}", "bold red")

    def _asked(self) -> Turn | None:
        """What somebody at the terminal answers, if something waits for it."""
        from lichen.evals.document import Turn

        standing = self._play.standing()
        if not self._is_asked or standing.status != "waiting":
            return None
        try:
            if waiting := self._play.approvals():
                return self._decided(waiting[0].may_answer)
            return Turn(says=input("you › ")) if "clarification" in standing.waits else None
        except EOFError:
            return None

    def _decided(self, roles: Sequence[str]) -> Turn:
        from lichen.evals.document import Turn

        operator = self._play.world.operator.subject.id
        is_agreed = input(f"{' or '.join(roles)} approves? [y/n] › ").strip().casefold() in ("y", "yes")
        return Turn(approves=operator) if is_agreed else Turn(denies=operator)

    def tell(self, picture: Path | None) -> int:
        """How it ended and which way it went. The exit code."""
        standing, way = self._play.standing(), self._play.way()
        code = EXITS.get(standing.status, WAITS)
        own = self._play.staged.planner.flow
        if picture is not None:
            from lichen.flows.draw.svg import svg

            visited = [each.node for each in way if each.flow == own.id]
            current = visited[-1] if visited and code == WAITS else None
            picture.write_text(svg(own, visited, current), encoding="utf-8")
        steps = [f"{each.node if each.flow == own.id else f'{each.flow}/{each.node}'} {each.outcome}" for each in way]
        found = {"flow": own.id, "turns": self._turns, "way": way, **msgspec.to_builtins(standing)}
        if not self._screen.data(msgspec.to_builtins(found)):
            waits = f", waits for {' and '.join(standing.waits)}" if standing.waits else ""
            self._screen.line(f"way: {' → '.join(steps)}", "dim")
            self._screen.line(f"{standing.status}{f' ({standing.code})' if standing.code else ''}{waits}")
        return code


def _ask(name: str, args: Any) -> Stub:
    """What somebody at the terminal says a tool gives."""
    from lichen.evals.document import Stub

    while True:
        text = input(f"{name} {_plain(args)} gives (JSON, or !code for a failure) › ").strip()
        if text.startswith("!") and len(text) > 1:
            return Stub(name, error=text[1:])
        try:
            return Stub(name, result=msgspec.json.decode(text.encode() or b"null"))
        except (msgspec.DecodeError, RecursionError):
            note("That is no JSON.")


def _plain(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError):
        step = """Write --input-json '{"order_id": "1042"}'."""
        raise Invalid("The input is no JSON.", code="input_invalid", next_step=step) from None


# -- traces ------------------------------------------------------------------------------------------------------


@calling
def trace(
    caller: Caller,
    of: Annotated[str, typer.Argument(help="The id of a run of a flow, or of a session.", metavar="RUN|SESSION")],
    contents: Contents = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.", metavar="FILE")] = None,
) -> None:
    """Writes the trace of a run, or of the runs of a session: each node with hashes of what it was given and gave.

    Only for whoever may read what was said (`run.contents`). `lichen flow replay` walks one with --contents again.
    """
    data = _trace(caller, of, contents=contents).encoded()
    if output is None:
        typer.echo(data.decode(), nl=False)
        return
    output.write_bytes(data)
    note(f"The trace of {of} is in {output}.")


def _trace(caller: Caller, of: str, *, contents: bool) -> Trace:
    from lichen.evals.plays.playing import joined
    from lichen.flows.trace.document import Trace

    client = whose(caller, f"{'sessions' if of.startswith('ses') else 'runs'}/{segment(of)}")
    runs = [of]
    if of.startswith("ses"):
        runs = [run["id"] for run in reversed(client.get("runs", session=of, limit=1000)) if run["parent"] is None]
    if not runs:
        raise NotFound("No run of the session began.", code="trace_no_run", next_step="Name another one.")
    found = [client.get(f"runs/{segment(run)}/trace", contents="true" if contents else "false") for run in runs]
    return joined([msgspec.convert(each, Trace) for each in found])


def replay(
    path: Annotated[Path, typer.Argument(help="A trace with contents.", metavar="TRACE")],
    flow: Annotated[Path | None, typer.Option(help="The flow; else the one of that id here.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Walks a traced run again with what tools gave and people said then, and names the first node that does otherwise.

    Nothing is called. The flow may have changed since: its nodes that are written otherwise are told one by one. The
    exit code is 1 when a node does otherwise.
    """
    from lichen.flows.trace.document import read_trace
    from lichen.flows.trace.replaying import replayed

    trace = read_trace(path)
    file = flow or _flow_of(trace, path)
    found = replayed(trace, _planner(file))
    screen = Screen(as_json=as_json)
    if not screen.data({**msgspec.to_builtins(found), "is_same": found.is_same}):
        _told(screen, found)
    if not found.is_same:
        raise typer.Exit(1)


def _planner(path: Path) -> FlowPlanner:
    """What walks the flow of a file: as its project hosts it, else by itself. Nothing of it is called."""
    from lichen.evals.plays.playing import agent_of, staged_alone
    from lichen.flows.walk.planner import FlowPlanner

    project = _project(path)
    agent = None if project is None else agent_of(project, path)
    if agent is not None and isinstance(agent.planner, FlowPlanner):
        return agent.planner
    return staged_alone(path).planner


def _flow_of(trace: Trace, path: Path) -> Path:
    """The file of a trace's flow: one with its id here, beside the trace, or in `flows` of either."""
    from lichen.flows.read.load import load

    folders = (Path(), path.parent, Path("flows"), path.parent / "flows")
    for file in dict.fromkeys(file.resolve() for folder in folders for file in sorted(folder.glob("*.ygtc"))):
        try:
            if load(file).id == trace.flow.id:
                return file
        except Invalid:
            continue
    step = "Name its file: --flow FILE."
    raise NotFound(f"There is no flow {trace.flow.id!r} here.", code="flow_missing", next_step=step)


def _told(screen: Screen, found: Replayed) -> None:
    for change in found.changes:
        visited = "" if change.is_visited else ", not visited"
        screen.line(f"{change.node} of {change.flow} is {change.what}{visited}", "yellow")
    first = found.first
    if first is None:
        screen.line(f"{found.steps} steps as they were.", "green")
        return
    screen.line(f"step {first.step + 1}, {first.node}: another {first.what}", "bold red")
    screen.line(f"  then {_short(first.before)}, now {_short(first.now)}", "dim")
    others = [node for node in found.differs if node != first.node]
    if others:
        screen.line(f"  and then {', '.join(others)}", "dim")


def _short(value: str | None) -> str:
    return "nothing" if value is None else value[:16]
