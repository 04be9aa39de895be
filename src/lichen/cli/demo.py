"""`lichen demo`: the story of the demo shop, then the chat."""

from __future__ import annotations

import sys

import typer

from lichen.cli.project import Project, locate
from lichen.cli.screen import Screen

CUSTOMER = {"Lichen-Tenant": "acme", "Lichen-As": "customer-7"}


def play() -> None:
    """Plays the story of the demo shop.

    Real processes, one of them killed in the middle, and real commands: each is shown so that you can repeat it. In a
    terminal you are left in the chat; elsewhere the exit code is 1 if any step did not do what it should.
    """
    from lichen.cli import story
    from lichen.cli.stage import Stage

    screen = Screen()
    project = _project()
    stage = Stage(project, screen)
    screen.line("Lichen: one loop, one gate, one log. This is the story of a shop that refunds by chat.", "bold")
    screen.line(f"The shop is {project.needed().parent}, its data {project.home}.", "dim")
    try:
        story.play(stage)
    finally:
        stage.close()
    _end(screen, project, stage.failures)


def _project() -> Project:
    """The demo shop with data of its own: a story that was told is left as it is."""
    from lichen.cli.init import demo_files
    from lichen.cli.stage import fresh_home

    file = demo_files() / "lichen.toml"
    here = locate()
    home = here.home if here.file in (None, file) else here.home / "demo"
    return Project(fresh_home(home), file)


def _end(screen: Screen, project: Project, failures: list[str]) -> None:
    screen.line()
    if failures:
        screen.line(f"{len(failures)} things were not as they should be: {'; '.join(failures)}.", "bold red")
        raise typer.Exit(1)
    screen.line("All of it happened as told. Go on yourself, for example:", "bold green")
    home = "" if locate().home == project.home else f"LICHEN_HOME={project.home} "
    for command in (
        "chat --tenant acme --as customer-7",
        "runs list --tenant acme",
        "log verify --tenant acme",
        "doctor",
    ):
        screen.line(f"  {home}lichen {command}")
    screen.line("  lichen init my-shop    # the same files, to make your own")
    if screen.is_terminal and sys.stdin.isatty():
        _chat(screen, project)


def _chat(screen: Screen, project: Project) -> None:
    from lichen.cli.chat import Chat
    from lichen.cli.client import Client
    from lichen.cli.door import Door

    screen.line()
    screen.line("You are customer-7 of acme.", "bold")
    door = Door(project)
    try:
        client = Client(door, CUSTOMER)
        opened = client.post("sessions", {"channel": "cli", "key": "chat"})
        Chat(client, screen, opened["id"]).live()
    finally:
        door.finish()
