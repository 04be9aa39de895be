"""The lines of the process's own log, which are not for somebody who talks to an agent."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

Verbose = Annotated[bool, typer.Option("--verbose", help="Also shows what this process logs of failures, on stderr.")]


def log_lines(*, verbose: bool) -> None:
    """Lichen's lines go to nobody, unless they are wanted. Records keep what they tell of."""
    if not verbose:
        logging.getLogger("lichen").addHandler(logging.NullHandler())
