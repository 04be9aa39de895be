"""What commands draw in a terminal, and write in its place elsewhere."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest

from lichen.cli.show.card import draw_card, rows
from lichen.cli.show.moments import duration, moment
from lichen.cli.show.screen import Screen
from lichen.cli.show.timeline import Bar, bars, show_run
from lichen.core.deciders import events as e
from lichen.core.words.ids import AgentName, CallId, RunId, ToolName, WaitId
from lichen.core.words.limits import Limits
from lichen.runtime.views.record import Opened, view_of
from lichen.runtime.views.timeline import timeline
from tests.runtime.recorded import record


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


CALL, WAIT_ID = CallId("c1"), WaitId("w1")
CONTROLS: list[tuple[int, e.Control]] = [
    (1, e.RunStarted(AgentName("shop.support"), "customer_1", Limits())),
    (2, e.PlanStarted(1, 1, "start")),
    (3, e.Planned(1, 1, "start", (e.PlannedCall(CALL, ToolName("payments.refund"), "once", b""),))),
    (4, e.Decided(CALL, 1, "hold", ("ask",))),
    (5, e.WaitOpened(RunId("run-1"), WAIT_ID, "approval", CALL, ("operator",))),
    (60_000, e.WaitClosed(RunId("run-1"), WAIT_ID, "approved")),
    (60_001, e.CallStarted(CALL, 1, 1)),
    (60_004, e.CallFinished(CALL, 1, "ok")),
    (60_005, e.RunFinished("completed")),
]


def run_of(controls: list[tuple[int, e.Control]]) -> dict[str, Any]:
    """The run of these records as the API gives it, as far as it is drawn."""
    records = [record(ms * 1000, control, seq=n + 1, n=n) for n, (ms, control) in enumerate(controls)]
    time = timeline(records, lambda child: (), 61_000_000)
    views = [view_of(Opened(each, {})) for each in records]
    return {**RUN, "timeline": msgspec.to_builtins(time), "records": msgspec.to_builtins(views)}


RUN: dict[str, Any] = {
    "id": "run-1",
    "agent": "shop.support",
    "status": "completed",
    "is_sealed": False,
    "tree": {"children": []},
    "held": [],
    "story": {
        "result": "done",
        "summary": "It is done.",
        "who": "customer-7",
        "asked": ["A refund, please."],
        "files": [],
        "prompts": [],
        "answer": "Done.",
        "value": None,
        "calls": [],
        "people": [],
        "failures": [],
    },
    "code": "",
    "cost": {"calls": 1, "calls_max": 32, "tokens": 0},
    "walk": None,
}


def detail(name: str, text: str, *, origin: str, whence: str, is_vouched: bool = False) -> dict[str, Any]:
    return {"name": name, "text": text, "origin": origin, "whence": whence, "is_vouched": is_vouched}


WAIT = {
    "id": "run-1.w1",
    "run": "run-1",
    "kind": "approval",
    "may_answer": ["operator"],
    "digest": "abcd",
    "opened_at_us": 0,
    "expires_at_us": None,
    "public_text": "I am having it checked.",
    "customer_name": "customer-7",
    "decision": None,
    "asked": {
        "title": "payments.refund",
        "tool": "payments.refund",
        "details": [
            {
                "name": "amount",
                "text": "80.00 EUR",
                "origin": "model",
                "whence": "the model: nobody said this",
                "is_vouched": False,
            },
            {
                "name": "order_id",
                "text": "1042",
                "origin": "customer:c_1",
                "whence": "the customer’s own words",
                "is_vouched": True,
            },
        ],
        "facts": [{"name": "price", "text": "120.00 EUR"}],
        "meters": [{"name": "refunded_today", "text": "30.00 EUR"}],
        "reason": "Too much.",
    },
}


@pytest.mark.req("SYM-101.3")
def test_what_takes_time_is_one_span_and_what_does_not_is_a_moment() -> None:
    assert bars(run_of(CONTROLS)["timeline"]) == [
        Bar("planner", "planner plan 1", 2000, 3000, "ok"),
        Bar("gate", "gate c1 hold by ask", 4000, 4000, "hold"),
        Bar("waits", "waits approval", 5000, 60_000_000, "approved"),
        Bar("tool", "payments.refund c1", 60_001_000, 60_004_000, "ok"),
        Bar("run", "run finished completed", 60_005_000, 60_005_000, ""),
    ]


def test_what_is_not_over_is_shown_as_open_until_now() -> None:
    assert bars(run_of(CONTROLS[:5])["timeline"])[-1] == Bar("waits", "waits approval", 5000, 61_000_000, "open")


@pytest.mark.req("SYM-101.3")
def test_a_run_is_drawn_in_a_terminal_and_written_in_rows_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    show_run(Screen(stream=terminal), run_of(CONTROLS))
    show_run(Screen(stream=pipe), run_of(CONTROLS))
    assert "█" in terminal.getvalue()
    assert "░░░" in terminal.getvalue()
    assert "1.0 min" in terminal.getvalue()
    assert pipe.getvalue().isascii()
    heads = [line.split() for line in pipe.getvalue().splitlines()]
    assert ["SEQ", "AFTER", "TYPE", "WHAT", "ACTOR"] in heads
    assert "came out  It is done." in pipe.getvalue()


@pytest.mark.req("LIC-12.1")
def test_an_approval_shows_the_same_in_every_output() -> None:
    terminal = Terminal()
    draw_card(Screen(stream=terminal), WAIT, " --tenant acme")
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    for name, text in rows(WAIT):
        if name not in ("  amount", "  order_id"):
            assert all(word in drawn for word in text.split())
    assert "80.00 EUR  from the model: nobody said this" in drawn
    assert "1042  from the customer’s own words  customer:c_1" in drawn
    assert "lichen approvals approve run-1.w1 --tenant acme --as ACTOR" in drawn


def test_text_from_outside_is_never_taken_for_markup() -> None:
    terminal = Terminal()
    screen = Screen(stream=terminal)
    draw_card(screen, {**WAIT, "public_text": "[bold]no[/bold] [/]"}, "")
    screen.line("[red]no[/red]")
    screen.table(("what",), [("[link=x]no[/link]",)], empty="")
    for text in ("[bold]no[/bold] [/]", "[red]no[/red]", "[link=x]no[/link]"):
        assert text in terminal.getvalue()


def test_control_characters_of_a_text_do_not_reach_the_terminal() -> None:
    terminal = Terminal()
    Screen(stream=terminal).line("be\x1b[2Jware")
    pipe = io.StringIO()
    Screen(stream=pipe).line("be\x1b[2Jware\x07")
    assert "\x1b[2J" not in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue()


@pytest.mark.req("SYM-101.2")
def test_for_programs_there_is_one_document_and_nothing_else() -> None:
    stream = Terminal()
    screen = Screen(as_json=True, stream=stream)
    screen.line("noise")
    screen.table(("a",), [("noise",)], empty="noise")
    assert screen.data({"ä": 1})
    assert json.loads(stream.getvalue()) == {"ä": 1}


def test_rows_of_a_pipe_have_one_line_each() -> None:
    stream = io.StringIO()
    Screen(stream=stream).table(("id", "text"), [("1", "two\nlines"), ("22", "x")], empty="")
    assert stream.getvalue() == "ID  TEXT\n1   two lines\n22  x\n"


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (400, "0.4 ms"),
        (1_500_000, "1.5 s"),
        (90_000_000, "1.5 min"),
        (5_400_000_000, "1.5 h"),
        (2 * 86_400_000_000, "2.0 d"),
    ],
)
def test_a_duration_has_the_unit_that_fits(us: int, text: str) -> None:
    assert duration(us) == text


def test_a_moment_is_told_in_utc() -> None:
    assert moment(1_700_000_000_000_000) == "2023-11-14 22:13:20Z"
