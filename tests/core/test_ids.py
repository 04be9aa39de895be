"""Ids that others build on: the key the outside world sees, a child's name, a stream's."""

from __future__ import annotations

import pytest

from lichen.core.words.ids import (
    CallId,
    RunId,
    SessionId,
    child_run,
    idempotency_key,
    root_run,
    run_stream,
    session_stream,
)
from tests.core.story import Story


@pytest.mark.req("LIC-7.5")
def test_every_attempt_at_a_call_has_the_same_idempotency_key_and_no_other_call_has_it() -> None:
    story = Story().plan("once", "once").allow("c1").start("c1").crash()
    before = [idempotency_key(story.state.id, call) for call in story.state.calls]
    story.lose("c1").close("try_again").allow("c1").start("c1").crash()
    assert [idempotency_key(story.state.id, call) for call in story.state.calls] == before == ["run-1/c1", "run-1/c2"]
    assert story.call("c1").attempt == 2


@pytest.mark.req("LIC-7.5")
def test_calls_are_numbered_through_the_run_and_a_number_is_never_given_twice() -> None:
    story = Story().plan("none", "none").do("ok", "c1").do("ok", "c2").plan("none")
    assert list(story.state.calls) == ["c3"]


def test_a_child_is_named_by_its_call_and_the_tree_by_its_root() -> None:
    child = child_run(child_run(RunId("run-1"), CallId("c2")), CallId("c1"))
    assert child == "run-1.c2.c1"
    assert root_run(child) == root_run(RunId("run-1")) == "run-1"


def test_a_stream_is_written_with_its_kind() -> None:
    assert str(run_stream(RunId("run-1"))) == "run:run-1"
    assert str(session_stream(SessionId("ses-1"))) == "session:ses-1"
