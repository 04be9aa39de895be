"""The connection to a Redis, made when it is first needed, and what its errors mean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, Final, TypeVar

from lichen.core.words.errors import Invalid, LichenError, Unavailable

T = TypeVar("T")

ANSWER_S: Final = 3.0
CONNECTIONS_MAX: Final = 32
EXTRA: Final = "redis"


class Redis:
    """A Redis or Valkey at the address that a reference leads to: `env:VARIABLE`."""

    def __init__(self, reference: str, environ: Mapping[str, str]) -> None:
        self._reference, self._environ = reference, environ
        self._made: Any = None

    async def ask(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What it answers. Raises Unavailable (`state_unavailable`), Invalid (`state_extra_missing`, `state_unset`)."""
        client = self._client()
        try:
            return await work(client)
        except LichenError:
            raise
        except Exception:  # noqa: BLE001 - what it says in an error may be what was kept
            step = "See that it runs, and that the address is right; it is asked again at the next use."
            raise Unavailable("The store of state does not answer.", code="state_unavailable", next_step=step) from None

    async def close(self) -> None:
        """Lets go of its connections."""
        if self._made is not None:
            await self._made.aclose()
            self._made = None

    def _client(self) -> Any:
        if self._made is None:
            self._made = self._opened()
        return self._made

    def _opened(self) -> Any:
        try:
            library = import_module("redis.asyncio")
        except ModuleNotFoundError:
            step = f"Install Lichen with its extra `{EXTRA}`, in a clone with `pip install '.[{EXTRA}]'`."
            message = "The library for state on Redis is not installed."
            raise Invalid(message, code="state_extra_missing", next_step=step) from None
        url = self._environ.get(self._reference.removeprefix("env:"), "")
        if not url:
            step = f"Set {self._reference.removeprefix('env:')}, such as rediss://user:password@host:6379/0."
            raise Invalid("Nothing says where the store of state is.", code="state_unset", next_step=step)
        try:
            return library.Redis.from_url(
                url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, max_connections=CONNECTIONS_MAX
            )
        except ValueError:
            step = f"Give {self._reference.removeprefix('env:')} as redis://, rediss:// or unix://."
            raise Invalid("This is no address of a Redis.", code="state_unset", next_step=step) from None
