"""The pages: those written by hand, with the generated parts where they say `<!-- generated: name -->`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.reference import codes, commands, flows, models, packs, policies, settings, shown, tools

PAGES = Path(__file__).parents[1] / "pages"
PICTURES = Path(__file__).parents[1]
MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)

PARTS: Mapping[str, Callable[[], str]] = {
    "agent-file": settings.agent_file,
    "commands": commands.page,
    "errors": codes.errors,
    "failures": codes.failures,
    "findings": codes.findings,
    "flow-file": flows.file,
    "flow-node": flows.node,
    "flow-nodes": flows.nodes,
    "flow-route": flows.route,
    "flow-slot": flows.slot,
    "meters": policies.meters,
    "model-failures": models.failures,
    "model-meters": policies.model_meters,
    "run-meters": policies.run_meters,
    "packs": packs.page,
    "policy-actions": policies.actions,
    "policy-annotations": policies.annotated,
    "policy-base": policies.base,
    "policy-context": policies.context,
    "settings": settings.settings,
    "shown": shown.shown,
    "texts": settings.texts,
    "user-settings": settings.user_settings,
    "variables": settings.variables,
    "tool-call": tools.call,
    "tool-options": tools.options,
}
"""What can be generated, by name. Each name stands on exactly one page."""


def filled(text: str) -> str:
    """A page with its generated parts."""
    return MARK.sub(lambda mark: PARTS[mark[1]](), text)


def write(folder: Path) -> None:
    """Writes every page, and the pictures they show."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PAGES, folder)
    for page in folder.rglob("*.md"):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    for picture in (*PICTURES.glob("*.png"), *PICTURES.glob("*.svg")):
        shutil.copy(picture, folder / "assets")
