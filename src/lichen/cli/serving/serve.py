"""`lichen serve`: the runtime with its API, console and web chat on a port, until it is told to end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lichen.cli.here.connection import Connection
from lichen.cli.here.host import hosting
from lichen.cli.here.workspace import Workspace, locate
from lichen.cli.show.screen import Screen, note
from lichen.settings.layers.variables import BUNDLE

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project
    from lichen.serve.http.lines import LineFormat
    from lichen.settings import Serve, Settings

FILES = 8_192  # open at once: every connection is one, and the system's usual 1,024 are soon used up
LogFormat = Annotated[
    Literal["text", "json"], typer.Option("--log-format", help="How the process's log on stderr is written.")
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="What is the least that goes into it."),
]
Only = Literal["gateway", "runner", "egress"]
ANYWHERE = ("0.0.0.0", "::")  # stand for every address of the machine
FAR = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # nobody's: asking how to get there tells from where
PLAIN = (
    "This is plain HTTP on an address that others reach: keys and words can be read on the way. Put a proxy with TLS "
    "in front of it, and name it under [serve] trusted_proxies in lichen.toml."
)


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on, instead of [serve] host.", metavar="ADDRESS")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="The port, instead of [serve] port; 0 takes a free one.", min=0, max=65_535)
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve the demo shop if there is no project, with keys to try it.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Serve this bundle: its folder, or its .gtbundle.", metavar="PATH")
    ] = None,
    only: Annotated[
        Only | None, typer.Option("--only", help="Serve one of three processes that meet at the bus of lichen.toml.")
    ] = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Serves the API, the console and the web chat.

    Runs until SIGTERM or Ctrl-C, then lets what has begun end. Every other command on the same data works through it.
    """
    from lichen.cli.here.owner import Port
    from lichen.cli.serving.warming import warming
    from lichen.serve.http.lines import event

    screen = Screen(as_json=as_json)
    if bundle is not None:
        os.environ[BUNDLE] = str(bundle.absolute())
    workspace = demo_or(locate()) if demo else locate()
    allow_files()
    if only in ("gateway", "egress"):
        from lichen.cli.serving.apart import serve_apart

        address, number = _listening(read_settings(workspace).serve, host, port)
        serve_apart(only, screen, workspace, address, number, lines=(log_format, log_level))
        return
    connection = Connection(workspace)
    write_lines(connection.project.settings, log_format, log_level)
    address, number = _listening(connection.project.settings.serve, host, port)
    with hosting(connection, Port(address, number), on_bus=only == "runner") as found:
        assert found.owner.port is not None
        url = _url(found.owner.port)
        keys = _keys(connection, url) if demo else None
        for notice in (
            *found.owner.notices,
            *_warnings(address, connection.project.settings),
            *_asked(connection.project),
            *filter(None, (warming(connection.project.tools, note),)),
        ):
            note(notice)
        _tell(screen, workspace, url, chats=_chats(connection.project.settings), keys=keys)
        event("started", {"url": url, "home": str(workspace.home), "version": version("lichen")})
        found.stay()
        event("stopping", {"url": url})
        screen.line("Letting what has begun end.", "dim")
    event("stopped", {"url": url})


def _listening(said: Serve, host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen: as the command says, else as the settings do."""
    return host or said.host, said.port if port is None else port


def read_settings(workspace: Workspace) -> Settings:
    """The settings of a project whose parts are not loaded. Raises the first mistake in them."""
    from lichen.settings.reading import read

    found = read(workspace.needed(), environ=os.environ)
    if found.settings is None or found.errors:
        raise found.errors[0]
    return found.settings


def write_lines(settings: Settings, log_format: LineFormat, log_level: str) -> None:
    """From now on the process's log is lines on stderr. What others log is shown where every environment allows it:
    nobody knows whose words those are."""
    from lichen.serve.http.lines import write

    texts = [settings.environment(scope).error_text for scope in settings.scopes]
    write(log_format, log_level, with_text=bool(texts) and all(texts))


def allow_files() -> None:
    """Lets this process have FILES files open, or as many as the system grants without asking."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))


def demo_or(workspace: Workspace) -> Workspace:
    """The nearest project, else the demo shop that comes with Lichen."""
    if workspace.file is not None:
        return workspace
    from lichen.cli.serving.init import demo_files

    return Workspace(workspace.home, demo_files() / "lichen.toml")


def _url(port: tuple[str, int]) -> str:
    host, number = port
    shown = _own_address(host) if host in ANYWHERE else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{number}"


def _own_address(host: str) -> str:
    """An address under which others reach what listens on all of them; the loopback where there is no network."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((FAR[host], 9))  # sends nothing
            return asking.getsockname()[0].partition("%")[0]
        except OSError:
            return "::1" if ":" in host else "127.0.0.1"


def _warnings(host: str, settings: Settings) -> tuple[str, ...]:
    """What whoever opens a port to others should know."""
    try:
        is_near = all(ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(host, None))
    except (OSError, ValueError):
        is_near = False
    return () if is_near or settings.serve.trusted_proxies else (PLAIN,)


def _asked(project: Project) -> Iterator[str]:
    """Which agents ask a language model, and which."""
    for agent in project.agents:
        models: tuple[str, ...] = getattr(agent.planner, "models", ())
        if models:
            yield f"{agent.name} asks {', else '.join(models)}."


def _chats(settings: Settings) -> tuple[str, ...]:
    return tuple(name for name, tenant in settings.tenants.items() if tenant.webchat is not None)


def _keys(connection: Connection, url: str) -> Mapping[str, str]:
    from lichen.cli.serving.demokeys import demo_keys

    return demo_keys(connection, url)


def _tell(
    screen: Screen, workspace: Workspace, url: str, *, chats: tuple[str, ...], keys: Mapping[str, str] | None
) -> None:
    """Where everything is."""
    pages = [("console", f"{url}/console"), ("api", f"{url}/api/docs")]
    pages += [(f"chat {tenant}", f"{url}/chat/{tenant}") for tenant in chats]
    shown = [(f"key {tenant}", key) for tenant, key in (keys or {}).items()]
    told = {"serving": url, "socket": str(workspace.socket), "pages": dict(pages), "keys": dict(keys or {})}
    if screen.event(told):
        return
    if screen.is_terminal:
        _draw(screen, url, pages, shown)
    else:
        screen.line(f"serving on {url}")
        for name, value in (*pages, *shown):
            screen.line(f"{name}  {value}")
    screen.line(_next(workspace, keys), "dim")


def _draw(screen: Screen, url: str, pages: list[tuple[str, str]], keys: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen.line()
    screen.line(f"  Lichen serves on {url}", "bold green")
    screen.line()
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in pages:
        table.add_row(Text(f"  {name}", style="dim"), Text(value, style=f"cyan link {value}"))
    for name, value in keys:
        table.add_row(Text(f"  {name}", style="dim"), Text(value, style="yellow", no_wrap=True, overflow="ignore"))
    screen.draw(table)
    screen.line()


def _next(workspace: Workspace, keys: Mapping[str, str] | None) -> str:
    if keys:
        return f"The keys are operators' and lie in {workspace.home / 'demo.env'}. Ctrl-C ends it."
    return "Keys are made with `lichen keys create ACTOR --tenant NAME`. Ctrl-C ends it."
