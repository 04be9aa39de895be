"""`lichen config`: what each setting is here, and who says so."""

from __future__ import annotations

import os
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


def _written(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
