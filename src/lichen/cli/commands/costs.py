"""`lichen costs`: what models cost a tenant, day by day."""

from __future__ import annotations

from typing import Annotated

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import usd


@calling
def show(
    caller: Caller, days: Annotated[int, typer.Option(min=1, max=366, help="How many days, today included.")] = 14
) -> None:
    """Shows what models cost, day by day.

    By agent and model, with what is left of today's budgets."""
    book = caller.client.get("costs", days=days)
    if caller.screen.data(book):
        return
    rows = [
        (
            row["day"],
            row["agent"],
            row["model"],
            str(row["requests"]),
            f"{row['input_tokens']:,}",
            f"{row['output_tokens']:,}",
            usd(row["micro_usd"]) + (" + unpriced" if row["unpriced"] else ""),
        )
        for row in book["rows"]
    ]
    caller.screen.table(
        ("day", "agent", "model", "requests", "tokens in", "out", "cost"), rows, empty="No model was asked."
    )
    estimated = f", {usd(book['estimated_micro_usd'])} of it estimated" if book["estimated_micro_usd"] else ""
    caller.screen.line(f"{usd(book['micro_usd'])} in all{estimated}", "dim")
    for budget in book["budgets"]:
        caller.screen.line(f"today {budget['name']}: {budget['used']:g} of {budget['bound']:g}", "dim")
