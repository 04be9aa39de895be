"""Secrets over the API: kept and listed by operators, and in no answer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lichen.core.words.scope import Actor, ActorKind
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.runtime.test_secrets import NAME, OPS, SCOPE, VALUE, agent
from tests.serve.asgi import Door


@pytest_asyncio.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with Runtime.open(tmp_path / "home", agents=[agent()]) as opened:
        yield opened


async def keyed(runtime: Runtime, kind: ActorKind = "operator") -> Door:
    key = await runtime.keys.issue(SCOPE, Actor(kind, "somebody", ("operator",)), OPS)
    return Door(make_app(runtime, identify=by_key(runtime)), {"authorization": f"Bearer {key}"})


@pytest.mark.req("SYM-95.15")
async def test_an_operator_keeps_replaces_and_removes_a_secret_and_no_answer_holds_it(runtime: Runtime) -> None:
    door = await keyed(runtime)
    answers = [
        await door.post("secrets", {"name": NAME, "value": VALUE}),
        await door.get("secrets"),
        await door.post("secrets/rotate", {"name": NAME, "value": f"{VALUE}2"}),
        await door.post("secrets", {"name": NAME, "value": VALUE}),
        await door.post("secrets/remove", {"name": NAME}),
        await door.post("secrets/remove", {"name": NAME}),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 409, 200, 404]
    assert answers[1].data[0]["name"] == NAME
    assert VALUE.encode() not in b"".join(answer.body for answer in answers)


@pytest.mark.req("SYM-95.15")
async def test_bytes_come_as_base64(runtime: Runtime) -> None:
    door = await keyed(runtime)
    body = {"name": NAME, "value": b64encode(b"\xff\xfe\x00").decode(), "encoding": "base64"}
    assert (await door.post("secrets", body)).status == 200
    assert (await runtime._wiring.secrets.get(SCOPE, NAME)).reveal_bytes() == b"\xff\xfe\x00"  # pyright: ignore[reportPrivateUsage]
    wrong = await door.post("secrets/rotate", {**body, "value": "%%%"})
    assert (wrong.status, wrong.code) == (400, "secret_not_base64")


@pytest.mark.req("SYM-95.15")
@pytest.mark.parametrize(
    "body",
    [
        {"name": NAME},
        {"name": NAME, "value": ""},
        {"name": NAME, "value": [VALUE]},
        {"name": NAME, "value": "x" * 70_000},
        {"name": NAME, "value": VALUE, "more": VALUE},
        {"name": NAME, "value": VALUE, "encoding": "rot13"},
        {"name": "../a", "value": VALUE},
    ],
    ids=range(7),
)
async def test_what_is_wrong_is_refused_without_repeating_it(runtime: Runtime, body: dict[str, object]) -> None:
    answer = await (await keyed(runtime)).post("secrets", body)
    assert answer.status == 400
    assert VALUE.encode() not in answer.body


@pytest.mark.req("SYM-95.15")
@pytest.mark.parametrize("kind", ["customer", "service"])
async def test_nobody_but_operators_sees_or_changes_secrets(runtime: Runtime, kind: ActorKind) -> None:
    door = await keyed(runtime, kind)
    for answer in (
        await door.get("secrets"),
        await door.post("secrets", {"name": NAME, "value": VALUE}),
        await door.post("secrets/rotate", {"name": NAME, "value": VALUE}),
        await door.post("secrets/remove", {"name": NAME}),
    ):
        assert (answer.status, answer.code) == (403, "role_missing")
