"""Tests with `await` in them, for suites without a plugin that runs these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def as_sync(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same test as a plain function, run in an event loop of its own. Its fixtures and parameters stay."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return asyncio.run(test(*args, **kwargs))

    return run
