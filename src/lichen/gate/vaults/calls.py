"""How stores are called: in threads of their own, few of them, through libraries that are imported when one is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from lichen.core.words.errors import Invalid, NotFound, Unavailable

T = TypeVar("T")

CALLS_MAX: Final = 8  # at once
CONNECT_S, ANSWER_S = 2.0, 3.0  # of one request


class Unreached(Unavailable):
    """A store did not answer, or said that it cannot just now: what it said last may still be true."""

    code = "secret_store_unavailable"
    next_step = "It is asked again at the next use; `lichen doctor` names the secrets that are not to be had."


class Threads:
    """The threads in which stores are called, so that one that hangs holds up nothing else."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """What a call that blocks gives."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix="lichen-secrets")
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Begins no call any more. One that is under way ends by its own timeout."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def library(module: str, extra: str, *chatty: str) -> Any:
    """A client library. The loggers `chatty`, which would tell what was answered, tell nothing below warnings.

    Raises Invalid (`secrets_extra_missing`).
    """
    try:
        found = import_module(module)
    except ModuleNotFoundError:
        step = f"Install Lichen with its extra `{extra}`, in a clone with `pip install '.[{extra}]'`."
        message = "The library for this source of secrets is not installed."
        raise Invalid(message, code="secrets_extra_missing", next_step=step) from None
    for name in chatty:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return found


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own: the only one that is reached without TLS."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def unknown(what: str) -> NotFound:
    """The error for a secret that a store has not."""
    step = "Put it there, or name another source for it in lichen.toml."
    return NotFound(f"{what} has no such secret.", code="secret_unknown", next_step=step)


def refused(what: str) -> Unavailable:
    """The error for a store that does not let us read. What was read earlier is not used any more."""
    step = f"Let the identity that Lichen signs in with read this secret in {what}, or correct how it signs in."
    return Unavailable(f"{what} does not let this secret be read.", code="secret_store_unavailable", next_step=step)


def unreached(what: str) -> Unreached:
    """The error for a store that cannot tell just now."""
    return Unreached(f"{what} does not answer.")
