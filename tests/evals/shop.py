"""The shop that evals are tried on, and files of them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from lichen.evals import Report, read, tried
from lichen.runtime.project.loading import load

SHOP = Path(__file__).parents[2] / "templates" / "shop"
MODEL = """
name = "shop.support"
tools = ["orders.lookup", "orders.refund"]
[llm]
model = "echo:"
"""


def shop(folder: Path, *, with_model: bool = False) -> Path:
    """A copy of the shop; its agent asks a model if it says so."""
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)
    if with_model:
        (folder / "support.toml").write_text(MODEL)
    return folder


def held(folder: Path, text: str, *, times: int | None = None) -> Report:
    """What comes of a file of evals with this text."""
    path = folder / "evals" / "these.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    project = load(folder / "lichen.toml", environ={"LICHEN_HOME": str(folder / ".lichen")})
    return asyncio.run(tried(project, [(path, read(path))], times=times, told=lambda name, number, met: None))


def misses(report: Report) -> list[str]:
    """Where the first trials of its cases are not as expected."""
    return [miss.place for case in report.cases for miss in case.trials[0].missed]


def outcomes(report: Report, turn: int) -> list[tuple[str, str]]:
    """The calls of a turn in the first trial of the first case, and how they ended."""
    return [(call.tool, call.outcome) for call in report.cases[0].trials[0].lines[turn].calls]
