"""`lichen policy`: whether policies load, before anybody depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.caller import Tenant
from lichen.cli.project import locate
from lichen.cli.screen import Screen

app = typer.Typer(name="policy", help="The policies that decide what agents may do.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The policies that decide what agents may do."""


@app.command()
def check(
    directory: Annotated[Path | None, typer.Argument(help="A directory of policies, instead of lichen.toml's.")] = None,
    tenant: Tenant = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Loads policies against the tools of the agents. A mistake is named with file, line and column, exit code 2.

    Works on the files alone: nothing has to run, and nothing that runs is changed.
    """
    import msgspec

    found = msgspec.to_builtins(_checked(directory, tenant))
    screen = Screen(as_json=as_json)
    if screen.data(found):
        return
    for name, policies in found.items():
        where = policies["directory"] or "the starter policies"
        screen.line(f"{name}: {len(policies['policies'])} policies of {where} load.", "green")
        screen.line(f"  {', '.join(policies['policies'])}", "dim")


@app.command()
def schema() -> None:
    """Prints the Cedar schema: what policies may say about the tools of this project's agents.

    Meters that a tenant declares are added to it when its policies are loaded.
    """
    from lichen.gate.schema import schema_of

    tools = {tool.spec.name: tool.spec for agent in locate().load().agents for tool in agent.tools.values()}
    typer.echo(schema_of(tools.values()).text)


def _checked(directory: Path | None, tenant: str | None) -> dict[str, Any]:
    from lichen.runtime.policies import policies_in, policies_of

    settings = locate().load()
    if directory is not None:
        return {str(directory): policies_in(directory.resolve(), settings.agents)}
    return {name: policies_of(settings, name) for name in ([tenant] if tenant is not None else settings.tenants)}
