"""`lichen config`: what each setting is here, and who says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen

app = typer.Typer(name="config", help="The settings of the project, and where each comes from.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The settings of the project, and where each comes from."""


@app.command()
def explain(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A setting or a table, like serve.connections.", metavar="[KEY]")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Shows each setting with the line, variable or option that says it, or that it is the default.

    A default gives way to the user's own file, that to lichen.toml, that to a variable, and that to an option. What
    stands in tables that are for secrets is not shown. Nothing has to run.
    """
    import msgspec

    from lichen.settings.origins.origins import chosen, origins

    workspace = locate()
    option = str(context.find_root().params.get("home") or "")
    found = origins(workspace.needed(), environ=os.environ, option=option)
    screen = Screen(as_json=as_json)
    listed = chosen(found, key) if key else found
    if screen.data(msgspec.to_builtins(listed)):
        return
    for each in listed:
        screen.line(f"{each.key} = {_written(each.value)}  ({each.place or each.kind})")


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="The folder, or the file that starts it.", metavar="[SOURCE]")
    ] = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="The file; else the lichen.toml of the folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Writes the lichen.toml that stands for a folder that a bundle's, a demo's or an operator's file starts.

    Nothing is written over. What does not stand for anything here is told by its name.
    """
    from lichen.core.words.errors import Conflict, NotFound
    from lichen.settings.bundles.finding import root_of, started_here
    from lichen.settings.bundles.standing import stand_in
    from lichen.settings.bundles.writing import written

    file = started_here(source) if source.is_dir() else source
    if file is None or not file.is_file():
        message = (
            "There is no greentic.demo.yaml, greentic.operator.yaml, demo/demo.yaml, or bundle.yaml with its tenants."
        )
        step = "Name the folder of one, or one of them."
        raise NotFound(message, code="bundle_unrooted", place=str(source), next_step=step)
    where = out or root_of(file) / "lichen.toml"
    stands = stand_in(file.resolve(), os.environ, where.resolve().parent)
    for error in stands.errors:
        raise error
    try:
        with where.open("x", encoding="utf-8") as made:
            made.write(written(stands))
    except FileExistsError:
        step = "Name another file with --out."
        raise Conflict("The file is there already.", code="file_exists", place=str(where), next_step=step) from None
    screen = Screen(as_json=as_json)
    fields = ("code", "message", "next_step", "place")
    left = [{field: getattr(each, field) for field in fields} for each in stands.warnings]
    if screen.data({"file": str(where), "from": str(file), "left": left}):
        return
    screen.line(f"{where} stands for {file}.")
    for each in stands.warnings:
        screen.line(f"  {each.code} {each.place}: {each.message} {each.next_step}")


def _written(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
