"""Every error says what, where and what to do next, under a code that does not change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lichen.core.ports.call import InvalidArguments, Issue, NotDone
from lichen.core.words import errors, faults


def test_an_error_says_its_code_cause_place_and_next_step() -> None:
    error = errors.Conflict("Somebody was first.", place="run:1#4")
    assert str(error) == "conflict at run:1#4: Somebody was first. Read the current state and decide again."
    assert str(errors.Denied("No.", code="model_denied", next_step="Ask.")) == "model_denied: No. Ask."


def test_every_error_has_a_code_and_a_next_step_of_its_own() -> None:
    kinds = errors.LichenError.__subclasses__()
    assert len({kind.code for kind in kinds} | {errors.LichenError.code}) == len(kinds) + 1
    assert all(kind.next_step.endswith(".") for kind in kinds)


def test_wrong_arguments_are_told_field_by_field() -> None:
    error = InvalidArguments(
        (Issue("/amount", "missing_field", "is missing"), Issue("", "invalid_format", "is no object"))
    )
    assert (error.code, error.place) == ("arguments_invalid", "/amount, /")
    assert error.message == "2 of the arguments do not fit the schema."


def test_a_tool_says_what_was_not_done_and_whether_trying_again_helps() -> None:
    error = NotDone("The card was declined.", code="card_declined", retryable=False)
    assert (str(error), error.code, error.retryable) == ("The card was declined.", "card_declined", False)
    assert NotDone("Busy.").retryable


@pytest.fixture
def passed() -> Iterator[list[str]]:
    """The fault points that were passed."""
    points: list[str] = []
    faults.install(points.append)
    yield points
    faults.install(None)


def test_a_fault_point_is_seen_only_while_somebody_looks(passed: list[str]) -> None:
    faults.hit("commit.before/call_started")
    faults.install(None)
    faults.hit("commit.after/call_started")
    assert passed == ["commit.before/call_started"]
