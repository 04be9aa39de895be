"""A run as a picture: every plan, decision, wait and call where it was in time, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from lichen.cli.show.account import tell
from lichen.cli.show.moments import duration, moment, position
from lichen.cli.show.screen import MEANINGS, Screen
from lichen.serve.axis import Axis

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 36
FOLD = 5  # columns of a stretch in which nothing but waiting happened
COLOURS = {"planner": "blue", "waits": "yellow", "tool": "green", "child": "cyan", "gate": "dim", "run": "dim"}

View = dict[str, Any]

UNREAD = {True: "(not for you to read)", False: "(erased)"}


class Bar(NamedTuple):
    """Something that took time, or a moment (`end_us` equals `start_us`)."""

    kind: str
    name: str
    start_us: int
    end_us: int
    outcome: str


def show_run(screen: Screen, run: View) -> None:
    """The run: its head, then its time drawn in a terminal, its records in rows in a pipe."""
    story, start_us = run["story"], run["timeline"]["start_us"]
    if screen.is_terminal:
        _draw(screen, run)
        tell(screen, story, unread=UNREAD[bool(run["is_sealed"])])
    else:
        screen.line("  ".join(part for part in (run["id"], run["agent"], story["result"], run["code"]) if part))
        tell(screen, story, unread=UNREAD[bool(run["is_sealed"])])
        _tell_models(screen, run)
        rows = [_row(record, start_us) for record in run["records"]]
        screen.table(("seq", "after", "type", "what", "actor"), rows, empty="It has no records.")
    for held in run["held"]:
        screen.line(f"  held to     {held}", "dim")
    if run["tree"]["children"]:
        _tell_tree(screen, run["tree"])
    for missing in run["walk"]["missing"] if run["walk"] else ():
        place = f"{missing['flow']}/{missing['node']}"
        screen.line(f"  missing     {missing['path']} in {place}: it was not there, and counted as empty", "yellow")


def _tell_tree(screen: Screen, tree: View) -> None:
    """The runs that it called, each with what it and those below it cost."""
    rows = list(_branches(tree, 0))
    screen.table(("run", "agent", "ended", "tokens", "USD"), rows, empty="It called no run.")


def _branches(branch: View, depth: int) -> Iterator[tuple[str, ...]]:
    ended = branch["outcome"] or "open"
    dollars = f"{branch['all_micro_usd'] / 1_000_000:.4f}"
    yield f"{'↳ ' * depth}{branch['id']}", branch["agent"], ended, str(branch["all_tokens"]), dollars
    for child in branch["children"]:
        yield from _branches(child, depth + 1)
    if branch["left_out"]:
        yield f"{'↳ ' * (depth + 1)}{branch['left_out']} more", "", "", "", ""


def _row(record: View, start_us: int) -> tuple[str, ...]:
    after = duration(record["ts_us"] - start_us)
    return position(record), after, record["type"], record["summary"], record["actor"] or "-"


def bars(timeline: View) -> list[Bar]:
    """What takes a line in the picture, in the order in which it began."""
    return sorted(_bars(timeline), key=lambda bar: bar.start_us)


def _bars(timeline: View) -> Iterator[Bar]:
    for lane in timeline["lanes"]:
        indent = "↳ " * lane["depth"]
        for span in lane["spans"]:
            end_us = timeline["end_us"] if span["end_us"] is None else span["end_us"]
            name = f"{indent}{lane['name']} {span['label']}"
            yield Bar(lane["kind"], name, span["start_us"], end_us, span["outcome"])
        for mark in lane["marks"]:
            yield Bar(lane["kind"], f"{indent}gate {mark['summary']}", mark["at_us"], mark["at_us"], mark["kind"])
    for mark in timeline["marks"]:
        yield Bar("run", mark["summary"], mark["at_us"], mark["at_us"], "")


def _draw(screen: Screen, run: View) -> None:
    from rich.text import Text

    result = run["story"]["result"]
    head = Text.assemble((run["id"], "bold"), "  ", run["agent"], "  ", (result, MEANINGS.get(result, "")))
    if run["code"]:
        head.append(f"  {run['code']}", "red")
    screen.draw(head)
    cost = run["cost"]
    calls = f"{cost['calls']} tool calls counted (at most {cost['calls_max']})"
    money = f", {cost['micro_usd'] / 1e6:.4f} USD" if cost.get("micro_usd") else ""
    screen.line(f"started {moment(run['timeline']['start_us'])}, {calls}, {cost['tokens']} tokens{money}", "dim")
    screen.draw(_picture(bars(run["timeline"]), run["timeline"]))
    _tell_models(screen, run)


def _tell_models(screen: Screen, run: View) -> None:
    for asked in run.get("models", ()):
        screen.line(_asked(asked), MEANINGS.get(asked["outcome"], "") if asked["outcome"] == "ok" else "yellow")


def _asked(asked: View) -> str:
    """A request to a model, in one line."""
    price = "no price" if asked["is_unpriced"] else f"{asked['micro_usd'] / 1e6:.4f} USD"
    cached = f" ({asked['cached']} cached)" if asked["cached"] else ""
    more = [
        f"{asked['input_tokens']} tokens in{cached}, {asked['output_tokens']} out",
        price + (", an estimate" if asked["is_estimate"] else ""),
        duration(asked["duration_us"]),
        *([f"first piece {duration(asked['first_us'])}"] if asked["first_us"] else []),
        *([f"{asked['tries']} tries"] if asked["tries"] > 1 else []),
        *([f"answered as {asked['answered']}"] if asked["answered"] not in ("", asked["model"]) else []),
        *(["a fallback"] if asked["is_fallback"] else []),
    ]
    return f"{asked['place']} {asked['model']} {asked['outcome']}: {', '.join(more)}"


def _picture(found: list[Bar], timeline: View) -> Table:
    from rich.table import Table
    from rich.text import Text

    start_us, axis = timeline["start_us"], _axis(found)
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "left", "left", "right"):
        table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
    for bar in found:
        left, right = round(axis.x(bar.start_us)), round(axis.x(bar.end_us))
        is_moment = bar.end_us == bar.start_us
        mark = "·" if is_moment else ("░" if bar.kind == "waits" else "█") * (right - left + 1)
        meaning = MEANINGS.get(bar.outcome, "")
        took = "" if is_moment else duration(bar.end_us - bar.start_us)
        table.add_row(
            Text(f"+{duration(bar.start_us - start_us)}", style="dim"),
            Text(" " * left + mark, style=COLOURS[bar.kind]),
            Text(bar.name, style=meaning if is_moment else ""),
            Text(bar.outcome, style=meaning),
            Text(took, style="dim"),
        )
    return table


def _axis(found: list[Bar]) -> Axis:
    moments = [at for bar in found for at in (bar.start_us, bar.end_us)]
    busy = [(bar.start_us, bar.end_us) for bar in found if bar.kind in ("planner", "tool")]
    return Axis(moments, busy, 0.0, WIDTH - 1.0, fold=FOLD)
