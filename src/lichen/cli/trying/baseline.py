"""What a report is compared with: the last result that is kept of each suite, a kept result, or a report's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lichen.core.words.errors import Invalid, LichenError, NotFound

if TYPE_CHECKING:
    from lichen.core.words.scope import Scope
    from lichen.evals import Report, Suite
    from lichen.runtime.project.project import Project
    from lichen.runtime.trials.reader import Kept
    from lichen.runtime.trials.result import Tried

LAST: Final = "last"
KEPT: Final = "eval-"


def baselines(project: Project, suites: Sequence[tuple[Path, Suite]], wanted: str) -> tuple[Tried, ...]:
    """The cases to compare with. Raises NotFound (`eval_unknown`), Invalid (`eval_report_invalid`)."""
    if wanted != LAST and not wanted.startswith(KEPT):
        return _report(Path(wanted)).cases
    from lichen.evals import scope_of, suite_name
    from lichen.runtime.trials.reader import Kept

    kept = Kept(project.settings.home)
    named = [(scope_of(project, suite), suite_name(path, project)) for path, suite in suites]
    if wanted == LAST:
        found = [(scope, kept.last(scope, name)) for scope, name in named]
        return tuple(case for scope, each in found if each for case in kept.read(scope, each.begun.id).cases)
    return _of_id(kept, list(dict.fromkeys(scope for scope, _ in named)), wanted)


def _of_id(kept: Kept, scopes: Sequence[Scope], id: str) -> tuple[Tried, ...]:
    missing: LichenError | None = None
    for scope in scopes:
        try:
            return kept.read(scope, id).cases
        except NotFound as error:
            missing = error
    assert missing is not None, "a suite has a scope"
    raise missing


def _report(path: Path) -> Report:
    from lichen.evals import read_report

    try:
        return read_report(path.read_bytes(), str(path))
    except OSError as error:
        step = "Say `last`, the id of a result (`lichen eval results`), or a file of `lichen eval run --report FILE`."
        message = f"The report cannot be read: {error.strerror}."
        raise Invalid(message, code="eval_report_invalid", place=str(path), next_step=step) from None
