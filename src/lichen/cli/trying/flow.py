"""`lichen flow`: whether flows load, how they look, and how they are changed. Works on the files alone."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from lichen.cli.here.trust import check_trust, nearest
from lichen.cli.show.screen import Screen, note
from lichen.cli.trying import playing, steps
from lichen.core.words.errors import LichenError, NotFound

if TYPE_CHECKING:
    from lichen.flows.read.catalog import Catalog
    from lichen.flows.read.doctor import Diagnosis
    from lichen.flows.read.hosting import Needed
    from lichen.flows.syntax.findings import Finding
    from lichen.runtime.project.project import Project

app = typer.Typer(name="flow", help="Flows of nodes: .ygtc files.", no_args_is_help=True)


app.command("new")(steps.new)
app.command("add-step")(steps.add_step)
app.command("update-step")(steps.update_step)
app.command("delete-step")(steps.delete_step)
app.command("bind-component")(steps.bind_component)
app.command("run")(playing.play)
app.command("trace")(playing.trace)
app.command("replay")(playing.replay)


class Format(StrEnum):
    """How a flow is drawn."""

    svg = "svg"
    mermaid = "mermaid"


@app.callback()
def group() -> None:
    """Flows of nodes: .ygtc files."""


@app.command()
def doctor(
    paths: Annotated[list[Path] | None, typer.Argument(help="Flow files, or directories that hold some.")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read one flow from stdin instead.")] = False,
    registry: Annotated[Path | None, typer.Option("--registry", help="A JSON catalogue of adapters.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Says whether flows load, what they need, and what is wrong with them; exit code 2 when one must be mended.

    Inside a project also which tools, agents, flows, arguments and slots a flow names that are not there.
    With --json one file is one object, and several are a list of them.
    """
    from lichen.flows.read.catalog import read_catalog
    from lichen.flows.read.doctor import as_json as told

    if stdin is bool(paths):
        raise typer.BadParameter("Name flow files, or read one with --stdin.")
    found = _diagnoses(paths or [], None if registry is None else read_catalog(registry))
    is_one = len(found) == 1 and (stdin or paths == [Path(found[0].path)])
    screen = Screen(as_json=as_json)
    if as_json:
        screen.data(told(found[0]) if is_one else [told(each) for each in found])
    else:
        for diagnosis in found:
            _show(diagnosis, screen)
    if not all(diagnosis.is_ok for diagnosis in found):
        raise typer.Exit(2)


@app.command()
def graph(
    path: Annotated[Path, typer.Argument(help="A flow file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    form: Annotated[Format, typer.Option("--format", help="SVG, or the text of a Mermaid flowchart.")] = Format.svg,
) -> None:
    """Draws a flow, to stdout or into a file."""
    from lichen.flows.draw.mermaid import mermaid
    from lichen.flows.draw.svg import svg
    from lichen.flows.read.load import load

    flow = load(path)
    drawn = svg(flow) if form is Format.svg else mermaid(flow)
    if output is None:
        typer.echo(drawn, nl=False)
        return
    output.write_text(drawn, encoding="utf-8")
    note(f"{flow.id} is drawn in {output}.")


@app.command("test")
def hold(
    paths: Annotated[list[Path] | None, typer.Argument(help="Flows, files of tests, or directories.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write what came of it here, as JUnit's XML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Plays the conversations of NAME.test.toml against the flow NAME.ygtc, and says what differs; exit code 1 then.

    No project and no server are needed: tools and agents are what the stubs of a case say.
    """
    import asyncio

    from lichen.cli.trying.results import tell
    from lichen.evals import flow_tests, flows_tried
    from lichen.evals import junit as as_junit

    report = asyncio.run(flows_tried(flow_tests(paths or [Path()])))
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_bytes(as_junit(report))
    tell(Screen(as_json=as_json), report, ())
    if not report.is_met:
        raise typer.Exit(1)


def _diagnoses(paths: list[Path], catalog: Catalog | None) -> list[Diagnosis]:
    """Of the flows at these paths, or without any of the one on stdin."""
    from lichen.flows.read.doctor import diagnose, diagnose_bytes
    from lichen.flows.syntax.document import BYTES_MAX

    if not paths:
        return [diagnose_bytes(sys.stdin.buffer.read(BYTES_MAX + 1), "<stdin>", catalog)]
    houses: dict[Path, Project | None] = {}
    return [_housed(diagnose(file, catalog, pack=_pack(file)), houses) for file in _files(paths)]


def _housed(diagnosis: Diagnosis, houses: dict[Path, Project | None]) -> Diagnosis:
    """The diagnosis with what the project around the file would refuse to host; the same where there is none."""
    from lichen.runtime.review.flowfile import unhosted
    from lichen.settings import FILE

    file = nearest(Path(diagnosis.path).resolve().parent, FILE)
    if file is None:
        return diagnosis
    if file not in houses:
        houses[file] = _project(file)
    project = houses[file]
    if project is None:
        return diagnosis
    return msgspec.structs.replace(diagnosis, errors=(*diagnosis.errors, *unhosted(diagnosis, project)))


def _project(file: Path) -> Project | None:
    """The project, as far as it loads. One that may not be run, or does not load, is told about and left out."""
    from lichen.runtime.project.loading import examine

    try:
        check_trust(file, os.environ)
        return examine(file, environ=os.environ).project
    except LichenError as error:
        note(f"{file} was left out ({error.code}): {error.message}")
        return None


def _pack(file: Path) -> str | None:
    """The pack of a file as the project around it sees that; None where there is no project."""
    from lichen.flows.syntax.naming import pack_of
    from lichen.settings.reading import find

    try:
        root = find(file.resolve().parent).parent
    except NotFound:
        return None
    return pack_of(str(file.resolve().relative_to(root)))


def _files(paths: list[Path]) -> list[Path]:
    found = [file for path in paths for file in (sorted(path.rglob("*.ygtc")) if path.is_dir() else [path])]
    if not found:
        where = ", ".join(map(str, paths))
        raise NotFound(f"There is no .ygtc file in {where}.", code="flow_missing", next_step="Name a .ygtc file.")
    return found


def _show(diagnosis: Diagnosis, screen: Screen) -> None:
    flow = diagnosis.flow
    if flow is not None:
        nodes = f"{len(flow.nodes)} node{'s' if len(flow.nodes) != 1 else ''}"
        verdict, style = ("ok", "green") if diagnosis.is_ok else ("not ok", "bold red")
        screen.line(f"{diagnosis.path}: {verdict}: {flow.id}, {flow.kind}, {nodes}, starts at {flow.start}", style)
        screen.line(f"  blake3 {flow.digest}", "dim")
        for kind in ("tool", "agent", "flow"):
            if names := [_named(need) for need in diagnosis.needs if need.kind == kind]:
                screen.line(f"  needs the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}", "dim")
    for finding in (*diagnosis.errors, *diagnosis.warnings):
        _tell(finding, diagnosis.text, screen)


def _named(need: Needed) -> str:
    """What is needed, and where it has another name here, that."""
    return need.name if not need.names or need.name in need.names else f"{need.name} ({' or '.join(need.names)})"


def _tell(finding: Finding, text: str, screen: Screen) -> None:
    style = "bold red" if finding.severity == "error" else "yellow"
    screen.line(f"{finding.place}: {finding.severity}: {finding.code}: {finding.message}  {finding.next_step}", style)
    lines = text.splitlines()
    if screen.is_terminal and finding.line <= len(lines):
        screen.line(f"  {finding.line:>5} │ {lines[finding.line - 1][:200]}")
        screen.line(f"        │ {' ' * (min(finding.column, 200) - 1)}^", style)
