"""`lichen policy`: whether policies load, before anybody depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Env, Tenant
from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import Invalid

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

    An environment with policies or meters of its own is a set of its own, TENANT/ENV.

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
    if directory is None:
        _tell_flaws(screen, tenant)


TOLD = (
    "tool_unpermitted",
    "tool_forbidden",
    "model_unpermitted",
    "model_forbidden",
    "role_unheld",
    "policy_agent_unknown",
    "policies_unread",
)


def _tell_flaws(screen: Screen, tenant: str | None) -> None:
    """What loads and will not do what it is for."""
    from lichen.runtime.review import review

    for flaw in review(locate().load()):
        if flaw.code in TOLD:
            place = f"{flaw.place}: " if flaw.place else ""
            screen.line(f"{flaw.severity}: {place}{flaw.message}  {flaw.mend}", "yellow")


@app.command("test")
def check_cases_of(
    files: Annotated[list[Path] | None, typer.Argument(help="Case files, instead of policies/**/*.cases.toml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Decides the cases of files by the policies on disk; exit code 1 when one is decided otherwise than it says.

    A file names its tenant and has cases: `[[case]]` with name, agent, tool, for (the person), args, facts, said,
    label, meters, approved_by, secret (whether the tool may be handed it), or a model in the place of a tool (whether
    it may be asked, or with secret be reached by that), or neither (whether a run of the agent may be started), expect
    (allow, deny or hold) and policies; its environment is the one it names with env, the one in whose folder it lies,
    else the tenant's first. Nothing has to run, nothing is counted.
    """
    import asyncio

    import msgspec

    from lichen.runtime.review.cases import case_files, check_cases

    project = locate().load()
    found = asyncio.run(check_cases(project, files or case_files(project.settings.root)))
    screen = Screen(as_json=as_json)
    if not screen.data([{**msgspec.to_builtins(case), "is_met": case.is_met} for case in found]):
        for case in found:
            by = f" by {', '.join(case.policies)}" if case.policies else f": {case.reason}"
            screen.line(
                f"{'ok' if case.is_met else 'NOT OK'}  {case.name}: {case.outcome}{by}",
                None if case.is_met else "bold red",
            )
            if not case.is_met:
                wanted = "" if case.expected_policies is None else f" by {', '.join(case.expected_policies) or 'none'}"
                screen.line(f"        {case.file} expects {case.expected}{wanted}")
                _tell_considered(screen, msgspec.to_builtins(case.considered))
        screen.line(f"{sum(case.is_met for case in found)} of {len(found)} cases are decided as they say.")
    if not all(case.is_met for case in found):
        raise typer.Exit(1)


@app.command()
def why(
    agent: Annotated[str, typer.Argument(help="The agent that would call.", metavar="AGENT")],
    tool: Annotated[str, typer.Argument(help="The tool it would call.", metavar="TOOL")] = "",
    tenant: Tenant = None,
    env: Env = None,
    args: Annotated[str, typer.Option(help="The arguments, as JSON.")] = "{}",
    facts: Annotated[str, typer.Option(help="The facts about it, as JSON.")] = "{}",
    person: Annotated[str, typer.Option("--for", help="The person it is for.", metavar="ACTOR")] = "somebody",
    said: Annotated[list[str] | None, typer.Option(help="What they said; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="A source that was read; may be repeated.")] = None,
    meter: Annotated[list[str] | None, typer.Option(help="What is counted already, NAME=NUMBER.")] = None,
    approved_by: Annotated[str, typer.Option(help="The role of a person who agreed.", metavar="ROLE")] = "",
    secret: Annotated[
        str, typer.Option(help="Whether the tool, or the model, may be handed this secret, instead.")
    ] = "",
    model: Annotated[str, typer.Option(help="Whether this model may be asked, instead of a tool.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Says how a call would be decided, and why: every policy that concerns it, and what it lacks to hold.

    With --model and without a tool: whether the agent may ask that model. With neither: whether a run of the agent may
    be started for that person."""
    import asyncio

    import msgspec

    from lichen.gate.simulation import Case
    from lichen.runtime.review.cases import person_of, simulated

    project = locate().load()
    name = tenant or _only(list(project.settings.tenants))
    meters = dict(_counted(text) for text in meter or ())
    case = Case(
        agent, tool, person_of(project.settings, name, person), _object(args, "--args"), _object(facts, "--facts"),
        tuple(said or ()), tuple(label or ()), meters, approved_by, secret, model,
    )  # fmt: skip
    found = asyncio.run(simulated(project, name, case, env=env))
    verdict, considered = found.verdict, msgspec.to_builtins(found.considered)
    told = {"outcome": verdict.outcome, "policies": verdict.policies, "reason": verdict.operator_reason}
    caps = [f"{cap.meter} <= {cap.limit}" for cap in verdict.caps]
    screen = Screen(as_json=as_json)
    if screen.data({**told, "public_reason": verdict.public_reason, "caps": caps, "considered": considered}):
        return
    by = f" by {', '.join(verdict.policies)}" if verdict.policies else ""
    screen.line(f"{verdict.outcome}{by}. {verdict.operator_reason}".rstrip())
    if caps:
        screen.line(f"The request is made to fit into {', '.join(caps)}.")
    if not considered:
        screen.line("No policy is about such a call.", "yellow")
    _tell_considered(screen, considered)


def _tell_considered(screen: Screen, considered: list[dict[str, Any]]) -> None:
    for one in considered:
        screen.line(f"  {'holds' if one['holds'] else 'does not hold'}  {one['effect']} {one['id']}  {one['place']}")
        for part in one["missing"]:
            screen.line(f"      lacks  {part}", "dim")


def _only(tenants: list[str]) -> str:
    if len(tenants) == 1:
        return tenants[0]
    raise Invalid(
        "No tenant is named.", code="tenant_missing", next_step=f"Name one with --tenant: {', '.join(tenants)}."
    )


def _object(text: str, option: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Invalid(
            f"{option} is no JSON object.", code="input_invalid", next_step=f"""Write {option} '{{"amount": 1}}'."""
        )
    return value  # type: ignore[return-value]


def _counted(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isdecimal():
        raise Invalid(
            f"{text!r} is no NAME=NUMBER.", code="input_invalid", next_step="Write --meter refunded_today=3000."
        )
    return name, int(number)


@app.command()
def schema() -> None:
    """Prints the Cedar schema: what policies may say about the tools of this project's agents.

    Meters that a tenant declares are added to it when its policies are loaded.
    """
    from lichen.gate.rules.schema import schema_of

    tools = {tool.spec.name: tool.spec for agent in locate().load().agents for tool in agent.tools.values()}
    typer.echo(schema_of(tools.values()).text)


def _checked(directory: Path | None, tenant: str | None) -> dict[str, Any]:
    from lichen.runtime.project.hosting import specs_of
    from lichen.runtime.project.policies import Place, loaded, places_of, report_of

    project = locate().load()
    specs = specs_of(project.agents)
    if directory is not None:
        if not any(directory.glob("*.cedar")):
            inside = sorted(path.name for path in directory.glob("*") if path.is_dir())
            step = f"Name one of: {', '.join(str(directory / name) for name in inside)}." if inside else "Name another."
            message = f"There is no .cedar file in {directory}."
            raise Invalid(message, code="policies_missing", next_step=step, place=str(directory))
        own = directory.resolve()
        return {str(directory): report_of(own, loaded(Place(str(directory), own), specs))}
    names = [tenant] if tenant is not None else list(project.settings.tenants)
    places = [place for name in names for place in places_of(project.settings, name)]
    return {place.name: report_of(place.directory, loaded(place, specs, project.policies)) for place in places}
