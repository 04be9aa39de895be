"""Every state a mailbox can reach within small bounds keeps every rule of `mailbox_rules`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lichen.testing.explore import explore
from tests.core import mailbox_rules
from tests.core.mailbox_world import Bounds, MailboxWorld

WORLDS = {
    "enqueue": Bounds("enqueue", messages=2, questions=1, attempts=2, crashes=1, releases=1, closes=1),
    "interrupt": Bounds("interrupt", messages=2, questions=1, attempts=2, crashes=1, releases=1, closes=1),
    "merge": Bounds("merge", messages=2, questions=1, attempts=2, crashes=1, releases=1, closes=1),
    "reject": Bounds("reject", messages=2, questions=1, attempts=2, crashes=1, releases=1, closes=1),
    "pull": Bounds("enqueue", "pull", messages=2, questions=1, crashes=1, releases=1, closes=1),
    "three messages, merged": Bounds("merge", messages=3, says=1, releases=2, closes=1),
    "three messages, one by one": Bounds("enqueue", messages=3, releases=2, closes=1),
    "two questions at once": Bounds("enqueue", messages=3, questions=2, releases=1),
    "handed over": Bounds("enqueue", messages=3, closes=1, handovers=1, attends=1, crashes=1),
    "handed over, merged": Bounds("merge", messages=3, handovers=1, attends=1, releases=1),
    "handed over while something is asked": Bounds("enqueue", messages=3, questions=1, handovers=1, attends=1),
    "handed over and over": Bounds("interrupt", "pull", messages=2, releases=1, handovers=2, attends=2),
    "two crashes": Bounds("enqueue", messages=1, says=1, attempts=2, crashes=2),
}


@pytest.mark.req("LIC-15.1", "LIC-15.2", "LIC-15.3", "LIC-15.4", "LIC-15.5", "LIC-30.20")
@pytest.mark.parametrize("name", WORLDS)
def test_a_mailbox_keeps_its_rules_whatever_happens(name: str, record_property: Callable[[str, object], None]) -> None:
    graph = explore(MailboxWorld(WORLDS[name]))
    record_property("explored", f"mailbox, {name}: {len(graph.nodes):,} states, {len(graph.edges):,} edges")
    assert mailbox_rules.check(graph) == []
