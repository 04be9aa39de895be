"""How much there is of what, for Prometheus: counted at the door, or read from the runtime when somebody asks.

No label holds anything a tenant or a stranger chose, so the number of series is bounded by the routes.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lichen.core.words.wait import OUTCOMES
from lichen.runtime.operations.admin import Models, Room, Tools, WaitingReplies
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.story.replies import REASONS
from lichen.serve.http.limits import loop_time

UNMATCHED = "unmatched"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The figures of one door."""

    def __init__(self, runtime: Runtime) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Runtime(runtime))
        self.requests = Counter(
            "lichen_http_requests", "Requests that were answered.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "lichen_http_request_seconds", "How long answers took.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self.websockets = Gauge("lichen_websockets_open", "WebSockets open now.", registry=self.registry)
        self._counted: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        found = self._counted.get((route, status))
        if found is None:
            found = self.requests.labels(route, status), self.seconds.labels(route)
            self._counted[route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def routes(self) -> list[BaseRoute]:
        """`/metrics`."""
        return [Route("/metrics", self._show)]

    async def _show(self, request: Request) -> Response:
        return Response(generate_latest(self.registry), headers={"content-type": CONTENT_TYPE_LATEST})


class Metered:
    """Counts the requests of an application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._names: dict[int, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does."""
        if not self._names:
            _name(scope["app"].routes, self._names)
        if scope["type"] == "websocket":
            with self._metrics.websockets.track_inprogress():
                await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._measured(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, begun = 500, loop_time()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = self._names.get(id(scope.get("route")), UNMATCHED)
            self._metrics.count(route, status, loop_time() - begun)


def _name(routes: Iterable[BaseRoute], names: dict[int, str], prefix: str = "") -> None:
    """Notes the whole path of every route by the route's identity; of one that is mounted twice, the first."""
    for route in routes:
        if isinstance(route, Mount):
            _name(route.routes, names, prefix + route.path)
        elif isinstance(route, Route):
            names.setdefault(id(route), prefix + route.path)


class _Runtime(Collector):
    """What the runtime knows of itself."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Metric]:
        """Everything as it is now."""
        totals = self._runtime.totals()
        health = totals.health
        yield _gauge("lichen_runs_driven", "Runs and sessions at work now.", health.driven)
        yield _gauge("lichen_timers", "Timers that are set.", health.timers)
        yield _gauge("lichen_volume_readonly", "1 while the volume cannot write.", int(health.status == "readonly"))
        yield _gauge("lichen_records_queued", "Records that are not durable yet.", totals.queued_rows)
        yield _counter("lichen_records", "Durable records of all logs.", totals.durable)
        yield _counter("lichen_commits", "Commits of this process: each is one fsync.", totals.commits)
        yield _places(health.places)
        yield from _models(health.models)
        yield _tools(health.tools)
        waits = GaugeMetricFamily("lichen_waits_open", "Open waits of runs.", labels=("kind",))
        for kind in OUTCOMES:
            waits.add_metric((kind,), totals.waits.get(kind, 0))
        yield waits
        letters = GaugeMetricFamily("lichen_letters", "Messages that got stuck and nobody settled.", labels=("state",))
        for state in ("dead", "failed", "in_doubt"):
            letters.add_metric((state,), sum(getattr(each, state) for each in health.letters))
        yield letters
        yield from _replies(health.replies, self._runtime.engine.services.clock())


def _replies(waiting: Iterable[WaitingReplies], now_us: int) -> Iterable[Metric]:
    """Messages that wait for another attempt, by kinds of channels and reasons of our own."""
    count: Counted[tuple[str, str]] = Counted()
    oldest_us: dict[tuple[str, str], int] = {}
    resting: Counted[str] = Counted()
    for each in waiting:
        key = each.kind or "none", each.code if each.code in REASONS else "other"
        count[key] += each.count
        oldest_us[key] = min(oldest_us.get(key, each.since_us), each.since_us)
        resting[key[0]] += each.code == "platform_resting"
    labels = ("channel", "reason")
    pending = GaugeMetricFamily("lichen_replies_waiting", "Replies that wait for another attempt.", labels=labels)
    ages = GaugeMetricFamily("lichen_replies_oldest_seconds", "How long the oldest of them does.", labels=labels)
    for key, waits in count.items():
        pending.add_metric(key, waits)
        ages.add_metric(key, max(0, now_us - oldest_us[key]) / 1e6)
    shut = GaugeMetricFamily("lichen_channels_resting", "Channels whose platform is left alone.", labels=("channel",))
    for kind, channels in resting.items():
        shut.add_metric((kind,), channels)
    yield from (pending, ages, shut)


def _places(rooms: Iterable[Room]) -> Metric:
    places = GaugeMetricFamily("lichen_places", "Places that tools run in.", labels=("kind", "state"))
    for room in rooms:
        for state, count in (("used", room.used), ("given_up", room.given_up), ("waiting", room.waiting)):
            places.add_metric((room.kind, state), count)
    return places


def _tools(tools: Tools) -> Metric:
    shut = GaugeMetricFamily("lichen_tools_shut", "Tools that failed again and again.", labels=("state",))
    for state, count in (("open", tools.open), ("half_open", tools.half_open)):
        shut.add_metric((state,), count)
    return shut


def _models(models: Models) -> Iterable[Metric]:
    requests = GaugeMetricFamily("lichen_model_requests", "Requests to models over a network.", labels=("state",))
    for state, count in (("in_flight", models.in_flight), ("waiting", models.waiting)):
        requests.add_metric((state,), count)
    yield requests
    ways = GaugeMetricFamily("lichen_model_ways_shut", "Ways to models that are not used freely.", labels=("state",))
    for state, count in (("closed", models.closed), ("open", models.open), ("half_open", models.half_open)):
        ways.add_metric((state,), count)
    yield ways
    yield _gauge("lichen_model_processes", "Processes that share the ways to models.", models.processes)


def _gauge(name: str, described: str, value: float) -> Metric:
    return GaugeMetricFamily(name, described, value=value)


def _counter(name: str, described: str, value: float) -> Metric:
    return CounterMetricFamily(name, described, value=value)
