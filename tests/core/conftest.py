"""Prints what was explored, so that a run of the tests tells how much its proofs cover."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for every explored world."""
    reports = [r for r in terminalreporter.getreports("passed") if isinstance(r, pytest.TestReport)]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == "explored"]
    if lines:
        terminalreporter.section("explored worlds")
        for line in lines:
            terminalreporter.write_line(line)
