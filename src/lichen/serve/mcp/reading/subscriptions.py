"""Who is told when a run changes: by a subscription of a session, or by a request that listens (revision of 2026)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Final

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import RunId
from lichen.engine.pace.race import race
from lichen.serve.http.limits import Slots
from lichen.serve.mcp.reading.resources import find
from lichen.serve.mcp.visit import Context, House, Visit, session_of

MOST, MOST_EACH = 1_000, 16
LISTENED_MAX: Final = 16  # addresses of one request
FOLLOWED: Final = ("run", "records")


class Subscriptions:
    """Follows runs for whoever may read their records, until they unsubscribe, leave, or may not any more."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._slots = Slots(most=MOST, most_each=MOST_EACH)
        self._following: dict[tuple[Any, str], asyncio.Task[None]] = {}

    async def subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        """The session is told of every change from now on. Raises Invalid (`resource_unfollowed`), Denied, TooMany."""
        visit = self._house.visit(ctx)
        run = _run(visit, params.uri)
        name = (session_of(visit.connection), params.uri)
        if name in self._following:
            return EmptyResult()
        self._slots.check(visit.actor.auth)
        feed = changes(visit, run)

        async def follow() -> None:
            with self._slots.holding(visit.actor.auth):
                async with aclosing(feed):
                    async for _ in feed:
                        await ctx.session.send_resource_updated(params.uri)

        task = asyncio.ensure_future(follow())
        self._following[name] = task
        task.add_done_callback(lambda _: self._following.pop(name, None))
        return EmptyResult()

    async def unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """The session is told no more."""
        visit = self._house.visit(ctx)
        task = self._following.pop((session_of(visit.connection), params.uri), None)
        if task is not None:
            task.cancel()
        return EmptyResult()

    async def listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Tells of changes as long as the request lasts. What cannot be followed is not acknowledged."""
        visit = self._house.visit(ctx)
        uris = self._followed(visit, params.notifications.resource_subscriptions or [])
        honored = SubscriptionFilter(resource_subscriptions=uris or None)
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=honored, _meta=meta)
        with self._slots.holding(visit.actor.auth):
            await ctx.session.send_notification(
                SubscriptionsAcknowledgedNotification(params=acknowledged), related_request_id=ctx.request_id
            )
            follows = [asyncio.ensure_future(_follow(ctx, visit, uri, meta)) for uri in uris]
            try:
                await race({"closing": visit.closing.wait(), **{f"{n}": f for n, f in enumerate(follows)}})
            finally:
                for follow in follows:
                    follow.cancel()
        return SubscriptionsListenResult(_meta=meta)

    def _followed(self, visit: Visit, uris: list[str]) -> list[str]:
        self._slots.check(visit.actor.auth)
        found: list[str] = []
        for uri in uris[:LISTENED_MAX]:
            with suppress(Denied, Invalid):
                _run(visit, uri)
                found.append(uri)
        return found


async def _follow(ctx: Context, visit: Visit, uri: str, meta: dict[str, Any]) -> None:
    async with aclosing(changes(visit, _run(visit, uri))) as feed:
        async for _ in feed:
            updated = ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
            await ctx.session.send_notification(
                ResourceUpdatedNotification(params=updated), related_request_id=ctx.request_id
            )


def _run(visit: Visit, uri: str) -> RunId:
    """The run that an address is about, for whoever may read its records. Raises Invalid, Denied, NotFound."""
    kind, part = find(visit, uri)
    if kind.name not in FOLLOWED:
        step = "Subscribe to a run: lichen://runs/RUN."
        raise Invalid("Nobody is told when this changes.", code="resource_unfollowed", next_step=step)
    visit.runtime.runs.follow(visit.scope, RunId(part), visit.actor)
    return RunId(part)


async def changes(visit: Visit, run: RunId) -> AsyncGenerator[None]:
    """Once for each record of a run from now on; ends with the run, the server, or the caller's name."""
    log = visit.runtime.log(visit.scope)
    feed = visit.runtime.runs.follow(visit.scope, run, visit.actor)
    with visit.runtime.register.holding(*visit.caller.names(visit.runtime)) as ended:
        async with aclosing(feed.records(log.durable_seq)) as records:
            while True:
                coming = asyncio.ensure_future(anext(records, None))
                try:
                    first = await race({"record": coming, "closing": visit.closing.wait(), "ended": ended.wait()})
                except Denied:
                    return
                record = coming.result() if first == "record" else None
                if record is None:
                    return
                yield None
                if feed.is_end(record):
                    return
