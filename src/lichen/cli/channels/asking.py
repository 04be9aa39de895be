"""The questions of a guide put to the person at the terminal. Secrets are typed unseen, and stand in no history."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from getpass import getpass
from typing import Any, Final

from lichen.channels.port import ChannelMaker, Guide, Question
from lichen.cli.channels.answers import answer_of
from lichen.cli.channels.planning import texts_of
from lichen.cli.show.screen import safe
from lichen.core.words.errors import Invalid

TRIES_MAX: Final = 5


def check_terminal() -> None:
    """Raises Invalid (`answers_needed`) where nobody can be asked."""
    if not sys.stdin.isatty():
        step = "Give the answers as a document: --answers FILE, or - for standard input; --schema prints what it holds."
        raise Invalid("Nobody is there to be asked.", code="answers_needed", next_step=step)


def ask(
    maker: ChannelMaker,
    guide: Guide,
    keys: tuple[str, ...],
    before: Mapping[str, Any],
    *,
    kept: Mapping[str, str] = {},
) -> dict[str, Any]:
    """What was answered to the questions of these keys; `before` is what counts where nothing is typed. Of what is
    secret, `kept` is what stays then.

    Raises Invalid (`answers_needed`) where nobody can be asked, or (`answer_wrong`) after five wrong answers.
    """
    check_terminal()
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    console.print(f"[bold]{guide.title}[/bold]")
    wanted = [each for each in guide.questions if each.key in keys]
    return {
        each.key: _answered(console, maker, each, _said(before.get(each.key)), kept.get(each.key)) for each in wanted
    }


def _answered(console: Any, maker: ChannelMaker, question: Question, before: str, kept: str | None) -> str:
    for _ in range(TRIES_MAX):
        text = _typed(console, question, before, is_kept=kept is not None)
        if not text and kept is not None:
            return kept
        if not text and not question.required:
            return text
        found = answer_of(question, maker.settings, text) if text else "This has to be answered."
        if not isinstance(found, Invalid) and text:
            return text
        console.print(found.message if isinstance(found, Invalid) else found, style="yellow", markup=False)
    raise Invalid(f"{question.label} was not answered.", code="answer_wrong", next_step="Run this again.")


def _typed(console: Any, question: Question, before: str, *, is_kept: bool) -> str:
    from rich.prompt import Prompt
    from rich.text import Text

    if question.help:
        console.print(Text(f"  {safe(question.help)}", style="dim"))
    more = " (Enter leaves it as it is)" if is_kept else "" if question.required else " (may be empty)"
    if question.secret:
        # It turns the echo off before it asks, so that nothing is seen of what is pasted early.
        return getpass(f"{safe(question.label)}{more}: ").strip()
    label = Text(safe(question.label), style="bold cyan").append(more, style="dim")
    shown = before or question.default
    return Prompt.ask(label, console=console, default=shown, show_default=bool(shown)).strip()


def _said(value: object) -> str:
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    return next(iter(texts_of(value)), "")
