"""What came of evals, suite by suite: read from what `lichen eval` keeps, whoever wrote it, also while it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lichen.core.words.errors import Denied
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.trials.reader import Entry, Kept
from lichen.runtime.trials.views import EvalBook, ResultView, book_of, result_view

LAST: Final = "last"
NONE: Final = "none"


class Evals:
    """Reads results of evals. Raises Denied."""

    def __init__(self, access: Access, *, home: Path) -> None:
        self._access, self._kept = access, Kept(home)

    async def list(self, scope: Scope, actor: Actor, *, suite: str | None = None) -> EvalBook:
        """Every suite with its results, or the one of this name: how often cases went as expected, and no words."""
        self._access.ask("eval.list", scope, actor, EVERYTHING)
        entries = await asyncio.to_thread(self._kept.entries, scope)
        return book_of(entry for entry in entries if suite in (None, entry.begun.suite))

    async def show(self, scope: Scope, actor: Actor, id: str, *, baseline: str = LAST) -> ResultView:
        """One result beside another: `last`, the one of its suite that was finished before it, `none`, or an id.

        Raises NotFound (`eval_unknown`). What was said is left out for whoever policy does not let read it.
        """
        self._access.ask("eval.list", scope, actor, About(id))
        try:
            return await self.read(scope, actor, id, baseline=baseline)
        except Denied:
            return await self._view(scope, id, baseline, has_words=False)

    async def read(self, scope: Scope, actor: Actor, id: str, *, baseline: str = LAST) -> ResultView:
        """The same with what was said; that it is read is in the log. Raises Denied, NotFound (`eval_unknown`)."""
        self._access.ask("eval.read", scope, actor, About(id))
        self._access.ask("run.contents", scope, actor, EVERYTHING)
        view = await self._view(scope, id, baseline, has_words=True)
        self._access.open("eval.read", scope, actor, About(id), what="eval")  # once it is known to be there
        return view

    async def _view(self, scope: Scope, id: str, baseline: str, *, has_words: bool) -> ResultView:
        result = await asyncio.to_thread(self._kept.read, scope, id)
        entries = await asyncio.to_thread(self._kept.entries, scope)
        others = [entry for entry in entries if entry.begun.suite == result.begun.suite and entry.begun.id != id]
        wanted = _earlier(others, result.begun.at_us) if baseline == LAST else baseline
        before = None if wanted == NONE else await asyncio.to_thread(self._kept.read, scope, wanted)
        return result_view(result, before, others=others, has_words=has_words)


def _earlier(entries: Sequence[Entry], at_us: int) -> str:
    """The newest that was finished before this moment."""
    found = [each for each in entries if each.status == "finished" and each.begun.at_us < at_us]
    return found[0].begun.id if found else NONE
