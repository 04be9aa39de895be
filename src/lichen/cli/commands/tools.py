"""`lichen tools`: what other people's servers offer to the agents of a tenant, and an operator's judgement of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen, note
from lichen.core.words.errors import Invalid, LichenError, NotFound

if TYPE_CHECKING:
    from lichen.core.remote.server import Server

app = typer.Typer(name="tools", no_args_is_help=True, help="Tools of other people's MCP servers: seen, pinned, judged.")

FILE_BYTES_MAX = 1024 * 1024
Name = Annotated[str, typer.Argument(help="The tool's name here: SERVER.TOOL.")]
Reason = Annotated[str, typer.Option(help="Why; kept sealed in the log.")]
Digest = Annotated[str, typer.Option(help="Of the definition that was looked at; without it, the one that waits.")]


@app.command("list")
@calling
def list_tools(caller: Caller) -> None:
    """Lists every tool that a server ever offered, and how it stands."""
    found = caller.client.get("tools")
    if caller.screen.data(found):
        return
    rows = [(t["name"], t["state"], t["pinned"][:12], t["waiting"][:12], t["gravest"]) for t in found]
    columns = ("tool", "state", "pinned", "waits", "suspicious")
    caller.screen.table(columns, rows, empty="No server offered anything yet.")


@app.command()
@calling
def search(caller: Caller, words: Annotated[list[str], typer.Argument(help="Any of them is to fit.")]) -> None:
    """Searches all tools that there are, of the project and of its servers and registries.

    Each is told with where it comes from; one that is only offered is of no use before somebody accepted it.
    """
    found = caller.client.get("tools/search", words=" ".join(words))
    if caller.screen.data(found):
        return
    rows = [(t["name"], t["origin"], t["has"] + (", old" if t["is_old"] else ""), t["description"]) for t in found]
    caller.screen.table(("tool", "from", "is", "description"), rows, empty="No tool fits.")


@app.command()
def discover(
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Finds servers that other programs have here and the project has not.

    Prints the [[mcp]] to add for each. What it finds is not started, and no value of a variable or header is shown.
    """
    from lichen.runtime.review.servers import unused_servers
    from lichen.settings.reading import read

    file = locate().needed()
    settings = read(file, environ=os.environ).settings
    if settings is None:
        raise Invalid(
            f"{file} cannot be read.", code="settings_invalid", next_step="`lichen doctor` says what is wrong."
        )
    found = unused_servers(settings)
    screen = Screen(as_json=as_json)
    for error in found.errors:
        note(f"{error.place}: {error.message}")
    if screen.data([each._asdict() for each in found.servers]):
        return
    for each in found.servers:
        screen.line(f"{each.name}, from {each.file}:\n\n{each.table}\n")
        for secret in each.secrets:
            screen.line(f"lichen secrets set {secret}")
    if not found.servers:
        screen.line("No other program has a server here that the project has not.")


@app.command()
@calling
def login(caller: Caller, server: Annotated[str, typer.Argument(help="Its name in lichen.toml.")]) -> None:
    """Signs in at a server for the tenant, or for oneself.

    Where its table says `tokens = "person"`, what was issued counts for calls made for whoever --as names, and for
    nobody else. Prints the address to open, waits until somebody signed in there, and keeps what was issued as a
    secret."""
    import asyncio
    import time

    from lichen.core.remote.server import token_name
    from lichen.tools.mcp.oauth.signin import sign_in

    found = _server_to_sign_in_at(caller, server)
    assert found.oauth is not None
    secret = found.oauth.client_secret
    own = typer.prompt(f"Value of {secret}", hide_input=True, err=True) if secret else ""

    async def show(address: str) -> None:
        note(f"Open this address to sign in at {server}:\n{address}")

    now_s = time.time  # noqa: TID251 - what is issued expires by the clock of the machine
    signed = asyncio.run(sign_in(found, show, client_secret=own, now_s=now_s))
    token = msgspec.json.encode(signed).decode()
    if found.tokens == "person":
        caller.client.post("tools/login", {"server": server, "token": token})
    else:
        _keep(caller, token_name(server), token)
    if not caller.screen.data({"server": server, "issuer": signed.issuer}):
        caller.screen.line(f"Signed in at {server}, by {signed.issuer}.")


def _server_to_sign_in_at(caller: Caller, name: str) -> Server:
    """The server as lichen.toml has it. Raises NotFound (`server_unknown`), Invalid (`sign_in_unwanted`)."""
    from lichen.settings.reading import read

    settings = read(locate().needed(), environ=os.environ).settings
    if settings is None:
        raise Invalid("lichen.toml cannot be read.", code="settings_invalid", next_step="lichen doctor")
    tenant = caller.tenant or (next(iter(settings.tenants)) if len(settings.tenants) == 1 else "")
    servers = settings.servers(settings.scope(tenant, caller.env))
    if name not in servers:
        step = f"It has: {', '.join(servers) or 'none'}."
        raise NotFound(f"The tenant has no MCP server {name!r}.", code="server_unknown", next_step=step)
    oauth = servers[name].oauth
    if oauth is None or oauth.grant != "code":
        step = "Write `oauth = {}` in its [[mcp]] table, should it want that."
        raise Invalid("Nobody signs in at this server.", code="sign_in_unwanted", next_step=step)
    return servers[name]


def _keep(caller: Caller, name: str, value: str) -> None:
    """The first value of the secret, or its next."""
    try:
        caller.client.post("secrets", {"name": name, "value": value})
    except LichenError as error:
        if error.code != "secret_exists":
            raise
        caller.client.post("secrets/rotate", {"name": name, "value": value})


@app.command()
@calling
def look(caller: Caller, server: Annotated[str, typer.Argument(help="Its name in lichen.toml.")]) -> None:
    """Asks a server what it offers now."""
    seen = caller.client.post("tools/look", {"server": server})
    if caller.screen.data(seen):
        return
    for name in seen["on"]:
        caller.screen.line(f"{name} is on.")
    for name in seen["waiting"]:
        caller.screen.line(f"{name} waits: lichen tools show {name}")
    for name, why in seen["left_out"].items():
        caller.screen.line(f"{name} is left out. {why}")
    if not any((seen["on"], seen["waiting"], seen["left_out"])):
        caller.screen.line("It offers no tool that may be used.")


@app.command()
@calling
def submit(
    caller: Caller,
    file: Annotated[Path, typer.Argument(help="JSON of one tool, or of several, as MCP has them; or *.clad.toml.")],
    server: Annotated[str, typer.Option(help="Whose tools they are: its name in lichen.toml.")],
) -> None:
    """Submits what a server's tools will be, before it offers them.

    Each waits until an operator accepted it; then it is on once the server says the very same.
    """
    told = caller.client.post("tools", {"server": server, "tools": _definitions(file)})
    if caller.screen.data(told):
        return
    for each in told:
        name = each["name"]
        said = {"submitted": f"waits: lichen tools show {name}", "on": "is on.", "rejected": "was rejected."}
        caller.screen.line(f"{name} {said.get(each['status'], 'is left out. ' + each['why'])}")
        _tell(caller, name, each["findings"])


def _definitions(file: Path) -> list[Any]:
    """The definitions in a file: a list, one alone, what `tools/list` answered, or that of a manifest."""
    from lichen.tools.clad.manifest import SUFFIX

    if file.name.endswith(SUFFIX):
        return [_of_manifest(file)]
    try:
        with file.open("rb") as opened:
            found: Any = msgspec.json.decode(opened.read(FILE_BYTES_MAX))
    except OSError:
        raise NotFound("There is no such file.", code="file_missing", place=str(file)) from None
    except msgspec.DecodeError:
        step = 'Write what `tools/list` says: {"name": …, "description": …, "inputSchema": …}, or a list of such.'
        raise Invalid("It is no JSON.", code="definition_invalid", place=str(file), next_step=step) from None
    match found:
        case {"tools": list()}:
            return cast("list[Any]", found["tools"])
        case list():
            return cast("list[Any]", found)
        case _:
            return [found]


def _of_manifest(file: Path) -> dict[str, Any]:
    from lichen.tools.clad.loading import command_tool

    spec = command_tool(file).spec
    name = spec.name.rpartition(".")[2]
    return {"name": name, "description": spec.description, "inputSchema": spec.input_schema}


@app.command()
@calling
def show(caller: Caller, name: Name) -> None:
    """Shows a tool as it is pinned and as it waits, line by line."""
    offer = caller.client.get(f"tools/{name}")
    if caller.screen.data(offer):
        return
    standing = offer["standing"]
    caller.screen.line(f"{name} is {standing['state']}.")
    if not offer["difference"]:
        caller.screen.line(_lonely(standing))
        _tell_signer(caller, offer["signature"])
        _tell(caller, name, offer["findings"])
        return
    for line in offer["difference"]:
        caller.screen.line(line)
    _tell_signer(caller, offer["signature"])
    _tell(caller, name, offer["findings"])
    caller.screen.line(f"lichen tools accept {name} --digest {standing['waiting']}")


@app.command()
@calling
def scan(
    caller: Caller,
    what: Annotated[str, typer.Argument(metavar="[SERVER|FOLDER]", help="Without it, every server.")] = "",
    rules: Annotated[Path | None, typer.Option(help="A TOML file with rules of your own, for a folder.")] = None,
) -> None:
    """Names what is suspicious in the tools of servers, or in a skill's folder; exit code 1 for something grave.

    It is advice: nothing is turned on or off by it.
    """
    found = _of_folder(Path(what), rules) if what and Path(what).is_dir() else _of_servers(caller, what)
    if not caller.screen.data(found):
        for name, findings in found.items():
            _tell(caller, name, findings)
        if not any(found.values()):
            caller.screen.line(f"Nothing suspicious in {len(found)} {'tool' if len(found) == 1 else 'tools'}.")
    if any(each["severity"] in ("critical", "high") for findings in found.values() for each in findings):
        raise typer.Exit(1)


def _of_servers(caller: Caller, server: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of every tool that was offered, or of one server's."""
    tools = [tool["name"] for tool in caller.client.get("tools") if server in ("", tool["server"])]
    if server and not tools:
        step = "`lichen tools look SERVER` asks it; `lichen tools list` names what was offered."
        raise NotFound("No server of this name offered a tool.", code="server_unknown", place=server, next_step=step)
    return {name: caller.client.get(f"tools/{name}")["findings"] for name in tools}


def _of_folder(folder: Path, rules: Path | None) -> dict[str, list[dict[str, Any]]]:
    """The findings in the files of a folder."""
    from lichen.tools.scan.custom import rules_of
    from lichen.tools.scan.folder import NO_RULES, scan_folder

    own = NO_RULES if rules is None else rules_of(rules.read_bytes(), str(rules))
    return {str(folder): [msgspec.to_builtins(each) for each in scan_folder(folder, own)]}


def _lonely(standing: dict[str, Any]) -> str:
    """What there is of a tool of which nothing else waits."""
    if standing["state"] == "revoked":
        return "tool_revoked: The key that signed it was taken back by its owner."
    return f"Pinned as {standing['pinned']}." if standing["pinned"] else "Nothing waits."


def _tell_signer(caller: Caller, signature: dict[str, Any] | None) -> None:
    if signature is not None:
        other = ", another key than before" if signature["changed"] else ""
        part = "" if signature["covers"] == "all" else "; its description is not signed"
        caller.screen.line(f"Signed by {signature['domain']} with {signature['fingerprint']}{other}{part}.")


def _tell(caller: Caller, name: str, findings: list[dict[str, Any]]) -> None:
    for each in findings:
        caller.screen.line(f"{each['severity']}: {name} {each['place']}: {each['message']} ({each['rule']})")


@app.command()
@calling
def accept(caller: Caller, name: Name, digest: Digest = "", reason: Reason = "") -> None:
    """Turns a tool on as the definition that waits says."""
    _judge(caller, "accept", name, digest, reason)


@app.command()
@calling
def reject(caller: Caller, name: Name, digest: Digest = "", reason: Reason = "") -> None:
    """Says no to what waits, or turns off what is pinned."""
    _judge(caller, "reject", name, digest, reason)


def _judge(caller: Caller, verb: str, name: str, digest: str, reason: str) -> None:
    judged = digest or _of(caller.client.get(f"tools/{name}")["standing"])
    standing = caller.client.post(f"tools/{verb}", {"name": name, "digest": judged, "reason": reason})
    if not caller.screen.data(standing):
        caller.screen.line(f"{name} is {standing['state']}.")


def _of(standing: dict[str, Any]) -> str:
    """The definition that is meant where none is named."""
    return standing["waiting"] or standing["pinned"]
