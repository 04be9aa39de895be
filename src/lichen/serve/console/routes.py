"""Where everything of the console is, and what all of it has in common: who may, which shape, what errors look like."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from lichen.core.words.errors import Conflict, Denied, LichenError, Unauthenticated
from lichen.gate.rules.schema import Action
from lichen.runtime.runtime import Runtime
from lichen.serve.console import agents, approvals, handovers, health, log, run, runs, sessions, signin
from lichen.serve.console.channels import channels, letters
from lichen.serve.console.governing import costs, evals, keys, meters, policies, schedules, tools
from lichen.serve.console.picture import picture
from lichen.serve.console.visit import Act, Drawn, Outcome, Page, Visit
from lichen.serve.http.auth import Caller
from lichen.serve.http.errors import INTERNAL, JSON, failure
from lichen.serve.http.exchange import load, read_form
from lichen.serve.http.lines import broken
from lichen.serve.http.login import CSRF_FIELD, Login
from lichen.serve.page import html
from lichen.serve.page.assets import static_routes

PREFIX = "/console"
STATIC = ("console.css", "console.js", "theme.js", "mark.svg")

PAGES = (
    Page("runs", "run.read", runs.show, "console/runs.html"),
    Page("runs/{run}", "run.read", run.show, "console/run.html", run.drawing),
    Page("approvals", "wait.read", approvals.inbox, "console/approvals.html"),
    Page("approvals/{wait}", "wait.read", approvals.show, "console/approval.html"),
    Page("handovers", "wait.read", handovers.listing, "console/handovers.html"),
    Page("handovers/{wait}", "wait.read", handovers.show, "console/handover.html"),
    Page("sessions", "session.list", sessions.listing, "console/sessions.html"),
    Page("sessions/{session}", "session.read", sessions.show, "console/session.html"),
    Page("letters", "letter.read", letters.listing, "console/letters.html"),
    Page("letters/{letter}", "letter.read", letters.show, "console/letter.html"),
    Page("channels", "channel.read", channels.listing, "console/channels.html", channels.strips),
    Page("channels/{name}", "channel.read", channels.show, "console/channel.html", channels.drawing),
    Page("log", "log.read", log.show, "console/log.html"),
    Page("agents", "agent.read", agents.listing, "console/agents.html"),
    Page("agents/{name}", "agent.read", agents.show, "console/agent.html", agents.drawing),
    Page("policies", "policy.read", policies.show, "console/policies.html"),
    Page("tools", "tool.read", tools.listing, "console/tools.html"),
    Page("tools/{tool}", "tool.read", tools.show, "console/tool.html"),
    Page("schedules", "schedule.read", schedules.listing, "console/schedules.html", schedules.strips),
    Page("schedules/{name}", "schedule.read", schedules.show, "console/schedule.html", schedules.drawing),
    Page("keys", "key.read", keys.listing, "console/keys.html"),
    Page("meters", "run.read", meters.listing, "console/meters.html"),
    Page("costs", "run.read", costs.show, "console/costs.html", costs.drawing),
    Page("evals", "eval.list", evals.listing, "console/evals.html", evals.plots),
    Page("evals/{eval}", "eval.list", evals.show, "console/eval.html", evals.bars),
    Page("health", "health.read", health.show, "console/health.html"),
)
ACTS = (
    Act("runs/{run}/cancel", "run.cancel", run.cancel),
    Act("runs/{run}/pause", "run.pause", run.pause),
    Act("runs/{run}/resume", "run.resume", run.resume),
    Act("approvals/{wait}/answer", "wait.answer", approvals.answer),
    Act("handovers/{wait}/take", "wait.answer", handovers.take),
    Act("handovers/{wait}/reply", "wait.answer", handovers.reply),
    Act("letters/{letter}/settle", "letter.replay", letters.settle),
    Act("sessions/{session}/erase", "log.erase", sessions.erase),
    Act("log/verify", "log.verify", log.verify),
    Act("policies/why", "policy.read", policies.why),
    Act("policies/test", "policy.read", policies.test),
    Act("tools/look", "tool.look", tools.look),
    Act("tools/{tool}/judge", "tool.review", tools.judge),
    Act("schedules/{name}/steer", "schedule.run", schedules.steer),
    Act("keys/issue", "key.issue", keys.issue),
    Act("keys/{id}/revoke", "key.revoke", keys.revoke),
    Act("stops", "stop.set", agents.stop),
    Act("stops/release", "stop.clear", agents.start),
)

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger("lichen.serve")


def console_routes(runtime: Runtime, login: Login) -> list[BaseRoute]:
    """The console's pages, each with a `.json` twin, its forms, the page to sign in with, and its static files."""
    console = _Console(runtime, login)
    take = Route("/log/export", console.download("log.export", log.take), methods=["GET"])
    kept = "/sessions/{session}/attachments/{n:int}/{i:int}"
    file = Route(kept, console.download("session.read", sessions.take), methods=["GET"])
    twins = [Route(f"/{page.path}.json", console.twin(page), methods=["GET"]) for page in PAGES]
    pages = [Route(f"/{page.path}", console.page(page), methods=["GET"]) for page in PAGES]
    acts = [Route(f"/{act.path}", console.act(act), methods=["POST"]) for act in ACTS]
    return [
        *signin.signin_routes(login),
        Route(PREFIX, _home, methods=["GET"]),
        Mount(PREFIX, app=Router([take, file, *twins, *pages, *acts], redirect_slashes=False)),
        *static_routes(*STATIC),
    ]


class _Console:
    """Wraps every handler once."""

    def __init__(self, runtime: Runtime, login: Login) -> None:
        self._runtime, self._login = runtime, login

    def twin(self, page: Page) -> Endpoint:
        """The page's view as JSON."""

        async def endpoint(request: Request) -> Response:
            try:
                visit = await self._visit(request, page.access, {})
                return Response(msgspec.json.encode(await page.show(visit)), media_type=JSON)
            except LichenError as error:
                return failure(error)

        return endpoint

    def page(self, page: Page) -> Endpoint:
        """The page's view as people read it."""

        async def look(visit: Visit, request: Request) -> Response:
            view = await page.show(visit)
            return self._drawn(page.template, visit, request, view, svg=page.draw(visit, view))

        return self._guarded(page.access, look)

    def download(self, access: Action, take: Callable[[Visit], Awaitable[Response]]) -> Endpoint:
        """A file."""

        async def fetch(visit: Visit, request: Request) -> Response:
            return await take(visit)

        return self._guarded(access, fetch)

    def act(self, act: Act) -> Endpoint:
        """What a form does, once its token is compared; then where to go on."""

        async def do(visit: Visit, request: Request) -> Response:
            outcome: Outcome = await act.do(visit)
            if outcome.address:
                return RedirectResponse(outcome.address, 303)
            return self._drawn(outcome.template, visit, request, outcome.view)

        return self._guarded(act.access, do)

    def _guarded(self, access: Action, handle: Callable[[Visit, Request], Awaitable[Response]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            visit: Visit | None = None
            try:
                form = await self._form(request)
                visit = await self._visit(request, access, form)
                return await handle(visit, request)
            except Unauthenticated:
                return RedirectResponse(signin.address(request), 303)
            except LichenError as error:
                return self._failed(request, visit, error)
            except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
                broken("console page", error)
                return self._failed(request, visit, INTERNAL)

        return endpoint

    async def _form(self, request: Request) -> Mapping[str, str]:
        if request.method != "POST":
            return {}
        form = await read_form(request)
        if self._login.caller(request) is not None:
            self._login.check_csrf(request, form.get(CSRF_FIELD))
        return form

    async def _visit(self, request: Request, access: Action, form: Mapping[str, str]) -> Visit:
        caller = self._login.caller(request)
        if caller is None:
            raise Unauthenticated("Nobody is signed in.", code="key_missing", next_step="Sign in at /login.")
        caller.require(access)
        await load(self._runtime, caller, request.path_params)
        return Visit(self._runtime, request, caller, form)

    def _drawn(self, template: str, visit: Visit, request: Request, view: Any, *, svg: Drawn = None) -> Response:
        return html.page(template, view=view, svg=svg, picture=picture, **self._frame(request, visit.caller))

    def _failed(self, request: Request, visit: Visit | None, error: LichenError) -> Response:
        caller = visit.caller if visit is not None else self._login.caller(request)
        if caller is None:
            return failure(error)
        closed = approvals.closed(visit, error) if visit is not None and isinstance(error, Conflict) else None
        frame = self._frame(request, caller)
        return html.page("console/failed.html", status=error.status, error=error, closed=closed, **frame)

    def _frame(self, request: Request, caller: Caller) -> dict[str, Any]:
        """What every page's frame shows."""
        scope, actor, runtime = caller.scope(), caller.actor(), self._runtime
        return {
            "caller": caller,
            "csrf": self._login.csrf(request),
            "path": request.url.path,
            "now": self._runtime.engine.services.clock(),
            "waiting": _known(lambda: runtime.waits.waiting(scope, actor), None),
            "offered": _known(lambda: runtime.tools.waiting(scope, actor), 0),
            "stuck": _known(lambda: sum(runtime.letters.counts(scope, actor).values()), 0),
            "readonly": _known(lambda: runtime.admin.health(scope, actor).status == "readonly", False),
            "stops": _known(lambda: runtime.stops.list(scope, actor), ()),
        }


def _known(ask: Callable[[], T], otherwise: T) -> T:
    """What whoever looks may know, on every page; something else where policy keeps it from them."""
    try:
        return ask()
    except Denied:
        return otherwise


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/runs")
