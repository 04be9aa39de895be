"""Tools that are handed a secret, some of which cannot keep it."""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel

from lichen import CallMeta, NotDone, Retry, Secret, tool

Key = Annotated[Secret, "payments.key"]
HEARD: dict[str, str] = {}
RELEASE = threading.Event()
DEADLINE_S = 20.0


class Done(BaseModel):
    chars: int = 0
    text: str = ""


@tool(name="till.pay", effects="once", runs="loop")
async def pay(*, key: Key) -> Done:
    HEARD["pay"] = key.reveal()
    return Done(chars=len(key.reveal()))


@tool(name="till.look", effects="none", runs="loop")
async def look(*, key: Key) -> Done:
    return Done(chars=len(key.reveal()))


@tool(name="till.block", effects="idempotent")
def block(*, key: Key, meta: CallMeta) -> Done:
    assert meta.secrets["payments.key"] is key
    return Done(chars=len(key.reveal()))


@tool(name="till.away", effects="once", runs="process")
def away(*, key: Key) -> Done:
    return Done(chars=len(key.reveal()))


@tool(name="till.plain", effects="none", runs="loop")
async def plain(*, meta: CallMeta) -> Done:
    return Done(chars=len(meta.secrets))


async def _facts(*, key: Key) -> Done:
    HEARD["facts"] = key.reveal()
    return Done(chars=1)


async def _probe(idempotency_key: str, *, key: Key) -> Done:
    HEARD["probe"] = key.reveal()
    return Done(chars=2)


@tool(name="till.lose", effects="once", runs="loop", facts=_facts, probe=_probe)
async def lose(*, meta: CallMeta) -> Done:
    assert not meta.secrets
    raise ConnectionError("lost")


@tool(name="till.flaky", effects="once", runs="loop", retry=Retry(attempts=2, backoff_s=0.01))
async def flaky(*, key: Key, meta: CallMeta) -> Done:
    if meta.attempt == 1:
        raise NotDone("Not yet.", code="busy")
    return Done(chars=len(key.reveal()))


async def _telling_probe(idempotency_key: str, *, key: Key) -> Done:
    return Done(text=key.reveal())


async def _failing_probe(idempotency_key: str, *, key: Key) -> Done:
    raise ConnectionError(f"no answer for {key.reveal()}")


@tool(name="till.probe_tell", effects="once", runs="loop", probe=_telling_probe)
async def probe_tell() -> Done:
    raise ConnectionError("lost")


@tool(name="till.probe_raise", effects="once", runs="loop", probe=_failing_probe)
async def probe_raise() -> Done:
    raise ConnectionError("lost")


# -- those that cannot keep it -----------------------------------------------------------------------------------


@tool(name="till.tell", effects="none", runs="loop")
async def tell(*, key: Key) -> Done:
    return Done(text=key.reveal())


@tool(name="till.field", effects="none", runs="loop")
async def field(*, key: Key) -> dict[str, Any]:
    return {"headers": [{f"Bearer {key.reveal()}": 1}]}


@tool(name="till.spelled", effects="none", runs="loop")
async def spelled(*, key: Key) -> dict[str, str]:
    value = key.reveal()
    data = value.encode()
    return {"a": b64encode(data).decode(), "b": quote(value, safe=""), "c": data.hex(), "d": repr(value)}


@tool(name="till.raise", effects="none", runs="loop")
async def fail(*, key: Key) -> Done:
    try:
        raise ConnectionError(f"POST https://pay.example/?key={quote(key.reveal(), safe='')}")
    except ConnectionError as error:
        raise RuntimeError(f"refused for {key.reveal()}") from error


@tool(name="till.refuse", effects="once", runs="loop")
async def refuse(*, key: Key) -> Done:
    raise NotDone(f"The provider refused {key.reveal()}.", retryable=False)


@tool(name="till.code", effects="once", runs="loop")
async def code(*, key: Key) -> Done:
    raise NotDone("Refused.", code=key.reveal(), retryable=False)


@tool(name="till.foreign_code", effects="once", runs="loop")
async def foreign_code(*, key: Key) -> Done:
    raise NotDone("Refused.", foreign_code=key.reveal(), retryable=False)


@tool(name="till.class", effects="none", runs="loop")
async def class_(*, key: Key) -> Done:
    raise type(key.reveal(), (Exception,), {})("refused")


@tool(name="till.key_error", effects="none", runs="loop")
async def key_error(*, key: Key) -> Done:
    return {}[key.reveal()]  # type: ignore[return-value]


@tool(name="till.away_raise", effects="none", runs="process")
def away_raise(*, key: Key) -> Done:
    raise RuntimeError(f"refused for {key.reveal()}")


@tool(name="till.quit", effects="none", runs="process")
def leave(*, key: Key) -> Done:
    raise SystemExit(f"{key.reveal()}")


async def _telling(*, key: Key) -> Done:
    return Done(text=f"found for {key.reveal()}")


@tool(name="till.facts_tell", effects="none", runs="loop", facts=_telling)
async def facts_tell() -> Done:
    return Done()


@tool(name="till.late", effects="once", timeout_s=0.2)
def late(*, key: Key) -> Done:
    RELEASE.wait(DEADLINE_S)
    return Done(text=key.reveal())


TOOLS = [
    pay, look, block, away, plain, lose, flaky, tell, field, spelled, fail, refuse, code, foreign_code, class_,
    away_raise, key_error, leave, facts_tell, late, probe_tell, probe_raise,
]  # fmt: skip
