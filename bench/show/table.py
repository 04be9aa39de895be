"""The figures and counts in a terminal: each beside its peer and with what it must reach."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.figure import Figure
from bench.show.history import Run

WIDE = 150  # columns; where there are fewer, what latest.json says as well is left out


def show(console: Console, run: Run) -> None:
    """Prints the figures, the counts, and what has not reached its must, with the floor."""
    console.print(_figures(run, is_wide=console.width >= WIDE))
    console.print(_counts(run))
    missed = [figure for figure in run.figures if figure.is_met is False]
    for figure in missed:
        console.print(f"not met: {_missed(figure)}")
    held = sum(figure.must is not None for figure in run.figures)
    console.print(f"{held - len(missed)} of {held} musts are met, load {run.load} when it began.")
    console.print("Not measured: two processes on two cores; one process owns a volume so far.")


def _figures(run: Run, *, is_wide: bool) -> Table:
    table = Table("figure", "ours", "beside it", "ahead", "must")
    for name in ("floor", "cpu us", "barriers", "fsync us") if is_wide else ():
        table.add_column(name, justify="right", no_wrap=True)
    for f in run.figures:
        met = {None: "", True: "[green]✓ ", False: "[red]✗ "}[f.is_met]
        table.add_row(
            f.name,
            f"{f.value:,} {f.unit}",
            "" if f.peer_value is None else f"{f.peer_value:,.1f}: {f.peer} {f.peer_version}",
            "" if f.ratio is None else _ahead(f.ratio),
            "" if f.must is None else f"{met}{f.must.text(f.unit, f.better)}",
            *("" if n is None else f"{n:,g}" for n in _costs(f) if is_wide),
        )
    return table


def _costs(f: Figure) -> tuple[float | None, ...]:
    return f.floor, f.cpu_us, f.barriers, f.fsync_us_p50


def _ahead(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def _counts(run: Run) -> Table:
    names = list(dict.fromkeys(name for each in run.counts.values() for name in each))
    table = Table("counted", *names)
    for unit, each in run.counts.items():
        table.add_row(unit, *(f"{each[name]:,g}" if name in each else "" for name in names))
    return table


def _missed(f: Figure) -> str:
    assert f.must is not None
    where = _ahead(f.ratio or 0.0) if f.must.of == "ratio" else f"{f.value:,g} {f.unit}"
    floor = "" if f.floor is None else f"; the floor: {f.floor:,g} {f.unit} ({f.floor_of})"
    return f"{f.name}: {where}, must be {f.must.text(f.unit, f.better)}{floor}"
