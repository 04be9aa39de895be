"""Tools that other processes import by name, and the meta data of a call for tests."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import threading
from pathlib import Path

from pydantic import BaseModel

from lichen.core.ports.call import RESULT_BYTES_MAX, CallMeta, Issue, NotDone
from lichen.core.words.ids import CallId, RunId, SessionId, TurnId
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.tools import WithArtifacts, tool

where = contextvars.ContextVar("where", default="nowhere")


class Receipt(BaseModel):
    order_id: str
    amount: int


def call_meta(**changes: str) -> CallMeta:
    """The meta data of the first call of run-1, made for a customer; `changes` are its attributes."""
    return CallMeta(
        scope=Scope("acme", "dev"),
        actor=Actor("agent", "shop.support", on_behalf_of=Customer("customer-7")),
        run=RunId("run-1"),
        call=CallId("c1"),
        session=SessionId("ses-1"),
        idempotency_key="run-1/c1",
        attempt=1,
        timeout_s=5.0,
        attributes=changes,
        turn=TurnId("t1"),
    )


@tool(name="samples.add", effects="none", runs="process")
def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@tool(name="samples.who", effects="none", runs="process")
async def who(*, meta: CallMeta) -> tuple[int, str, str]:
    return os.getpid(), meta.idempotency_key, meta.actor.subject.id


@tool(name="samples.read", effects="none", runs="process")
def read(*, meta: CallMeta) -> tuple[tuple[str, ...], int, bool]:
    """What the run has read."""
    return meta.label.sources, meta.label.secrecy, meta.label.is_tainted


@tool(name="samples.noisy", effects="none", runs="process")
def noisy() -> str:
    print("printed, not an answer")  # noqa: T201
    return sys.stdin.read()


@tool(name="samples.hang", runs="process")
def hang(pids: Path) -> None:
    """Starts a program of its own, says which processes there are, and never ends."""
    child = subprocess.Popen(["sleep", "60"])
    partial = pids.with_suffix(".partial")
    partial.write_text(f"{os.getpid()} {child.pid}")
    partial.rename(pids)
    threading.Event().wait()


@tool(name="samples.crash", runs="process")
def crash() -> None:
    os._exit(3)


@tool(name="samples.leave", runs="process")
def leave() -> None:
    sys.exit(3)


@tool(name="samples.refuse", runs="process")
def refuse() -> None:
    raise NotDone("The account is closed.", code="account_closed", retryable=False)


@tool(name="samples.break_down", runs="process")
def break_down(secret: str) -> None:
    raise ValueError(secret)


@tool(name="samples.overflow", runs="process")
def overflow() -> str:
    return "x" * RESULT_BYTES_MAX


def _plain(a: int) -> int:
    return a


renamed = tool(name="samples.renamed", runs="process")(_plain)


ISSUES = (Issue("/month", "invalid_range", "no such month"),)


@tool(name="samples.shown", effects="none", runs="process", artifacts={"page": list[int]})
def shown() -> WithArtifacts[str]:
    return WithArtifacts("seen", page=[1, 2])


@tool(name="samples.unknown", effects="none", runs="process")
def unknown() -> str:
    raise NotDone("There is none.", code="month_unknown", retryable=False, issues=ISSUES, recovery="correct_call")
