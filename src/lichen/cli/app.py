"""The `lichen` command, and how it ends. Anything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from lichen.cli.errors import as_json, described, exit_code
from lichen.cli.tree import MARKUP, Commands
from lichen.core.words.errors import Invalid, LichenError

EPILOG = (
    "Exit codes: 0 done, 1 the system failed, 2 your input is wrong, 3 somebody was first, 4 no such thing, "
    "5 not allowed. Data lies in $LICHEN_HOME, else where lichen.toml says (./.lichen)."
)

app = typer.Typer(
    name="lichen",
    cls=Commands,
    help="Runs AI agents, tools and conversations through one loop, one gate and one log.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="The version, and nothing else.", is_eager=True)] = False,
    home: Annotated[
        str, typer.Option("--home", help="The data directory, instead of LICHEN_HOME.", metavar="FOLDER")
    ] = "",
) -> None:
    """Runs AI agents, tools and conversations through one loop, one gate and one log."""
    if home:
        os.environ["LICHEN_HOME"] = home
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("lichen"))
        raise typer.Exit


def main() -> None:
    """Runs the command of this process's arguments and ends the process with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    is_json = "--json" in sys.argv
    try:
        _run_for_programs() if is_json else app()
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("LICHEN_DEBUG"):
            raise
        told = error if isinstance(error, LichenError) else _unforeseen(error)
        sys.stderr.write(f"{as_json(told) if is_json else described(told)}\n")
        sys.exit(exit_code(told))


def _unforeseen(error: Exception) -> LichenError:
    return LichenError(f"{type(error).__name__}: {error}.", next_step="Set LICHEN_DEBUG=1 to see where.")


def _run_for_programs() -> None:
    """Runs the command so that a mistake in the arguments is told as every other error is."""
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        raise Invalid(error.format_message(), code="usage", next_step="Run the command with --help.") from None
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, frame: FrameType | None) -> Any:
    """SIGTERM unwinds the command, so that a directory it owns is let go in order."""
    raise SystemExit(128 + number)
