"""Conversations with what is expected of them, held with a project's agents and judged by what the log says.

Others take these names.
"""

from lichen.evals.document import Suite, read, suite_files
from lichen.evals.recorded import case_of, written
from lichen.evals.report import Change, Report, Tried, changes, read_report
from lichen.evals.suite import tried

__all__ = [
    "Change",
    "Report",
    "Suite",
    "Tried",
    "case_of",
    "changes",
    "read",
    "read_report",
    "suite_files",
    "tried",
    "written",
]
