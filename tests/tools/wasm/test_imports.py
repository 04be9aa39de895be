"""Guests ask us, and get what they were granted and nothing else, however they ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any

import pytest

from lichen.core.components.capabilities import Capabilities
from lichen.core.components.limits import CallLimits
from lichen.core.ports.secrets import Secret
from lichen.core.state.port import PLAIN, Change, StateKey, Stored
from lichen.core.words.scope import Scope
from lichen.tools.egress.reach import Reach
from lichen.tools.wasm.imports.answers import ANSWERS
from lichen.tools.wasm.imports.host import Granted, HostCall, Services
from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running.program import Program, compiled
from lichen.tools.wasm.running.watch import Watch
from lichen.tools.wasm.values.canonical import Err, Ok
from tests.tools.wasm.guests import (
    BROKER,
    CONTROL,
    ERROR,
    HTTP,
    LOGGER,
    PAIRS,
    SECRETS,
    STATE,
    binary,
    forwarding,
)

NO_HEADERS: list[tuple[str, str]] = []
GET: dict[str, Any] = {"method": "GET", "url": "https://api.example.com/", "headers": NO_HEADERS, "body": None}
SCOPE, OTHER = Scope("acme", "dev"), Scope("globex", "dev")
EVERYTHING = Capabilities(
    secrets=("weather.key",),
    state_read=True,
    state_write=True,
    state_delete=True,
    http=True,
    hosts=("api.example.com", "*.inner.example.com"),
    telemetry=True,
)
BYTES = "(result (result (list u8) (error $host-error)))"
ACK = "(result (result $op-ack (error $host-error)))"
SHAPES = {"host-error": ERROR, "op-ack": '(enum "ok")'}
RESPONSE = f'(record (field "status" u16) (field "headers" {PAIRS}) (field "body" (option (list u8))))'
REQUEST = (
    f'(record (field "method" string) (field "url" string) (field "headers" {PAIRS}) (field "body" (option (list u8))))'
)
GUESTS: dict[str, tuple[dict[str, str], dict[str, tuple[str, str, int]]]] = {
    STATE: (SHAPES, {
        "read": ('(param "key" string)', BYTES, 2),
        "write": ('(param "key" string) (param "bytes" (list u8))', ACK, 4),
        "delete": ('(param "key" string)', ACK, 2),
    }),
    SECRETS: ({"secrets-error": '(enum "not-found" "denied" "invalid-key" "internal")'}, {
        "get": ('(param "key" string)', "(result (result (option (list u8)) (error $secrets-error)))", 2),
    }),
    HTTP: ({"host-error": ERROR, "request": REQUEST, "response": RESPONSE}, {
        "send": ('(param "req" $request)', "(result (result $response (error $host-error)))", 9),
    }),
    LOGGER: (SHAPES, {"log": ('(param "span" string) (param "fields" ' + PAIRS + ")", ACK, 4)}),
    BROKER: ({}, {"get": ('(param "key" string)', "(result string)", 2)}),
}  # fmt: skip


class States:
    """State in memory, which notes who asked."""

    def __init__(self) -> None:
        self.kept: dict[StateKey, Any] = {}

    async def get(self, scope: Scope, key: StateKey) -> Stored | None:
        return Stored(self.kept[key], "1") if key in self.kept else None

    async def names(self, scope: Scope, key: StateKey) -> tuple[str, ...]:
        return ()

    async def set(self, scope: Scope, key: StateKey, value: Any, change: Change = PLAIN) -> None:
        self.kept[key] = value

    async def delete(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> None:
        self.kept.pop(key, None)

    async def delete_prefix(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> int:
        return 0


@cache
def guest(interface: str) -> Program:
    return Program(compiled(binary(forwarding(interface, *GUESTS[interface]))), ANSWERS)


Ask = Callable[..., Any]


class Asking:
    """Calls of guests, each with an instance and rights of its own."""

    def __init__(self) -> None:
        self.states = States()
        self.reach = Reach(resolve=_resolved)
        self.last: HostCall | None = None

    def begun(self, may: Capabilities, scope: Scope = SCOPE, **limits: Any) -> HostCall:
        call = self.last = HostCall(
            Granted(may, "component.x"),
            Services(self.states, self.reach),
            scope=scope,
            loop=asyncio.get_running_loop(),
            secrets={"weather.key": Secret("s3cret")} if may.secrets else {},
            timeout_s=5,
        )
        call.watch = Watch(CallLimits(**limits), call)
        return call

    async def __call__(
        self, interface: str, function: str, *args: Any, may: Capabilities = EVERYTHING, **more: Any
    ) -> Any:
        call = self.begun(may, **more)
        assert call.watch is not None
        instance = guest(interface).instance(call.watch.limits, call.watch)
        return await asyncio.to_thread(instance.call, "", function, *args)


async def _resolved(name: str, port: int) -> tuple[str, ...]:
    return ("10.1.2.3",)


@pytest.fixture
async def ask() -> AsyncGenerator[Asking]:
    asking = Asking()
    yield asking
    await asking.reach.close()


def err(result: Any) -> str:
    """The code of an error."""
    assert isinstance(result, Err)
    value: Any = result.value
    return value if isinstance(value, str) else value["code"]


@pytest.mark.req("GRE-46.2")
async def test_state_is_kept_under_the_components_own_prefix_in_the_scope_of_the_call(ask: Asking) -> None:
    assert err(await ask(STATE, "read", "seen")) == "not-found"
    assert await ask(STATE, "write", "seen", b"\x00\xff") == Ok("ok")
    assert await ask(STATE, "read", "seen") == Ok(b"\x00\xff")
    assert [(key.scope, key.prefix, key.key) for key in ask.states.kept] == [(SCOPE, "component.x", "seen")]
    assert err(await ask(STATE, "read", "seen", scope=OTHER)) == "not-found"
    assert await ask(STATE, "delete", "seen") == Ok("ok")
    assert err(await ask(STATE, "read", "seen")) == "not-found"


@pytest.mark.req("GRE-46.3")
@pytest.mark.parametrize(
    ("interface", "function", "args"),
    [
        (STATE, "read", ("k",)),
        (STATE, "write", ("k", b"x")),
        (STATE, "delete", ("k",)),
        (SECRETS, "get", ("weather.key",)),
        (HTTP, "send", (GET,)),
        (LOGGER, "log", ("span", [("step", "one")])),
    ],
)
async def test_what_was_not_granted_is_refused_with_the_interfaces_own_error(
    ask: Asking, interface: str, function: str, args: tuple[Any, ...]
) -> None:
    assert err(await ask(interface, function, *args, may=Capabilities())) == "denied"
    assert ask.last is not None
    assert ask.last.notes
    assert not ask.last.has_acted


@pytest.mark.req("GRE-46.4")
async def test_a_guest_reads_the_secrets_that_it_was_granted_and_no_others(ask: Asking) -> None:
    assert await ask(SECRETS, "get", "WEATHER.KEY") == Ok(b"s3cret")
    assert err(await ask(SECRETS, "get", "payments.key")) == "denied"
    assert err(await ask(SECRETS, "get", "../keys")) == "invalid-key"
    assert err(await ask(SECRETS, "get", "secrets://dev/globex/_/weather/key")) == "invalid-key"
    assert ask.last is not None
    assert "s3cret" not in repr(ask.last.notes)


def request(url: str, method: str = "GET", headers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    return {"method": method, "url": url, "headers": list(headers), "body": None}


@pytest.mark.req("GRE-46.5")
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (request("https://api.example.com/"), "denied"),  # its name leads into our own network
        (request("http://api.example.com/"), "denied"),
        (request("https://elsewhere.example.com/"), "denied"),
        (request("https://api.example.com.evil.test/"), "denied"),
        (request("https://inner.example.com/"), "denied"),
        (request("https://api.example.com:8443/"), "denied"),
        (request("https://127.0.0.1/"), "denied"),
        (request("https://169.254.169.254/latest/meta-data/"), "denied"),
        (request("https://[::1]/"), "denied"),
        (request("https://x@api.example.com/"), "invalid"),
        (request("file:///etc/passwd"), "invalid"),
        (request("https://api.example.com/\r\nX: y"), "invalid"),
        (request("https://api.example.com/", "CONNECT"), "invalid"),
        (request("https://api.example.com/", headers=(("Host", "elsewhere"),)), "invalid"),
        (request("https://api.example.com/", headers=(("A", "b\r\nC: d"),)), "invalid"),
        (request("https://api.example.com/", headers=(("Transfer-Encoding", "chunked"),)), "invalid"),
    ],
)
async def test_http_reaches_no_host_that_was_not_granted_and_no_address_of_ours(
    ask: Asking, asked: dict[str, Any], code: str
) -> None:
    assert err(await ask(HTTP, "send", asked)) == code


@pytest.mark.req("GRE-46.6")
async def test_what_a_component_tells_of_its_work_is_kept_with_the_call_and_bounded(ask: Asking) -> None:
    assert await ask(LOGGER, "log", "work", [("step", "one")], log_bytes=40) == Ok("ok")
    assert ask.last is not None
    assert ask.last.watch is not None
    assert b"".join(ask.last.watch.written).startswith(b'{"span":"work"')
    await ask(LOGGER, "log", "x" * 1000, [], log_bytes=40)
    assert len(b"".join(ask.last.watch.written)) == 40


@pytest.mark.req("GRE-46.7")
async def test_a_component_that_imports_what_is_not_answered_loads_and_is_stopped_where_it_asks(ask: Asking) -> None:
    with pytest.raises(Trapped) as stopped:
        await ask(BROKER, "get", "token")
    assert stopped.value.kind == "host"


@pytest.mark.req("GRE-19.7")
async def test_a_guest_that_floods_us_with_questions_is_stopped(ask: Asking) -> None:
    with pytest.raises(Trapped) as stopped:
        await ask(SECRETS, "flood", host_calls=500)
    assert (stopped.value.kind, stopped.value.detail) == ("host", "more than 500 questions")


@pytest.mark.req("GRE-19.6")
async def test_what_a_guest_asks_with_is_read_as_far_as_it_may_cross(ask: Asking) -> None:
    with pytest.raises(Trapped) as stopped:
        await ask(STATE, "write", "k", bytes(3 * 1024 * 1024), value_mib=1)
    assert stopped.value.kind == "value"
    assert not ask.states.kept


@pytest.mark.req("GRE-19.4")
async def test_a_call_that_is_cancelled_while_its_guest_waits_for_us_ends_at_once(ask: Asking) -> None:
    is_asked, never = asyncio.Event(), asyncio.Event()

    async def get(scope: Scope, key: StateKey) -> Stored | None:
        is_asked.set()
        await never.wait()
        return None

    ask.states.get = get  # type: ignore[method-assign]
    waiting = asyncio.ensure_future(ask(STATE, "read", "k"))
    await is_asked.wait()
    assert ask.last is not None
    ask.last.cancel()
    with pytest.raises(Trapped) as stopped:
        await asyncio.wait_for(waiting, 5)
    assert stopped.value.kind == "cancelled"


@pytest.mark.req("GRE-46.8")
async def test_what_goes_wrong_in_an_answer_of_ours_costs_the_call_and_says_nothing(ask: Asking) -> None:
    async def get(scope: Scope, key: StateKey) -> Stored | None:
        raise RuntimeError("password=hunter2")

    ask.states.get = get  # type: ignore[method-assign]
    with pytest.raises(Trapped) as stopped:
        await ask(STATE, "read", "k")
    assert (stopped.value.kind, stopped.value.detail) == ("host", "RuntimeError")


CONTROLLED = f"""
(component
  (import "{CONTROL}" (instance $host
    (export "should-cancel" (func (result bool))) (export "yield-now" (func))))
  (core func $should (canon lower (func $host "should-cancel")))
  (core func $yield (canon lower (func $host "yield-now")))
  (core module $m
    (import "h" "should" (func $should (result i32)))
    (import "h" "yield" (func $yield))
    (func (export "run") (result i32) (call $yield) (call $should)))
  (core instance $i (instantiate $m (with "h" (instance
    (export "should" (func $should)) (export "yield" (func $yield))))))
  (func (export "run") (result bool) (canon lift (core func $i "run"))))
"""


@pytest.mark.req("GRE-46.9")
async def test_a_guest_may_ask_whether_anybody_still_waits(ask: Asking) -> None:
    program = Program(compiled(binary(CONTROLLED)), ANSWERS)
    call = ask.begun(Capabilities())
    assert call.watch is not None
    assert program.instance(call.watch.limits, call.watch).call("", "run") is False
    call.gave_up = True  # what is asked is the call, before the guest is stopped
    assert program.instance(call.watch.limits, Watch(call.watch.limits, call)).call("", "run") is True


@pytest.mark.req("GRE-46.11")
async def test_a_guest_of_wasi_finds_no_variables_arguments_or_folders(ask: Asking) -> None:
    strings = "(result (list string))"
    environment = {"get-environment": ("", f"(result {PAIRS})", 0), "get-arguments": ("", strings, 0)}
    program = Program(compiled(binary(forwarding("wasi:cli/environment@0.2.0", {}, environment))), ANSWERS)
    call = ask.begun(EVERYTHING)
    assert call.watch is not None
    instance = program.instance(call.watch.limits, call.watch)
    assert instance.call("", "get-environment") == []
    assert instance.call("", "get-arguments") == []
