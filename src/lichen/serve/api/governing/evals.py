"""What came of evals, as `lichen eval` keeps it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.runtime.operations.governing.evals import LAST
from lichen.runtime.trials.views import EvalBook, ResultView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange


class OfSuite(Body, frozen=True):
    """Of this suite alone, which is the file as the project names it."""

    suite: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class Beside(Body, frozen=True):
    """Beside which result: `last` is the one before it, `none` is none, else an id."""

    baseline: Annotated[str, msgspec.Meta(max_length=80)] = LAST


async def listing(x: Exchange) -> EvalBook:
    """The suites of evals of which results are kept, with how often their cases went as expected, time after time."""
    return await x.runtime.evals.list(x.scope, x.actor, suite=x.query(OfSuite).suite)


async def show(x: Exchange) -> ResultView:
    """One result, case by case, beside another; with what was said in trials that failed, for who may read that."""
    return await x.runtime.evals.show(x.scope, x.actor, x.part("eval"), baseline=x.query(Beside).baseline)


ROUTES = (
    ApiRoute("GET", "evals", "eval.list", listing, query=OfSuite),
    ApiRoute("GET", "evals/{eval}", "eval.list", show, query=Beside, fails=(404,)),
)
