"""Every error leaves in the same shape, bounded and without a stack trace."""

from __future__ import annotations

import logging

import pytest

from lichen.core.words.errors import (
    Conflict,
    Corrupt,
    Denied,
    Expired,
    Invalid,
    LichenError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.api import sessions
from lichen.serve.http.errors import failure
from lichen.serve.http.exchange import BODY_BYTES_MAX
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.mark.req("SYM-97.1")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid, 400),
        (Unauthenticated, 401),
        (Denied, 403),
        (NotFound, 404),
        (Conflict, 409),
        (Expired, 410),
        (Unavailable, 503),
        (Corrupt, 500),
    ],
)
def test_each_kind_of_error_has_its_status(error: type[LichenError], status: int) -> None:
    response = failure(error("It is so.", place="here:1"))
    assert response.status_code == status
    assert b'"place":"here:1"' in response.body
    assert ("retry-after" in response.headers) == (status == 503)


@pytest.mark.req("SYM-97.1")
@pytest.mark.parametrize(
    ("path", "body", "code", "place"),
    [
        ("sessions", b'{"agnet": "x"}', "body_invalid", "$"),
        ("sessions", b'{"agent": 7}', "body_invalid", "$.agent"),
        ("sessions", b'{"channel": "NOT OK"}', "body_invalid", "$.channel"),
        ("sessions", b"{", "body_invalid", "$"),
        ("sessions", b"[" * 100_000, "body_invalid", "$"),
        ("runs", b'{"text": 7}', "body_invalid", "$.text"),
        ("approvals/run-1.w1/reconcile", b'{"outcome": "perhaps"}', "body_invalid", "$.outcome"),
    ],
)
async def test_a_body_that_is_not_as_declared_is_refused_at_its_place(
    door: Door, path: str, body: bytes, code: str, place: str
) -> None:
    answer = await door.of("acme", "ops").send("POST", path, body)
    assert (answer.status, answer.code) == (400, code)
    assert answer.data["error"]["place"] == place


@pytest.mark.req("SYM-97.1")
@pytest.mark.parametrize("query", ["limit=0", "limit=many", "limit=100000", "limt=1", "limit=1&limit=2", "wait_s=5"])
async def test_a_query_that_is_not_as_declared_is_refused(door: Door, query: str) -> None:
    answer = await door.of("acme", "ops").get(f"runs?{query}")
    assert (answer.status, answer.code) == (400, "query_invalid")


@pytest.mark.req("SYM-97.2")
async def test_a_body_above_the_bound_is_not_taken(door: Door) -> None:
    customer = door.of("acme", "customer-7")
    id = await talk.session(customer)
    long = await customer.post(f"sessions/{id}/messages", {"text": "x" * BODY_BYTES_MAX})
    assert (long.status, long.code) == (400, "message_too_large")
    most = max(route.body_bytes_max for route in sessions.ROUTES)  # a message may bring files
    answer = await customer.post(f"sessions/{id}/messages", {"text": "x" * most})
    assert (answer.status, answer.code) == (413, "body_too_large")
    other = await customer.post("runs", {"agent": "shop.support", "text": "x" * BODY_BYTES_MAX})
    assert (other.status, other.code) == (413, "body_too_large")
    assert (await customer.get(f"sessions/{id}/messages")).data == {"messages": [], "owing": False}


@pytest.mark.req("SYM-97.2")
async def test_a_body_that_is_not_json_is_not_taken(door: Door) -> None:
    answer = await door.of("acme", "customer-7").send("POST", "sessions", b"a=b", {"content-type": "text/plain"})
    assert (answer.status, answer.code) == (415, "content_type_invalid")


@pytest.mark.req("SYM-97.3")
async def test_an_error_nobody_foresaw_is_logged_and_tells_nothing(
    runtime: Runtime, door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def health(scope: Scope | None, actor: Actor) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(runtime.admin, "health", health)
    with caplog.at_level(logging.ERROR, "lichen.serve"):
        answer = await door.get("health")
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body
    assert "exception=RuntimeError" in caplog.text
    assert "a secret" not in caplog.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nowhere", 404), ("DELETE", "runs", 405)])
async def test_a_path_or_method_that_is_not_there_is_an_error_like_any_other(
    door: Door, method: str, path: str, status: int
) -> None:
    answer = await door.of("acme", "ops").send(method, path, b"")
    assert answer.status == status
    assert answer.code in ("path_unknown", "method_unknown")
