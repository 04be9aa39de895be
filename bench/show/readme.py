"""README's table of figures, as the latest run found them: nobody types a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.figure import ROOT
from bench.show.history import LATEST, Run, latest

README = ROOT / "README.md"
BEGIN, END = "<!-- figures: written by `make bench` -->\n", "<!-- end of figures -->\n"
FLOOR = ""  # in the place of a peer: the floor that was measured with the figure


class Row(NamedTuple):
    """One row: the figures it shows, and its peers in our words, by how their names begin."""

    title: str
    keys: tuple[str, ...]
    peers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


_TURN = {"Pydantic AI": "Pydantic AI, nothing stored", "LangGraph": "LangGraph with SQLite"}
_BUILT = {"Pydantic AI": "Pydantic AI", "LangGraph": "LangGraph", "OpenAI Agents": "OpenAI Agents"}
_FLYING = {
    "Pydantic AI, nothing": "Pydantic AI, nothing stored",
    "LangGraph, nothing": "LangGraph, nothing stored",
    "LangGraph + SQLite": "with SQLite",
    "Pydantic AI + DBOS": "Pydantic AI with DBOS on SQLite, 100 in flight",
}
_ALONE = {"the same turn alone": "alone"}
ROWS = (
    Row("one turn with a `none` tool, everything on, p50", ("turn none",), _TURN),
    Row("one turn with a `once` tool, everything on, p50", ("turn once",), _TURN),
    Row("durable steps, 1,000 runs at once", ("steps 1,000 runs",), {"DBOS": "DBOS on SQLite"}),
    Row("durable steps, 1,000 tenants", ("steps 1,000 runs of 1,000 tenants",)),
    Row(
        "web chat messages accepted and answered",
        ("web chat",),
        {FLOOR: "said to the runtime without a door", "bare Starlette": "bare Starlette, nothing stored"},
    ),
    Row("message to reply at 200 a second, p50 / p99", ("reply p50", "reply p99")),
    Row("1,000 runs in flight recovered after `kill -9`", ("recovery 1000",), {FLOOR: "a single run"}),
    Row("a policy decision among 1,000 policies", ("decision 1000",), {"cedarpy": "cedarpy, prepared"}),
    Row("`import lichen`, with bytecode", ("import",), {"import pydantic_ai": "`import pydantic_ai`"}),
    Row("`lichen --help`, with bytecode", ("help",)),
    Row("a turn beside another tenant's flood, p50 / p99", ("flood p50", "flood p99"), _ALONE),
    Row("import, and an agent of 5 tools with a typed answer built", ("build",), _BUILT),
    Row("from nothing to the first answer of its model over loopback", ("first answer",), _BUILT),
    Row(
        "what a plan's streamed request adds to the bare client's, p50",
        ("model request, streamed",),
        {"Pydantic AI": "Pydantic AI's model class, asked alone"},
    ),
    Row(
        "what a whole run of one streamed request adds to it, p50",
        ("model run, streamed",),
        {"Pydantic AI": "Pydantic AI, nothing stored"},
    ),
    Row("runs with a tool, a model of 20 ms, 500 in flight", ("flight runs",), _FLYING),
    Row("memory of each of these runs", ("flight kb",), _FLYING),
    Row("a call of an MCP server's tool on stdio, p50", ("server call",), {"the bare SDK": "the bare SDK"}),
    Row("of it the look whether the tool is as it was pinned", ("pin check",)),
    Row("a process in a jail, from start to end", ("jail",), {"bubblewrap": "bare bubblewrap"}),
)


def drawn(run: Run) -> str:
    """What stands in README of a run. A figure that it does not have has no row."""
    machine = ", ".join(run.machine.split(", ")[:2])
    held = [figure.is_met for figure in run.figures if figure.must is not None]
    head = (
        f"One run of `make bench`, each figure the median of rounds in turns with its peer ({run.date[:10]}, commit "
        f"{run.commit}, {machine},\nCPython {run.versions['python']}, fdatasync {run.fsync_us_p50:.0f} µs, load "
        f"{run.load:.0f} when it began). {held.count(True)} of the {len(held)} figures it is held to were met; it "
        "prints which,\nwith the floor of each. "
        "[How figures and counts moved over the commits](bench/results/history.svg)."
    )
    return "\n".join([head, "", "| | Lichen | beside it |", "|---|---|---|", *_rows(run), ""])


def _rows(run: Run) -> Iterator[str]:
    for row in ROWS:
        figures = [run.figure(key) for key in row.keys]
        known = [figure for figure in figures if figure is not None]
        if len(known) == len(row.keys):
            values = _together([(figure.value, figure.unit) for figure in known])
            yield f"| {row.title} | {values} | {'; '.join(_beside(run, row))} |"


def _beside(run: Run, row: Row) -> Iterator[str]:
    for begin, words in row.peers.items():
        found: list[tuple[float, str]] = []
        for key in row.keys:
            of_key = [figure for figure in run.figures if figure.key == key]
            if begin == FLOOR:
                found += [(figure.floor, figure.unit) for figure in of_key[:1] if figure.floor is not None]
            else:
                there = (figure for figure in of_key if figure.peer is not None and figure.peer.startswith(begin))
                found += [(figure.peer_value or 0.0, figure.unit) for figure in there][:1]
        if found:
            yield f"{words}: {_together(found)}"


def _together(values: list[tuple[float, str]]) -> str:
    """Values of one unit: `5.04 / 16.2 ms`."""
    unit = values[0][1]
    is_long = unit == "us" and max(value for value, _ in values) >= 1_000
    said = " / ".join(_number(value / 1_000 if is_long else value) for value, _ in values)
    return f"{said}/s" if unit == "1/s" else f"{said} {'ms' if is_long else 'µs' if unit == 'us' else unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def write() -> None:
    """Writes the latest run into README."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{drawn(latest())}{END}{after}")


if __name__ == "__main__" and LATEST.exists():
    write()
