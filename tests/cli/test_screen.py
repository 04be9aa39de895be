"""What strangers wrote, on a terminal and in a pipe: nothing of it steers or hides."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from lichen.cli.show.screen import Screen

EVIL = "ann\x9b31m\x1b[2J\u202egnp.exe\u2066\u200b\u00ad\ufeff\r\x07ünïcode 日本"


class Terminal(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def written(is_terminal: bool, write: Callable[[Screen], object], *, as_json: bool = False) -> str:
    stream = Terminal(is_terminal)
    write(Screen(as_json=as_json, stream=stream))
    return stream.getvalue()


def steers(text: str) -> list[str]:
    return [hex(ord(sign)) for sign in text if sign in "\x9b\x07\r\u202e\u2066\u200b\u00ad\ufeff"]


def line(screen: Screen) -> None:
    screen.line(EVIL)


def table(screen: Screen) -> None:
    screen.table(("who",), [(EVIL,)], empty="")


def empty(screen: Screen) -> None:
    screen.table(("who",), [], empty=EVIL)


def data(screen: Screen) -> None:
    screen.data({"who": EVIL})


def event(screen: Screen) -> None:
    screen.event([EVIL])


@pytest.mark.req("SYM-101.17")
@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("write", [line, table, empty])
def test_nothing_a_stranger_wrote_steers_a_terminal_or_hides_in_it(
    is_terminal: bool, write: Callable[[Screen], object]
) -> None:
    shown = written(is_terminal, write)
    assert steers(shown) == []
    assert "\x1b[2J" not in shown
    assert "日本" in shown


@pytest.mark.req("SYM-101.17")
@pytest.mark.parametrize("write", [data, event])
def test_json_on_a_terminal_is_ascii_and_in_a_pipe_as_it_is(write: Callable[[Screen], object]) -> None:
    seen = written(True, write, as_json=True)
    assert seen.isascii()
    assert "\x1b" not in seen
    piped = written(False, write, as_json=True)
    assert json.loads(piped) == json.loads(seen)
    assert "日本" in piped
