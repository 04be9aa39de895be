"""Definitions that are called with what they do not take: told with what they do, where somebody wrote the call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Concatenate, ParamSpec, TypeVar

from lichen.core.words.errors import Invalid
from lichen.tools.spec import written_at

P = ParamSpec("P")
S = TypeVar("S")
Init = Callable[Concatenate[S, P], None]


def refuses_misuse(
    what: str, code: str
) -> Callable[[Callable[Concatenate[S, P], None]], Callable[Concatenate[S, P], None]]:
    """For an `__init__`: Python's own TypeError about its arguments becomes Invalid with this code, which says what may
    be written. `what` is the name of the class. A TypeError from within goes through."""

    def telling(init: Init[S, P]) -> Init[S, P]:
        @functools.wraps(init)
        def called(self: S, /, *given: P.args, **options: P.kwargs) -> None:
            try:
                init(self, *given, **options)
            except TypeError:
                signature = inspect.signature(init)
                try:
                    signature.bind(self, *given, **options)
                except TypeError as mismatch:
                    raise _misuse(what, code, signature, given, options, mismatch) from None
                raise

        return called

    return telling


def _misuse(
    what: str,
    code: str,
    signature: inspect.Signature,
    given: Sequence[object],
    options: Mapping[str, object],
    mismatch: TypeError,
) -> Invalid:
    parameters = list(signature.parameters.values())[1:]
    placed = [each.name for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    names = [each.name for each in parameters]
    unknown = next((name for name in options if name not in names), None)
    if unknown is not None:
        near = get_close_matches(unknown, names, 1)
        message, step = f"{what} has no option {unknown!r}.", f"Use some of: {', '.join(names)}."
        step = f"Write {near[0]}=." if near else step
    elif len(given) > len(placed):
        named = next((name for name in names[len(placed) :] if name not in options), names[-1])
        message = f"{what} takes nothing but {' and '.join(placed)} without a name."
        step = f"Name the others: {what}(..., {named}={_written(named, given[len(placed)])})."
    else:
        message, step = f"{what}: {mismatch}.", f"It takes: {', '.join(names)}."
    return Invalid(message, code=code, next_step=step, place=written_at())


def _written(name: str, value: object) -> str:
    """The value as it might have been meant under this name."""
    text = f'"{value}"' if isinstance(value, str) else "..."
    return f"LLMPlanner({text})" if name == "planner" and isinstance(value, str) else text
