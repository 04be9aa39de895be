"""Commands that a text names, and whether the real command line understands them. Nothing is carried out."""

from __future__ import annotations

import re
import shlex
from typing import Any

import typer

from lichen.cli.app import app
from lichen.cli.tree import whole

PLACE = "{}"  # what a program fills in: a word of its own, or options after another one
OPTIONS = re.compile(r"(?<=\S)\{\}")
OTHERS = re.compile(r"\|\S+?(?=\s|$|\{)")  # of several words, the reader takes one


def problem(line: str) -> str:
    """Why the command line would not understand `lichen …`; empty when it would. A bare name is a reference to it."""
    name, *words = shlex.split(OPTIONS.sub("", OTHERS.sub("", line)))
    if name != "lichen":
        return f"{name} is not lichen"
    return _problem(whole(app), words[2:] if words[:1] == ["--home"] else words)


def _problem(command: Any, words: list[str]) -> str:
    if not words:
        return ""
    commands: dict[str, Any] = getattr(command, "commands", {})
    if words[0] in commands:
        return _problem(commands[words[0]], words[1:])
    if words[0] == PLACE and commands:  # one of them
        return min(_problem(each, words[1:]) for each in commands.values())
    if commands and words != ["--help"]:
        return f"there is no command {words[0]!r}"
    try:
        command.make_context(command.name, words)
    except typer.Exit:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever the parser says is the finding
        return str(error) or repr(error)
    return ""
