"""One thing that waits for a person, as that person needs to see it to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen, safe

if TYPE_CHECKING:
    from rich.text import Text


def call(wait: dict[str, Any]) -> str:
    """What is asked, on one line: `payments.refund(amount=80.00 EUR, order_id=1042)`."""
    asked = wait["asked"]
    details = ", ".join(f"{detail['name']}={detail['text']}" for detail in asked["details"])
    return f"{asked['title']}({details})" if asked["tool"] else f"{asked['title']}: {details}"


def rows(wait: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything about it in one column of names and one of texts, the same in every output."""
    asked, expires = wait["asked"], wait["expires_at_us"]
    found = [
        ("id", wait["id"]),
        ("run", wait["run"]),
        ("kind", wait["kind"]),
        ("call" if asked["tool"] else "asks", asked["title"]),
        ("for", wait["customer_name"]),
    ]
    found += [(f"  {detail['name']}", detail["text"] + _from(detail)) for detail in asked["details"]]
    found += [("facts", _together(asked["facts"]))] if asked["tool"] else []
    found += [("counted", _together(asked["meters"]))] if asked["meters"] else []
    found += [
        ("reason", asked["reason"]),
        ("told", wait["public_text"]),
        ("may answer", " or ".join(wait["may_answer"])),
        ("asked", moment(wait["opened_at_us"])),
        ("expires", moment(expires) if expires is not None else "never"),
        ("digest", wait["digest"]),
    ]
    return [*found, *_decision(wait["decision"])]


def _from(detail: dict[str, Any]) -> str:
    source = f" · {detail['origin']}" if detail["origin"] else ""
    return f"  (from {detail['whence']}{source})" if detail["whence"] else ""


def _together(values: list[dict[str, Any]]) -> str:
    return "  ".join(f"{each['name']}={each['text']}" for each in values) or "none"


def _decision(decision: dict[str, Any] | None) -> list[tuple[str, str]]:
    if decision is None:
        return []
    own = ", who had asked for it" if decision["is_own"] else ""
    return [
        ("decision", decision["outcome"].replace("_", " ")),
        ("by", (decision["by_name"] or "nobody") + own),
        ("when", moment(decision["at_us"])),
        ("note", decision["note"]),
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
    vouched = {f"  {detail['name']}": detail["is_vouched"] for detail in wait["asked"]["details"]}
    for name, text in rows(wait):
        if name not in ("id", "kind"):
            grid.add_row(safe(name), _styled(name, safe(text), is_vouched=vouched.get(name, False)))
    answers = Text(_commands(wait, options), style="dim")
    title = f"[bold yellow]{wait['kind']}[/] [bold]{wait['id']}[/]"
    screen.draw(
        Panel(Group(grid, Text(), answers), title=title, title_align="left", border_style="yellow", padding=(1, 2))
    )


def _styled(name: str, text: str, *, is_vouched: bool) -> Text:
    from rich.text import Text

    value, separator, origin = text.partition("  (from ")
    if name.startswith("  ") and separator:
        whence, _, source = origin[:-1].partition(" · ")
        colour = "green" if is_vouched else "bold red"
        return Text.assemble((value, "bold"), ("  from ", "dim"), (whence, colour), (f"  {source}", "dim"))
    return Text(text, style={"call": "bold cyan", "reason": "yellow"}.get(name, ""))


def _commands(wait: dict[str, Any], options: str) -> str:
    if "handover" in wait.get("operator", {}):
        return f"lichen approvals reply {wait['id']} 'TEXT'{options} --as ACTOR"
    if wait["kind"] == "reconcile":
        return f"lichen approvals reconcile {wait['id']} happened|did_not_happen|try_again{options} --as ACTOR"
    verbs = (f"lichen approvals {verb} {wait['id']}{options} --as ACTOR" for verb in ("approve", "deny"))
    return "\n".join(verbs)
