"""`lichen schedules`, in processes of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.projects import SHOP, Project

SETTINGS = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}]

    [[tenants.acme.schedules]]
    name = "morning"
    agent = "shop.support"
    cron = "0 8 * * *"
    text = "Where is order 1042?"
"""
WHO = ("--tenant", "acme", "--as", "ops")


@pytest.mark.req("SYM-88.10")
def test_a_schedule_is_listed_begun_and_its_history_read(tmp_path: Path) -> None:
    project = Project(tmp_path, {"lichen.toml": SETTINGS, "shop.py": SHOP})
    listed = project.run("schedules", "list", *WHO).out
    assert "at 0 8 * * * (UTC)" in listed
    assert "tick" in project.run("schedules", "run", "morning", *WHO).out
    (tick,) = json.loads(project.run("schedules", "history", "morning", *WHO, "--json").out)
    assert (tick["stage"], tick["is_asked"]) == ("completed", True)
    assert "morning is paused." in project.run("schedules", "pause", "morning", *WHO).out
    assert "paused" in project.run("schedules", "show", "morning", *WHO).out
    assert "morning is on, next " in project.run("schedules", "resume", "morning", *WHO).out
    wrong = project.run("schedules", "replay", "morning", "12", *WHO)
    assert "tick_unknown" in wrong.err
    assert "lichen schedules history morning" in wrong.err
