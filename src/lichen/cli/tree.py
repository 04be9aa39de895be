"""The commands of `lichen` by name and summary: the module of each is imported when it is called, or asked about."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

MARKUP: Final = "rich" if sys.stdout.isatty() else None  # drawing the help costs more than all the rest

COMMANDS: Final = {
    "demo": ("demo.demo:play", "Plays the story of the demo shop."),
    "init": ("serving.init:copy", "Begins a project in an empty folder."),
    "chat": ("commands.chat:talk", "Talks to an agent."),
    "ask": ("serving.run:ask", "Asks an agent one question outside of any conversation."),
    "run": ("serving.run:run", "Runs one agent once, or hosts the engine."),
    "serve": ("serving.serve:serve", "Serves the API, the console and the web chat."),
    "mcp": ("serving.mcp:serve_client", "Serves your agents to one MCP client on stdin and stdout."),
    "stop": ("commands.stop:stop", "Stops a tool, agent, run or tenant, or ends the process."),
    "start": ("commands.stop:start", "Takes a stop back."),
    "stops": ("commands.stop:stops", "Lists what is stopped now, by whom and why."),
    "reload": (
        "commands.reload:reload",
        "Puts policies, agents, flows, prompts, channels and schedules in force as they are.",
    ),
    "doctor": ("serving.doctor:examine", "Names every problem and what mends it."),
    "runs": ("commands.runs:app", "What the agents are doing and did."),
    "sessions": ("commands.sessions:app", "Conversations: what was said, and how far it came."),
    "approvals": ("commands.approvals:app", "What waits for a person, and the answers."),
    "handovers": ("commands.handovers:app", "Conversations that a person is to have."),
    "letters": ("letters.letters:app", "Messages that got stuck: seen, tried again, put away."),
    "costs": ("commands.costs:show", "Shows what models cost, day by day."),
    "list": ("commands.listing:app", "What there is: agents, tools, tenants, sessions."),
    "log": ("volumes.log:app", "Read the log, prove it, take it away, back it up."),
    "policy": ("trying.policy:app", "The policies that decide what agents may do."),
    "access": ("trying.access:app", "Rules that say which flows, agents and nodes may be come to."),
    "config": ("trying.config:app", "The settings of the project, and where each comes from."),
    "eval": ("trying.evals:app", "Conversations with expectations, held with the agents here."),
    "flow": ("trying.flow:app", "Flows of nodes: .ygtc files."),
    "schedules": ("timing.schedules:app", "What begins by itself: when, and what became of it."),
    "tools": ("commands.tools:app", "Tools of other people's MCP servers: seen, pinned, judged."),
    "schemapin": ("signing.schemapin:app", "Schemas of tools, signed by the key of a domain."),
    "skill": ("signing.skill:app", "Folders of skills, signed by the key of a domain."),
    "agentpin": ("signing.agentpin:app", "Credentials by which agents prove who they are."),
    "pack": ("packs.commands:app", "Packs: flows, agents and components in one signed file."),
    "bundle": ("bundles.commands:app", "Bundles: packs with the tenants they are served to."),
    "component": ("components.commands:app", "WASM components: begun, built, seen, examined and tried."),
    "channel": ("channels.commands:app", "The platforms that customers write from."),
    "keys": ("commands.keys:app", "The API keys of a tenant."),
    "secrets": ("commands.secrets:app", "The secrets that tools are handed."),
}
"""Where each command is in `lichen.cli`, and the first sentence of its help."""

ALIASES: Final = {"secret": "secrets"}
"""Names that people try first, and the command each stands for. Help does not list them."""


class Named(TyperCommand):
    """A command or group of which the name and summary are known; it is loaded to be called."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, help=summary, rich_markup_mode=MARKUP)
        self._place = place

    def loaded(self) -> Any:
        """The command itself."""
        module, _, attribute = self._place.partition(":")
        command = getattr(import_module(f"lichen.cli.{module}"), attribute)
        shell = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
        shell.callback()(_nothing)  # so that it is a group, which knows its commands by name
        if isinstance(command, typer.Typer):
            shell.add_typer(command)
        else:
            shell.command(self.name)(command)
        group: Any = typer.main.get_command(shell)
        return group.commands[self.name]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself."""
        return self.loaded().make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The group of all commands, none of them loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (place, summary) in COMMANDS.items():
            self.add_command(Named(name, place, summary))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or of the one it stands for."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))


def whole(app: typer.Typer) -> Any:
    """The command line with every command loaded, for whoever reads all of it."""
    group: Any = typer.main.get_command(app)
    group.commands = {name: each.loaded() for name, each in group.commands.items()}
    return group


def _nothing() -> None: ...
