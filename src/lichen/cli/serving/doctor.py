"""`lichen doctor`: every problem there is, each with the command that mends it."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from lichen.cli.here.client import Client
from lichen.cli.here.connection import Connection
from lichen.cli.here.entrance import entrance
from lichen.cli.here.workspace import Workspace, locate
from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen
from lichen.cli.volumes.proof import read
from lichen.core.words.errors import LichenError

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project
    from lichen.runtime.review.secrets import Lacks
    from lichen.settings import Settings

FREE_BYTES_MIN = 256 * 1024 * 1024
AHEAD_S_MAX = 2.0
VERIFY_S = 600.0


BEHIND_S = 3600


class Finding(NamedTuple):
    """What one check found: `ok`, `warning` or `problem`; what is there; and for the latter two what to do."""

    check: str
    state: str
    what: str
    mend: str = ""


Check = Callable[[Workspace], Iterator[Finding]]


def examine(
    asks: Annotated[
        bool, typer.Option("--ask", help="Asks each model of the agents once, which costs a little.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Names every problem and what mends it.

    Examines project, policies, models, files, disk, clock and log. Exit code 1 if there is a problem."""
    screen = Screen(as_json=as_json)
    findings = _examined_here(asks=asks)
    if not screen.data([finding._asdict() for finding in findings]):
        screen.table(("check", "state", "what", "mend"), findings, empty="Nothing was checked.")
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


def _examined_here(*, asks: bool) -> list[Finding]:
    try:
        return list(examined(locate(), asks=asks))
    except LichenError as error:
        return [_failure("project", error)]


def examined(workspace: Workspace, *, asks: bool = False) -> Iterator[Finding]:
    """Every finding. The log is read only when nothing stands in its way. `asks`: models are asked, too."""
    has_problem = False
    for finding in chain(
        _project(workspace, asks=asks), *(_guarded(check, workspace) for check in (_home, _keys, _disk, _clock))
    ):
        has_problem = has_problem or finding.state == "problem"
        yield finding
    if has_problem or not workspace.home.exists():
        return
    yield from _guarded(_log, workspace)


def _guarded(check: Check, workspace: Workspace) -> Iterator[Finding]:
    """A check whose own failure is a finding too."""
    name = check.__name__.strip("_")
    try:
        yield from check(workspace)
    except LichenError as error:
        yield _failure(name, error)
    except OSError as error:
        yield Finding(name, "problem", f"{error.filename}: {error.strerror}", "Give this user access to it.")


def _failure(check: str, error: LichenError) -> Finding:
    place = f"{error.place}: " if error.place else ""
    return Finding(check, "problem", f"{place}{error.message} ({error.code})", error.next_step)


def _project(workspace: Workspace, *, asks: bool) -> Iterator[Finding]:
    """What the project says and names, and then what of it will fail when it runs."""
    from lichen.runtime.project.loading import examine

    try:
        project, errors = examine(workspace.needed(), environ={**os.environ, "LICHEN_HOME": str(workspace.home)})
    except LichenError as error:
        yield _failure("project", error)
        return
    for error in errors:
        yield _failure("project", error)
    yield from _plugins()
    if project is None:
        return
    if not errors:
        yield Finding("project", "ok", f"{workspace.file}: tenants {', '.join(project.settings.tenants)}")
        yield Finding("agents", "ok", f"{', '.join(agent.name for agent in project.agents)} load")
    for warning in project.warnings:
        check = "bundle" if warning.code.startswith("bundle_") else "packs"
        yield Finding(check, "warning", f"{warning.place}: {warning.message} ({warning.code})", warning.next_step)
    yield from _environments(project.settings)
    yield from _servers(project.settings)
    if not errors:  # else policies would be checked against agents that are not all there
        yield from _policies(project)
        yield from _reviewed(project)
        yield from _secrets(project, workspace)
        yield from _channels(project, workspace)
        yield from _models(project, workspace, asks=asks)
        yield from _cages(project)
        yield from _apis(project)


def _plugins() -> Iterator[Finding]:
    """The parts of other packages that the project names: they were imported to load it."""
    from lichen.plugins.registry import used

    for each in used():
        if each.error:
            yield Finding("plugins", "problem", each.error, f"Install a version of {each.package} that works.")
        else:
            what = f"{each.name} ({each.group}) is of {each.package} {each.version}"
            yield Finding("plugins", "ok", what)


def _environments(settings: Settings) -> Iterator[Finding]:
    for scope in settings.scopes:
        if settings.environment(scope).error_text:
            what = f"{scope.tenant}/{scope.env}: messages of errors, and whatever is in them, go to the process's log"
            yield Finding("log", "warning", what, f"error_text = false under [tenants.{scope.tenant}]")


def _servers(settings: Settings) -> Iterator[Finding]:
    """MCP servers that other programs have here: named only, since what was merely found is not run."""
    from lichen.runtime.review.servers import unused_servers

    found = unused_servers(settings)
    for error in found.errors:
        yield Finding("servers", "warning", f"{error.place}: {error.message}", error.next_step)
    for file in dict.fromkeys(each.file for each in found.servers):
        names = ", ".join(each.name for each in found.servers if each.file == file)
        what = f"{file} names MCP servers that are not configured here: {names}"
        yield Finding("servers", "ok", what, "lichen tools discover")


def _policies(project: Project) -> Iterator[Finding]:
    """Each set that decides in an environment. What is wrong with a shared file is said once."""
    from lichen.runtime.project.hosting import specs_of
    from lichen.runtime.project.policies import places_of
    from lichen.runtime.review import policy_errors

    specs, said = specs_of(project.agents), set[Finding]()
    settings = project.settings
    for place in (place for name in settings.tenants for place in places_of(settings, name)):
        count, errors = policy_errors(place, specs, project.policies)
        failures = [_failure("policies", error) for error in errors]
        yield from (failure for failure in failures if failure not in said)
        said.update(failures)
        if not errors:
            yield Finding("policies", "ok", f"{place.name}: {count} policies load")


def _reviewed(project: Project) -> Iterator[Finding]:
    from lichen.runtime.review import review

    for flaw in review(project):
        place = f"{flaw.place}: " if flaw.place else ""
        state = "ok" if flaw.severity == "note" else flaw.severity
        yield Finding("review", state, f"{place}{flaw.message} ({flaw.code})", flaw.mend)


def _secrets(project: Project, workspace: Workspace) -> Iterator[Finding]:
    """What tools ask for and cannot have: asked of whoever owns the directory, whose environment counts."""
    from lichen.runtime.project.hosting import specs_of
    from lichen.runtime.review import missing_secrets

    asked = sorted({name for spec in specs_of(project.agents) for name in spec.secrets.all})
    if not asked:
        return
    flaws = missing_secrets(project, _lacks(project, workspace))
    for flaw in flaws:
        yield Finding("secrets", flaw.severity, f"{flaw.place}: {flaw.message} ({flaw.code})", flaw.mend)
    if not flaws:
        yield Finding("secrets", "ok", f"{', '.join(asked)}: every environment has what its tools need")


def _channels(project: Project, workspace: Workspace) -> Iterator[Finding]:
    """The channels of tenants, and the secrets that they cannot be handed."""
    if not project.channels.all:
        return
    from lichen.cli.channels.doctor import found_in

    yield from (Finding(*each) for each in found_in(project, _lacks(project, workspace)))


def _lacks(project: Project, workspace: Workspace) -> Lacks:
    from lichen.cli.serving.lacking import lacked_by_owner, lacked_here

    connection = Connection(workspace)
    if connection.is_answered():
        return lacked_by_owner(Client(connection, {}))
    return lacked_here(project, workspace.home)


def _models(project: Project, workspace: Workspace, *, asks: bool) -> Iterator[Finding]:
    """The models that agents ask: installed, configured, and, if wanted, asked."""
    from lichen.cli.serving.reaching import answering, configured, left_alone

    lacks = _lacks(project, workspace)
    found = [Finding("models", *each) for each in configured(project, lacks)]
    yield from found
    if asks and not any(each.state == "problem" for each in found):
        yield from (Finding("models", *each) for each in answering(project, workspace.home))
    yield from (Finding("models", *each) for each in left_alone(project, workspace.home))


def _apis(project: Project) -> Iterator[Finding]:
    """What documents of APIs describe and no tool was made of."""
    from lichen.cli.serving.offering import offered

    yield from (Finding("apis", *each) for each in offered(project))


def _cages(project: Project) -> Iterator[Finding]:
    """What shuts processes in here, tried out where something wants it, and who is shut in by nothing."""
    from lichen.cli.serving.shutting import shut_in

    yield from (Finding("cages", *each) for each in shut_in(project))


def _home(workspace: Workspace) -> Iterator[Finding]:
    home = workspace.home
    if not home.exists():
        yield Finding("home", "ok", f"{home} does not exist yet; the first command makes it")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if not home.is_dir():
        yield Finding("home", "problem", f"{home} is not a directory", "export LICHEN_HOME=DIRECTORY")
    elif mode & 0o077:
        yield Finding("home", "problem", f"{home} is open to others (mode {mode:o})", f"chmod 700 {home}")
    elif not os.access(home, os.W_OK | os.X_OK):
        yield Finding("home", "problem", f"{home} cannot be written by this user", f"chown {os.getuid()} {home}")
    else:
        yield Finding("home", "ok", f"{home} is open to its owner only")


def _keys(workspace: Workspace) -> Iterator[Finding]:
    folder = workspace.home / "keys"
    if not folder.exists():
        return
    exposed = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
    for path in exposed:
        yield Finding("keys", "problem", f"{path} can be read by others", f"chmod go-rwx {path}")
    if not exposed:
        yield Finding("keys", "ok", f"{folder} is closed to others")


def _disk(workspace: Workspace) -> Iterator[Finding]:
    place = next(path for path in (workspace.home, *workspace.home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    what = f"{free // 1024**2} MiB free at {place}"
    if free < FREE_BYTES_MIN:
        yield Finding("disk", "problem", what, f"df -h {place}, then make room")
    else:
        yield Finding("disk", "ok", what)


def _clock(workspace: Workspace) -> Iterator[Finding]:
    """A file of the data directory that was changed in the future: the clock was set back since."""
    changed = [path.stat().st_mtime for path in workspace.home.glob("*") if path.is_file()]
    ahead_s = max(changed, default=0.0) - time.time()  # noqa: TID251 - it is this machine's clock that is examined
    if ahead_s > AHEAD_S_MAX:
        yield Finding("clock", "problem", f"it is {ahead_s:.0f} s behind the newest data", "timedatectl set-ntp true")
    else:
        yield Finding("clock", "ok", "not behind the data")


def _log(workspace: Workspace) -> Iterator[Finding]:
    """Asks whoever owns the directory; when nobody does, reads the files as they are."""
    connection = Connection(workspace)
    if connection.is_answered():
        yield from _owned(Client(connection, {}), workspace.home)
        return
    with entrance(workspace.home):  # raises with the process that holds it and does not answer
        pass
    yield Finding("owner", "ok", "nobody; the directory can be opened")
    if (workspace.home / "lichen.sqlite").exists():
        yield from map(_verified, read(workspace.home))


def _shut(tool: dict[str, Any]) -> Finding:
    tenant, env, name = tool["tenant"], tool["env"], tool["tool"]
    what = (
        "is tried by one call at a time"
        if tool["phase"] == "half_open"
        else f"is left alone for {tool['left_s']:.0f} s"
    )
    whose = f" --tenant {tenant} --env {env}"
    return Finding(
        "tools", "warning", f"{tenant}/{env}: {name} failed again and again, and {what}", f"lichen runs list{whose}"
    )


def _stuck(letters: dict[str, Any]) -> Finding:
    tenant, env = letters["tenant"], letters["env"]
    what = f"{letters['dead']} dead letters, {letters['failed']} messages undelivered, {letters['in_doubt']} in doubt"
    whose = f" --tenant {tenant} --env {env}"
    return Finding("letters", "warning", f"{tenant}/{env}: {what}", f"lichen letters list{whose}")


def _held(waiting: dict[str, Any]) -> Finding:
    """Replies that wait for their channel."""
    from lichen.runtime.views.story.replies import REASONS

    tenant, env, code = waiting["tenant"], waiting["env"], waiting["code"]
    reason = REASONS.get(code, ("Its channel could not send it.", ""))[0]
    until = moment(waiting["until_us"])
    what = f"{waiting['count']} replies wait at {waiting['channel']}, the next until {until}: {reason} ({code})"
    whose = f" --tenant {tenant} --env {env}"
    return Finding("replies", "warning", f"{tenant}/{env}: {what}", f"lichen channel doctor{whose}")


def _owned(client: Client, home: Path) -> Iterator[Finding]:
    pid = (home / "lock").read_text(encoding="utf-8").partition("\n")[0]
    yield Finding("owner", "ok", f"process {pid} owns the directory and answers")
    health = client.get("health")
    if health["status"] != "ok":
        yield Finding("volume", "problem", f"the volume is {health['status']}", f"df -h {home}")
    yield from map(_shut, health["tools"]["shut"])
    yield from map(_stuck, health["letters"])
    yield from map(_held, health["replies"])
    if health["clock_behind_s"] > BEHIND_S:
        hours = health["clock_behind_s"] / 3600
        yield Finding(
            "clock", "warning", f"it is {hours:.1f} h behind the newest record; limits of a day count by that", "date"
        )
    for scope in client.get("scopes"):
        yield _verified(client.within(scope["tenant"], scope["env"]).post("log/verify", answer_s=VERIFY_S))


def _verified(report: dict[str, Any]) -> Finding:
    if report["ok"]:
        return Finding("log", "ok", f"{report['log']} verifies")
    return Finding("log", "problem", f"{report['first']}", "lichen log verify, then lichen log restore FOLDER")
