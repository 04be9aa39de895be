"""Conversations with what is expected of them, held with a project's agents and judged by what the log says.

Others take these names.
"""

from lichen.evals.document import Suite, read, suite_files
from lichen.evals.holding import tried
from lichen.evals.plays.flowtests import flow_tests, flows_tried, junit
from lichen.evals.recorded import case_of, written
from lichen.evals.report import Report, read_report
from lichen.evals.suite import scope_of, suite_name

__all__ = [
    "Report",
    "Suite",
    "case_of",
    "flow_tests",
    "flows_tried",
    "junit",
    "read",
    "read_report",
    "scope_of",
    "suite_files",
    "suite_name",
    "tried",
    "written",
]
