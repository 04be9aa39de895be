"""`lichen access`: what rules of access let be come to, before anybody depends on it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from lichen.cli.here.caller import Env
from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen

HELP: Final = "Rules that say which flows, agents and nodes may be come to."
app = typer.Typer(name="access", help=HELP, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Rules that say which flows, agents and nodes may be come to."""


@app.command()
def why(
    tenant: Annotated[str, typer.Argument(help="Whose rules.", metavar="TENANT")],
    path: Annotated[str, typer.Argument(help="_, pack, pack/flow or pack/flow/node.", metavar="PATH")],
    env: Env = None,
    team: Annotated[str, typer.Option(help="The team that somebody comes as.", metavar="TEAM")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Says whether somebody may come to a flow, agent or node, and which rule decides, with its line.

    A node is come to only where its flow is too, so of a node both are told. Exit code 1 where it is forbidden.
    Works on the files alone.
    """
    from lichen.runtime.review.entries import explained

    found = explained(locate().load(), tenant, path, env=env, team=team)
    screen = Screen(as_json=as_json)
    if not screen.data(found):
        for each in found:
            screen.line(f"{each['outcome']}: {each['why']}.", "green" if each["outcome"] == "public" else "bold red")
    if any(each["outcome"] != "public" for each in found):
        raise typer.Exit(1)
