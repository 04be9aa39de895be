"""`lichen list`: what there is to name. All but sessions works on the files alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.here.caller import Caller, Json, calling
from lichen.cli.here.workspace import locate
from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project

app = typer.Typer(name="list", help="What there is: agents, tools, tenants, sessions.", no_args_is_help=True)


@app.command()
def agents(as_json: Json = False) -> None:
    """Lists the agents and flows of this project, and what each may call."""
    import msgspec

    from lichen.runtime.views.agent import agent_summary

    found = [agent_summary(agent) for agent in locate().load().agents]
    screen = Screen(as_json=as_json)
    if not screen.data(msgspec.to_builtins(found)):
        rows = [(each.name, each.kind, _comma(tool.name for tool in each.tools)) for each in found]
        screen.table(("name", "kind", "tools"), rows, empty="This project has no agents.")


@app.command()
def tools(
    as_json: Json = False,
    schemas: Annotated[bool, typer.Option("--schemas", help="The contract of each in one JSON file.")] = False,
) -> None:
    """Lists the tools of this project, what repeating each would do, and who may call it."""
    project = locate().load()
    if schemas:
        _contracts(project)
        return
    callers: dict[str, list[str]] = {}
    effects: dict[str, str] = {}
    for tool in project.tools:
        callers.setdefault(tool.spec.name, [])
        effects[tool.spec.name] = tool.spec.effects
    for agent in project.agents:
        for tool in agent.tools.values():
            callers.setdefault(tool.spec.name, []).append(agent.name)
            effects[tool.spec.name] = tool.spec.effects
    rows = [(name, effects[name], _comma(callers[name])) for name in sorted(callers)]
    _show(as_json, ("name", "effects", "of"), rows, empty="The agents of this project have no tools.")


def _contracts(project: Project) -> None:
    """Prints the file with every contract, the same bytes for the same tools. A tool that an agent has on terms of its
    own stands there as its author made it."""
    from lichen.tools import tool_schemas

    by_name = {tool.spec.name: tool for agent in project.agents for tool in agent.tools.values()}
    by_name |= {tool.spec.name: tool for tool in project.tools}
    typer.echo(tool_schemas(by_name.values()).decode(), nl=False)


@app.command()
def tenants(as_json: Json = False) -> None:
    """Lists the tenants of this project, with their environments and declared actors."""
    project = locate().load()
    rows = [
        (name, _comma(tenant.environments), _comma(actor.id for actor in tenant.actors))
        for name, tenant in project.settings.tenants.items()
    ]
    _show(as_json, ("name", "environments", "actors"), rows, empty="This project declares no tenants.")


@app.command()
@calling
def sessions(
    caller: Caller, limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50
) -> None:
    """Lists the conversations of a tenant. Customers appear under their pseudonyms."""
    found = caller.client.get("sessions", limit=limit)
    if caller.screen.data(found):
        return
    rows = [(s["id"], s["agent"], s["customer"], s["status"], moment(s["opened_at_us"])) for s in found]
    caller.screen.table(("id", "agent", "customer", "status", "opened"), rows, empty="There are no sessions yet.")


def _show(as_json: bool, columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    screen = Screen(as_json=as_json)
    if not screen.data([dict(zip(columns, row, strict=True)) for row in rows]):
        screen.table(columns, rows, empty=empty)


def _comma(names: Any) -> str:
    return ", ".join(names) or "-"
