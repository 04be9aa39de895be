"""What tests of the console need: its routes behind a login, a signed-in operator, and a shop where things happened."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware

from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.runtime.runtime import Runtime
from lichen.runtime.trials.keeper import Keeper
from lichen.runtime.trials.result import Begun, Calibrated, Judged, Line, Made, Miss, Spent, Trial, Versions
from lichen.serve.console import console_routes
from lichen.serve.http.headers import NOBODY, SecurityHeaders
from lichen.serve.http.login import Login
from lichen.serve.http.state import Site
from tests.serve.browser import browser, enter, issue

ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
OPS = Operator("ops", ("operator",))
LARGE = "I want a refund of 80 EUR for order 1042."


def site(runtime: Runtime) -> Starlette:
    login = Login(runtime)
    app = Starlette(
        routes=[*login.routes(), *console_routes(runtime, login)],
        middleware=[Middleware(SecurityHeaders, frames=lambda path: NOBODY)],
    )
    return Site().of(app)


@asynccontextmanager
async def signed_in(runtime: Runtime, tenant: str = "acme") -> AsyncGenerator[httpx.AsyncClient]:
    async with browser(site(runtime)) as client:
        assert (await enter(client, issue(runtime, tenant))).status_code == 303
        yield client


async def said(runtime: Runtime, text: str, who: Actor | None = None, scope: Scope = ACME) -> str:
    """Says something to the shop's agent and waits until nothing is in flight. Returns the run."""
    session = await runtime.sessions.open(scope, who or Customer("customer-7"), agent="shop.support", key="chat")
    turn = await session.say(text)
    run = await turn.run()
    await turn.result()
    await runtime.idle()
    return run


async def held(runtime: Runtime) -> str:
    """The id of an approval that waits in acme."""
    await said(runtime, LARGE)
    return runtime.waits.list(ACME, SYSTEM)[-1].id


def kept(runtime: Runtime, text: str) -> None:
    """Two results of evals, in which this was said; the second is worse."""
    versions = Versions("1", "2", "3", {"shop.support": ("echo:",)}, "echo:")
    good = Trial((), Spent(2, 30, 400), (Line(text, (text,)),), judge=Spent(0, 10, 70))
    call = Made("orders.lookup", "{}", "allow", "ok")
    missed = (Miss("/turn/0/answer/contains/0", f"{text!r} is not in it.", text),)
    bad = Trial(missed, Spent(2), (Line(text, (text,), (call,)),), (Judged(0, 0.2, 0.5, text),))
    for number, trials in enumerate(([good] * 5, [bad] * 5)):
        id = f"eval-{number:016x}"
        begun = Begun(id, f"evals/{text[:20]}.toml", "acme", "dev", 1 + number, {text: 5}, versions)
        keeper = Keeper(runtime.home, begun, clock=lambda: 10**6, broken=lambda error: None)
        keeper.judge(Calibrated(0.5, 0.8, 4, 0.5, None))
        for trial in trials:
            keeper.trial(text, trial)
        keeper.end("finished")
        keeper.close()


async def token(client: httpx.AsyncClient, path: str) -> str:
    """What a form of the page carries to prove that it is ours."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', (await client.get(path)).text)
    assert found is not None
    return found[1]


async def answer(client: httpx.AsyncClient, wait: str, outcome: str, **changes: str) -> httpx.Response:
    """Sends the form of the wait's page."""
    page = (await client.get(f"/console/approvals/{wait}")).text
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', page)
    fields = {
        "csrf_token": await token(client, "/console/runs"),
        "digest": digest[1] if digest else "00",
        "outcome": outcome,
        "note": "",
        **changes,
    }
    return await client.post(f"/console/approvals/{wait}/answer", data=fields)
