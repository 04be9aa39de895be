"""What every channel must do. An adapter's test subclasses it and says how its platform speaks."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from lichen.channels.port import CHANNEL_DATA_BYTES_MAX, Arrival, ChannelPort, Inbound, Trusted
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Denied, Invalid, Unauthenticated
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Outbound, Traits

ADDRESS_BYTES_MAX = 8 * 1024
CONVERSATION_CHARACTERS_MAX = 256
COMPARES = frozenset({"compare_digest", "_compare_digest"})
HOSTILE = (
    "<b>bold</b> & <script>alert(1)</script>", "*bold* _it_ ~no~ `code` [a](javascript:alert(1))", "@here <!channel>",
    "{{ 7 * 7 }} ${x} %s", "grüß \U0001f44b 日本 \u202ex", "line one\nline two\n\n- three", "x" * 20_000,
)  # fmt: skip
"""Texts that a platform might take for something else than words."""
VALUES: tuple[str, ...] = (
    "null",
    "true",
    "7",
    "-1.5",
    '""',
    f'"{"x" * 70_000}"',
    '"\\u0000"',
    "[]",
    "{}",
    "[[[[]]]]",
    '{"a": {}}',
)
"""What a stranger may put where something else belongs."""


class Received(NamedTuple):
    """One message as the platform got it."""

    id: str
    text: str
    address: bytes


class ChannelConformance:
    """Subclass it as `Test…` and give `channel`, `body`, `arrival` and `words`; `platform` where messages are pushed.

    `proofs` are the headers that prove who sent a request, `good_for_s` how long one that was proven may be sent again
    (None where the proof has no time in it: then it is taken once by its id), and `signs_body` whether the proof covers
    the body.
    """

    scope = Scope("acme", "dev")
    proofs: tuple[str, ...] = ()
    good_for_s: float | None = 300.0
    signs_body: bool = True
    compares: frozenset[str] = COMPARES  # functions of C that compare in constant time, or check a signature

    # -- what an adapter says ------------------------------------------------------------------------------------

    def channel(self) -> ChannelPort:
        """A new channel."""
        raise NotImplementedError

    def body(self, text: str, id: str, conversation: str) -> bytes:
        """A body that says this."""
        raise NotImplementedError

    def arrival(self, body: bytes) -> Arrival:
        """The platform's own request with this body, proven."""
        raise NotImplementedError

    def words(self, rendered: dict[str, Any]) -> str:
        """What a customer reads of a rendered message."""
        raise NotImplementedError

    def platform(self, channel: Any) -> AbstractContextManager[Sequence[Received]]:
        """What the platform has got from this channel, while it is there. Of one that fetches its messages: nothing."""
        return nullcontext(())

    @property
    def pushes(self) -> bool:
        """Whether messages are pushed: then there is a `platform`."""
        return type(self).platform is not ChannelConformance.platform

    # -- who ---------------------------------------------------------------------------------------------------

    def genuine(self, text: str = "Hello?", id: str = "m-1", conversation: str = "451") -> Arrival:
        """A request with one message."""
        return self.arrival(self.body(text, id, conversation))

    def test_its_name_can_stand_in_a_path_and_a_table(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", self.channel().name)

    @pytest.mark.req("LIC-47.10")
    def test_a_proven_request_is_a_customers_of_this_channel(self) -> None:
        channel, arrival = self.channel(), self.genuine()
        sender = self.verified(arrival, channel)
        (message,) = channel.parse(self.scope, arrival, sender)
        assert sender in (None, message.sender)
        assert (message.sender.kind, message.sender.roles) == ("customer", ())
        assert message.sender.id.startswith(f"{channel.name}:")
        assert self.verified(arrival, channel) == sender

    def verified(self, arrival: Arrival, channel: ChannelPort | None = None) -> Actor | None:
        """Who sent a request."""
        return asyncio.run((channel or self.channel()).verify(self.scope, arrival))

    @pytest.mark.req("LIC-47.10")
    def test_a_request_without_its_proof_or_with_another_is_refused(self) -> None:
        assert self.proofs, "say which headers prove who sent a request"
        arrival = self.genuine()
        for forged in self.forgeries(arrival):
            with pytest.raises((Denied, Unauthenticated)) as refused:
                self.verified(forged)
            assert refused.value.code not in (Denied.code, Unauthenticated.code), "it has a code of its own"

    def forgeries(self, arrival: Arrival) -> Iterator[Arrival]:
        """Requests that nobody proved."""
        yield msgspec.structs.replace(arrival, headers={}, query={})
        for proof in self.proofs:
            given = arrival.headers[proof]
            rest = {name: value for name, value in arrival.headers.items() if name != proof}
            yield msgspec.structs.replace(arrival, headers=rest)
            changed = (_other(given, 0), _other(given, len(given) // 2), given[:-1], f"{given}x")
            for wrong in ("", *changed, "é", "x" * 9_999):
                yield msgspec.structs.replace(arrival, headers={**rest, proof: wrong})
        if self.signs_body:
            yield msgspec.structs.replace(arrival, body=self.body("Hello!", "m-1", "451"))
            yield msgspec.structs.replace(arrival, body=arrival.body + b" ")

    @pytest.mark.req("LIC-47.10")
    def test_a_request_that_is_sent_again_much_later_is_refused(self) -> None:
        arrival = self.genuine()
        if self.good_for_s is None:
            assert self.parsed(arrival)[0].id, "it is known by its id"
            return
        late = msgspec.structs.replace(arrival, now_us=arrival.now_us + int((self.good_for_s + 1) * 1e6))
        with pytest.raises((Denied, Unauthenticated)):
            self.verified(late)

    @pytest.mark.req("LIC-47.10")
    def test_a_proof_is_compared_in_constant_time(self) -> None:
        arrival = self.genuine()
        proof = max(self.proofs, key=lambda name: len(arrival.headers[name]))
        given = arrival.headers[proof]
        wrong = {**arrival.headers, proof: _other(given, len(given) - len(given) // 4)}
        forged = msgspec.structs.replace(arrival, headers=wrong)
        channel = self.channel()
        called = _functions_of_c(lambda: _refused(lambda: self.verified(forged, channel)))
        assert called & self.compares, f"compare with hmac.compare_digest; it called {sorted(called)}"

    # -- what ----------------------------------------------------------------------------------------------------

    def parsed(self, arrival: Arrival) -> tuple[Inbound, ...]:
        """The messages of a request."""
        channel = self.channel()
        return channel.parse(self.scope, arrival, self.verified(arrival, channel))

    @pytest.mark.req("LIC-47.11")
    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_a_message_says_what_the_customer_wrote(self, text: str) -> None:
        (message,) = self.parsed(self.genuine(text))
        assert message.text == text

    @pytest.mark.req("LIC-47.11")
    def test_a_message_that_is_sent_again_has_the_same_id_and_another_has_not(self) -> None:
        (first,), (again,), (other,) = (self.parsed(self.genuine(id=id)) for id in ("m-1", "m-1", "m-2"))
        assert first.id
        assert first.id == again.id != other.id

    @pytest.mark.req("LIC-47.11")
    def test_what_strangers_send_is_read_or_refused_at_its_place_and_never_grows(self) -> None:
        for body in _hostile(self.body("Hello?", "m-1", "451")):
            try:
                messages = self.parsed(self.arrival(body))
            except (Invalid, Denied, Unauthenticated) as error:
                if isinstance(error, Invalid) and not (error.place or "").startswith(("$", "/")):
                    pytest.fail(f"{error.code} does not say where: {body[:80]!r}")
                continue
            assert len(messages) <= 1
            for message in messages:
                assert 0 < len(message.conversation) <= CONVERSATION_CHARACTERS_MAX
                assert len(message.text.encode()) <= 4 * len(body)
                assert len(message.data) <= CHANNEL_DATA_BYTES_MAX

    # -- out -----------------------------------------------------------------------------------------------------

    def outbound(self, text: str = "It is so.", id: str = "o1", address: bytes = b"") -> Outbound:
        """A message to a customer."""
        return Outbound(MessageId(id), SessionId("ses-1"), "answer", Saying(text), 1_760_000_000_000_000, address)

    @pytest.mark.req("LIC-47.12")
    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_the_customer_reads_what_was_said_and_nothing_else(self, text: str) -> None:
        address = self._address()
        rendered = msgspec.json.decode(msgspec.json.encode(self.channel().render(self.outbound(text, address=address))))
        assert self.words(rendered) == text

    @pytest.mark.req("LIC-47.12")
    def test_a_message_is_sent_under_its_own_id_to_where_the_customer_wrote_from(self) -> None:
        channel, address = self.channel(), self._address()

        async def send() -> list[str]:
            messages = (self.outbound(id=id, address=address) for id in ("o1", "o1", "o2"))
            return [(await channel.send(self.scope, message)).outcome for message in messages]

        with self.platform(channel) as received:
            assert asyncio.run(send()) == ["delivered"] * 3
        if not self.pushes:
            assert address == b""
            return
        assert len(received) == 3
        if traits_of(channel).repeats == "same":
            assert [each.id == received[0].id for each in received] == [True, True, False]
        assert {each.address for each in received} == {address}
        assert {each.text for each in received} == {"It is so."}

    def _address(self) -> bytes:
        (message,) = self.parsed(self.genuine())
        assert len(message.address) <= ADDRESS_BYTES_MAX
        assert bool(message.address) == self.pushes, "replies that are pushed need an address"
        return message.address


def traits_of(channel: ChannelPort) -> Traits:
    """What may be relied on at the channel's platform."""
    return channel.traits if isinstance(channel, Trusted) else Traits()


def _other(text: str, at: int) -> str:
    """The text with another character at a place."""
    at = min(at, len(text) - 1)
    return f"{text[:at]}{'B' if text[at] != 'B' else 'C'}{text[at + 1 :]}"


def _refused(act: Callable[[], object]) -> None:
    with pytest.raises((Denied, Unauthenticated)):
        act()


def _functions_of_c(act: Callable[[], object]) -> set[str]:
    """The names of the functions written in C that are called meanwhile."""
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            called.add(argument.__name__)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return called


def _hostile(body: bytes) -> Iterator[bytes]:
    """Bodies that are no JSON, other JSON, or this JSON with one thing in it gone or replaced."""
    yield from (b"", b"{", b"\xff\xfe", b"null", b"[]", b"7", b'"x"', b"{}", b"[" * 50_000, b'{"a":' * 50_000)
    tree = msgspec.json.decode(body)
    yield msgspec.json.encode({**tree, "unknown": {"x": [1]}} if isinstance(tree, dict) else [tree, tree])
    for path in _paths(tree):
        yield msgspec.json.encode(_changed(tree, path, None, is_gone=True))
        yield from (msgspec.json.encode(_changed(tree, path, msgspec.json.decode(value))) for value in VALUES)


def _paths(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: dict[Any, Any] = {}
    if isinstance(tree, dict):
        items = cast("dict[Any, Any]", tree)
    elif isinstance(tree, list):
        items = dict(enumerate(cast("list[Any]", tree)))
    for key, value in items.items():
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _changed(tree: Any, path: tuple[Any, ...], value: object, *, is_gone: bool = False) -> Any:
    changed = msgspec.json.decode(msgspec.json.encode(tree))
    at = changed
    for key in path[:-1]:
        at = at[key]
    if is_gone:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed
