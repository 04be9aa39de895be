"""Readings of much: whoever reads a long log, conversation or run holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen import Agent, Runtime, Scope
from lichen.core.words.scope import Customer
from lichen.log.sqlite.store import SqliteReading
from lichen.runtime.project.project import Project
from lichen.serve.site import make_site
from lichen.settings import Settings, Tenant
from tests.serve.browser import browser, issue
from tests.serve.widget import Echo

ACME = Scope("acme", "dev")
MESSAGES = 150
ROWS_MAX = 64  # that one query may bring on the loop


def project_in(home: Path) -> Project:
    settings = Settings(home, home / "data", {"acme": Tenant(agent="shop.echo")})
    return Project(settings, (Agent("shop.echo", planner=Echo()),))


@pytest.fixture
async def session(tmp_path: Path) -> str:
    """A conversation of many messages, of which a new process remembers nothing."""
    async with Runtime.of(project_in(tmp_path)) as runtime:
        session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.echo")
        for i in range(MESSAGES):
            turn = await session.say(str(i))
            if i % 50 == 49:
                await turn.result()
                for message in await session.pending():
                    await session.delivered(message.id)
        await runtime.idle()
    return session.id


@contextmanager
def rows_on_the_loop() -> Generator[dict[str, int]]:
    """How many rows each query brought at most on this thread, which is the loop's."""
    found: dict[str, int] = {}
    loop = threading.get_ident()

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, query: str, *values: Any) -> Any:
            rows = list(method(self, query, *values))
            if threading.get_ident() == loop:
                found[query] = max(found.get(query, 0), len(rows))
            return rows

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rows", "each"):
            patch.setattr(SqliteReading, name, noting(vars(SqliteReading)[name]))
        yield found


@pytest.mark.req("LIC-17.3")
@pytest.mark.parametrize(
    "path", ["sessions/{session}/messages", "sessions/{session}", "sessions", "log/records?limit=500"]
)
async def test_no_query_on_the_loop_brings_much_of_what_is_long(tmp_path: Path, session: str, path: str) -> None:
    async with Runtime.of(project_in(tmp_path)) as runtime:
        await runtime.idle()
        headers = {"authorization": f"Bearer {issue(runtime)}"}
        async with browser(make_site(runtime)) as client:
            with rows_on_the_loop() as found:
                answer = await client.get(f"/api/v1/{path.format(session=session)}", headers=headers)
    assert answer.status_code == 200
    assert {query: count for query, count in found.items() if count > ROWS_MAX} == {}
