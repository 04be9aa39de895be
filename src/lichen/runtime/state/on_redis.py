"""State on a Redis or Valkey, under Greentic's keys, each value sealed by the key of whom it is about."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any, Final, cast

import msgspec

from lichen.core.state.port import PLAIN, Change, StateKey, Stored, check_change, check_key, check_version, fqn
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Scope
from lichen.flows.text.reach import MISSING
from lichen.runtime.state.connection import Redis
from lichen.runtime.state.sealing import Sealing
from lichen.runtime.state.values import changed

TRIES_MAX: Final = 64  # of a change, while others change the same value
ONCE_MS: Final = 7 * 86_400_000  # so long it is known what was done under a `once`
SCANNED: Final = 500  # keys at a time
KEEP, CLEAR = -1, 0  # the time at which a value ends

_SET: Final = """
if ARGV[5] ~= '' and redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
local there = redis.call('GET', KEYS[1])
if (there or '') ~= ARGV[1] then return 0 end
local ttl = tonumber(ARGV[3])
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
elseif ttl > 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', ttl)
elseif ttl < 0 then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else redis.call('SET', KEYS[1], ARGV[2]) end
if ARGV[5] ~= '' then redis.call('SET', KEYS[2], '1', 'PX', ARGV[4]) end
return 1
"""
"""Sets KEYS[1] to ARGV[2], or deletes it where that is empty, if it is ARGV[1], and notes in KEYS[2] that it was."""
REFUSED, DONE = 0, 2


class RedisStates:
    """Implements `States` over one Redis, for any number of processes that share the keys it seals with."""

    def __init__(self, redis: Redis, sealing: Sealing) -> None:
        self._redis, self._sealing = redis, sealing

    async def get(self, scope: Scope, key: StateKey) -> Stored | None:
        """The value, or None."""
        check_key(scope, key)
        return self._stored(key, await self._raw(key))

    async def names(self, scope: Scope, key: StateKey) -> tuple[str, ...]:
        """The keys of the group that begin so and have a value."""
        check_key(scope, key, is_prefix=True)
        before = len(fqn(key._replace(key="")).encode())
        found = {name[before:].decode() async for names in self._named(fqn(key)) for name in names}
        return tuple(found)

    async def set(self, scope: Scope, key: StateKey, value: Any, change: Change = PLAIN) -> None:
        """Keeps a value. Where another change comes first it is made again, on what is there then."""
        check_key(scope, key)
        check_change(change)
        for _ in range(TRIES_MAX):
            if change.once and await self._is_done(key, change):
                return
            raw = await self._raw(key)
            before = self._stored(key, raw)
            check_version("" if before is None else before.version, change)
            data = changed(MISSING if before is None else before.value, change.pointer, value)
            sealed = await self._sealing.seal(scope, key.subject, fqn(key), data)
            if await self._put(key, raw, sealed, change):
                return
        raise Unavailable("Others change this value all the time.", code="state_unavailable")

    async def delete(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> None:
        """Forgets a value."""
        check_key(scope, key)
        for _ in range(TRIES_MAX):
            raw = await self._raw(key)
            before = self._stored(key, raw)
            if not (change.once and await self._is_done(key, change)):
                check_version("" if before is None else before.version, change)
            if not raw or await self._put(key, raw, b"", change):
                return
        raise Unavailable("Others change this value all the time.", code="state_unavailable")

    async def delete_prefix(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> int:
        """Forgets every value of the group whose key begins so, each in a step of its own."""
        check_key(scope, key, is_prefix=True)
        count = 0
        async for names in self._named(fqn(key)):
            count += await self._redis.ask(lambda client, names=names: client.unlink(*names))
        return count

    # -- the server ----------------------------------------------------------------------------------------------

    async def _raw(self, key: StateKey) -> bytes:
        return cast("bytes | None", await self._redis.ask(lambda client: client.get(fqn(key)))) or b""

    def _stored(self, key: StateKey, raw: bytes) -> Stored | None:
        data = self._sealing.open(fqn(key), raw) if raw else None
        return None if data is None else Stored(msgspec.json.decode(data), sha256(raw).hexdigest()[:32])

    async def _is_done(self, key: StateKey, change: Change) -> bool:
        return bool(await self._redis.ask(lambda client: client.exists(once_key(key, change))))

    async def _put(self, key: StateKey, before: bytes, data: bytes, change: Change) -> bool:
        ttl = KEEP if change.ttl_s is None else change.ttl_s * 1000
        if ttl == KEEP and self._stored(key, before) is None:
            ttl = CLEAR  # what nobody can open any more has no time left to give
        said = (before, data, ttl, ONCE_MS, change.once)
        done = await self._redis.ask(lambda client: client.eval(_SET, 2, fqn(key), once_key(key, change), *said))
        return done != REFUSED

    async def _named(self, begins: str) -> AsyncGenerator[list[bytes]]:
        """The keys on the server that begin so, some at a time."""
        cursor, pattern = 0, "".join(f"\\{sign}" if sign in "*?[]\\^" else sign for sign in begins) + "*"
        while True:
            cursor, names = await self._redis.ask(
                lambda client, cursor=cursor: client.scan(cursor=cursor, match=pattern, count=SCANNED)
            )
            if names:
                yield names
            if cursor == 0:
                return


def once_key(key: StateKey, change: Change) -> str:
    """Where it is noted that something was done."""
    named = "\x00".join((fqn(key), change.once))
    return f"lichen:once:{sha256(named.encode()).hexdigest()}"
