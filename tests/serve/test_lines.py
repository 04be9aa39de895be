"""The process's log: one line for each event, and nobody's words in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator

import pytest

from lichen.serve.http import lines

SECRET = "hunter2 of Ada"


@pytest.fixture(autouse=True)
def root() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(logger: str) -> int:
    """Logs an exception with a secret in its text; the line at which it was raised."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        logging.getLogger(logger).exception("%s is gone", SECRET)
        return error.__traceback__.tb_lineno if error.__traceback__ else 0


@pytest.mark.req("LIC-28.7")
def test_an_event_is_one_line_of_json_or_text(capsys: pytest.CaptureFixture[str]) -> None:
    lines.write("json", "info", with_text=False)
    lines.event("started", {"url": "http://127.0.0.1:1", "note": "two\nlines"})
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["event"], told["note"]) == ("info", "started", "two\nlines")
    lines.write("text", "info", with_text=False)
    lines.event("started", {"url": "http://127.0.0.1:1", "note": "two\nlines"})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r'started url=http://127.0.0.1:1 note="two\nlines"')


@pytest.mark.req("LIC-28.7")
@pytest.mark.parametrize("logger", ["asyncio", "uvicorn.error", "shop"])
def test_of_what_others_log_the_line_has_the_place_and_not_the_words(
    logger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines.write("json", "info", with_text=False)
    at = fail(logger)
    err = capsys.readouterr().err
    told = json.loads(err)
    assert not any(word in err for word in ("hunter2", "Ada"))
    assert (told["logger"], told["exception"], told["at"]) == (logger, "ValueError", f"{__file__}:{at}")


@pytest.mark.req("LIC-28.7")
def test_where_every_environment_allows_the_text_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    lines.write("json", "info", with_text=True)
    fail("shop")
    told = json.loads(capsys.readouterr().err)
    assert SECRET in told["message"]
    assert SECRET in told["traceback"]


@pytest.mark.req("LIC-28.7")
def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines.write("text", "error", with_text=False)
    lines.event("started", {})
    lines.broken("console page", KeyError(SECRET))
    (line,) = capsys.readouterr().err.splitlines()
    assert "failed code=internal exception=KeyError" in line
