"""`lichen demo`: the story of the demo shop, then the chat."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from lichen.cli.here.workspace import Workspace, locate, remembered
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import Denied

CUSTOMER = {"Lichen-Tenant": "acme", "Lichen-As": "customer-7"}


def play(
    reset: Annotated[
        bool, typer.Option("--reset", help="Throw the demo's data away, so that its story can be told again.")
    ] = False,
) -> None:
    """Plays the story of the demo shop.

    Real processes, one of them killed in the middle, and real commands: each is shown so that you can repeat it. In a
    terminal you are left in the chat; elsewhere the exit code is 1 if any step did not do what it should.
    """
    from lichen.cli.demo import story
    from lichen.cli.demo.stage import Stage

    screen = Screen()
    if reset:
        _reset(screen)
        return
    workspace = _workspace()
    stage = Stage(workspace, screen)
    screen.line("Lichen: one loop, one gate, one log. This is the story of a shop that refunds by chat.", "bold")
    screen.line(f"The shop is {workspace.needed().parent}, its data {workspace.home}.", "dim")
    try:
        story.play(stage)
    finally:
        stage.close()
    _end(screen, workspace, stage.failures)


def _workspace() -> Workspace:
    """The demo shop with data of its own: a story that was told is left as it is."""
    from lichen.cli.demo.stage import fresh_home
    from lichen.cli.serving.init import demo_files

    file = demo_files() / "lichen.toml"
    here = locate()
    home = here.home if here.file in (None, file) else here.home / "demo"
    return Workspace(fresh_home(home), file)


def _reset(screen: Screen) -> None:
    """Empties the data directory of the demo: conversations, logs, keys, and what the shop remembers.

    Raises Denied (`not_the_demo`) for data of another project, Unavailable (`data_dir_in_use`) while a process has it.
    """
    from lichen.cli.here.entrance import entrance
    from lichen.cli.serving.init import demo_files

    here, demo = locate(), demo_files() / "lichen.toml"
    home = here.home if here.file in (None, demo) else here.home / "demo"
    if not home.exists() or not any(home.iterdir()):
        screen.line(f"The demo has no data in {home}.")
        return
    if remembered(home) != demo and not (home / "story-2").exists():
        raise Denied(
            f"The data in {home} is not the demo's.",
            code="not_the_demo",
            next_step="Move it away yourself, if you mean it.",
            place=str(home),
        )
    with entrance(home):
        for entry in home.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    screen.line(f"The demo begins anew: {home} is empty. Run `lichen demo`, or `lichen serve --demo`.", "green")


def _end(screen: Screen, workspace: Workspace, failures: list[str]) -> None:
    screen.line()
    if failures:
        screen.line(f"{len(failures)} things were not as they should be: {'; '.join(failures)}.", "bold red")
        raise typer.Exit(1)
    screen.line("All of it happened as told. Go on yourself, for example:", "bold green")
    home = "" if locate().home == workspace.home else f"LICHEN_HOME={workspace.home} "
    for command in (
        "chat --tenant acme --as customer-7",
        "runs list --tenant acme",
        "log verify --tenant acme",
        "doctor",
    ):
        screen.line(f"  {home}lichen {command}")
    screen.line("  lichen init my-shop    # the same files, to make your own")
    if screen.is_terminal and sys.stdin.isatty():
        _chat(screen, workspace)


def _chat(screen: Screen, workspace: Workspace) -> None:
    from lichen.cli.commands.chat import Chat
    from lichen.cli.here.client import Client
    from lichen.cli.here.connection import Connection

    screen.line()
    screen.line("You are customer-7 of acme.", "bold")
    connection = Connection(workspace)
    try:
        client = Client(connection, CUSTOMER)
        opened = client.post("sessions", {"channel": "cli", "key": "chat"})
        Chat(client, screen, opened["id"]).live()
    finally:
        connection.finish()
