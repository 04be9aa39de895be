"""One thing that waits for a person, as that person needs to see it to decide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lichen.cli.moments import moment
from lichen.cli.screen import Screen, safe

if TYPE_CHECKING:
    from rich.text import Text


WHENCE = {
    "customer": ("the customer's own words", "green"),
    "operator": ("an operator's words", "green"),
    "tool": ("a record of a tool", "green"),
    "model": ("the model", "bold red"),
    "third_party": ("a stranger's text", "bold red"),
}
"""Who vouches for an argument, by the kind of its source, in the colour of how far that can be trusted."""


def rows(wait: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything about it in one column of names and one of texts, the same in every output."""
    operator, origins = wait["operator"], wait["operator"].get("origins", {})
    found = [("id", wait["id"]), ("run", wait["run"]), ("kind", wait["kind"]), ("call", operator.get("tool", "?"))]
    if "handover" in operator:
        found[-1] = ("wants", f"a person: {operator['handover']}")
    for name, value in operator.get("arguments", {}).items():
        found.append((f"  {name}", f"{_shown(value)}  (from {origins.get(name, 'unknown')})"))
    facts = "  ".join(f"{name}={_shown(value)}" for name, value in operator.get("facts", {}).items())
    expires = wait["expires_at_us"]
    return [
        *found,
        ("facts", facts or "none"),
        ("reason", operator.get("reason", "")),
        ("told", wait["public_text"]),
        ("may answer", " or ".join(wait["may_answer"])),
        ("asked", moment(wait["opened_at_us"])),
        ("expires", moment(expires) if expires is not None else "never"),
        ("digest", wait["digest"]),
    ]


def draw_card(screen: Screen, wait: dict[str, Any], options: str) -> None:
    """A panel with the call, what is known about it, and the commands that answer."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows(wait):
        if name not in ("id", "kind"):
            grid.add_row(safe(name), _styled(name, safe(text)))
    answers = Text(_commands(wait, options), style="dim")
    title = f"[bold yellow]{wait['kind']}[/] [bold]{wait['id']}[/]"
    screen.draw(
        Panel(Group(grid, Text(), answers), title=title, title_align="left", border_style="yellow", padding=(1, 2))
    )


def _styled(name: str, text: str) -> Text:
    from rich.text import Text

    value, separator, origin = text.partition("  (from ")
    if name.startswith("  ") and separator:
        kind, _, who = origin[:-1].partition(":")
        whence, colour = WHENCE.get(kind, (kind, "yellow"))
        return Text.assemble((value, "bold"), ("  from ", "dim"), (whence, colour), (f"  {who}", "dim"))
    return Text(text, style={"call": "bold cyan", "reason": "yellow"}.get(name, ""))


def _commands(wait: dict[str, Any], options: str) -> str:
    if "handover" in wait["operator"]:
        return f"lichen approvals reply {wait['id']} 'TEXT'{options} --as ACTOR"
    if wait["kind"] == "reconcile":
        return f"lichen approvals reconcile {wait['id']} happened|did_not_happen|try_again{options} --as ACTOR"
    verbs = (f"lichen approvals {verb} {wait['id']}{options} --as ACTOR" for verb in ("approve", "deny"))
    return "\n".join(verbs)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
