"""What every model of a provider must do, whatever it speaks on the wire. A package that brings one subclasses this.

Its test sets up a server of its own that plays the scenes below by the newest thing a user said, and says by `failing`
how it fails. Only what `shows` names is asked of it.
"""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
import pytest

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import KINDS, Delta, Media, Model, ModelError, ModelMessage, ModelRequest
from lichen.core.words.ids import ToolName

Shown = Literal["usage", "thinking", "thinking_back", "image", "document", "audio", "cached"]
Fault = Literal[
    "unauthorized", "limited", "limited_for_seconds", "limited_until", "broken", "overloaded", "cut", "cut_cleanly",
    "garbled", "hanging", "endless", "unknown_model", "too_long", "refused",
]  # fmt: skip

GREET: Final = "Greet me."
GREETING: Final = "Hello there, how are you?"
LOOK: Final = "Look twice."
LOOKED: Final = "Both are seen."
THINK: Final = "Think hard."
THOUGHT: Final = "Let me think about it."
DECIDED: Final = "Forty-two."
SHAPE: Final = "Give me JSON."
SHAPED: Final = '{"amount": 80}'
INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS = 11, 7, 4
KEY: Final = "sk-never-shown-anywhere-4711"
SECRET_PROMPT: Final = "the prompt that no error repeats"
LIMITED_S: Final = 7.0
TRY_S: Final = 1.0  # how long one try of the model under test may take
PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
PAGE: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SOUND: Final = b"RIFF" + bytes.fromhex("2400000057415645666d74201000000001000100401f0000803e000002001000")

LOOKUP: Final = ToolSpec(
    name=ToolName("orders.lookup"),
    description="Looks up an order.",
    effects="none",
    input_schema={
        "type": "object",
        "properties": {"order_id": {"type": "string"}},
        "required": ["order_id"],
        "additionalProperties": False,
    },
    output_schema={},
)
AMOUNT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}

CODES: Final[dict[Fault, str]] = {
    "unauthorized": "model_auth",
    "limited": "model_rate_limited",
    "limited_for_seconds": "model_rate_limited",
    "limited_until": "model_rate_limited",
    "broken": "model_unavailable",
    "overloaded": "model_overloaded",
    "cut": "model_malformed",
    "cut_cleanly": "model_malformed",
    "garbled": "model_malformed",
    "hanging": "model_timed_out",
    "endless": "model_malformed",
    "unknown_model": "model_request_invalid",
    "too_long": "model_context_too_long",
    "refused": "model_refused",
}
STREAMED_ONLY: Final[tuple[Fault, ...]] = ("cut_cleanly",)


class Reached(NamedTuple):
    """A model, and what its server was sent so far: the bodies of requests, as they came."""

    model: Model
    sent: Sequence[bytes]


class Reaching(Protocol):
    """Makes a model that is reached over a server of the test's, with `KEY` and `TRY_S`."""

    def __call__(self, fault: Fault | None = None) -> AbstractAsyncContextManager[Reached]:
        """The model while its server stands. With a fault every request fails so."""
        ...


def asked(said: str, *earlier: ModelMessage, **changes: Any) -> ModelRequest:
    """A request of one user's words, after earlier messages."""
    return ModelRequest("Be kind.", (*earlier, ModelMessage("user", said)), **changes)


def of_kind(deltas: Sequence[Delta], kind: str) -> str:
    """The pieces of a kind, joined."""
    return "".join(delta.text for delta in deltas if delta.kind == kind)


class ModelConformance:
    """`reaching` makes the model, `shows` says what beside text and tools its provider can."""

    shows: frozenset[Shown] = frozenset({"usage"})
    faults: frozenset[Fault] = frozenset(CODES)

    @pytest.fixture
    def reaching(self) -> Reaching:
        raise NotImplementedError

    def needs(self, *shown: Shown) -> None:
        if not set(shown) <= self.shows:
            pytest.skip(f"this provider has no {', '.join(shown)}")

    @pytest.mark.req("GOA-62.15")
    async def test_what_it_says_is_heard_whole(self, reaching: Reaching) -> None:
        async with reaching() as (model, _):
            reply = await model.generate(asked(GREET))
        assert (reply.text, reply.calls, reply.finish, reply.tries) == (GREETING, (), "end", 1)
        assert reply.model == model.name

    @pytest.mark.req("GOA-62.4")
    async def test_what_it_says_is_heard_piece_by_piece(self, reaching: Reaching) -> None:
        deltas: list[Delta] = []
        clock = asyncio.get_running_loop().time
        async with reaching() as (model, _):
            began_s = clock()
            reply = await model.generate(asked(GREET), deltas.append)
            took_us = (clock() - began_s) * 1e6
        assert len(deltas) > 1
        assert of_kind(deltas, "text") == reply.text == GREETING
        assert 0 < reply.first_us <= took_us

    @pytest.mark.req("GOA-64.1")
    @pytest.mark.parametrize("streams", [False, True])
    async def test_what_it_costs_is_told_with_what_was_read_from_a_cache(
        self, reaching: Reaching, streams: bool
    ) -> None:
        self.needs("usage")
        async with reaching() as (model, _):
            reply = await model.generate(asked(GREET), (lambda delta: None) if streams else None)
        assert not reply.is_estimate
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
        assert reply.usage.cached_tokens == (CACHED_TOKENS if "cached" in self.shows else 0)

    @pytest.mark.req("GOA-62.5")
    @pytest.mark.parametrize("streams", [False, True])
    async def test_two_tools_are_called_at_once_under_their_own_names(self, reaching: Reaching, streams: bool) -> None:
        deltas: list[Delta] = []
        async with reaching() as (model, sent):
            reply = await model.generate(asked(LOOK, tools=(LOOKUP,)), deltas.append if streams else None)
            assert b"orders.lookup" not in sent[-1]
        assert [call.tool for call in reply.calls] == ["orders.lookup", "orders.lookup"]
        assert [msgspec.json.decode(call.args) for call in reply.calls] == [{"order_id": "1042"}, {"order_id": "1043"}]
        assert reply.finish == "calls"
        assert len({call.id for call in reply.calls}) == 2
        if streams:
            for number, call in enumerate(reply.calls):
                pieces = [delta for delta in deltas if delta.kind == "args" and delta.call == number]
                assert msgspec.json.decode("".join(piece.text for piece in pieces)) == msgspec.json.decode(call.args)
                assert {piece.tool for piece in pieces} == {"orders.lookup"}

    @pytest.mark.req("GOA-62.6")
    async def test_results_reach_the_calls_they_are_of(self, reaching: Reaching) -> None:
        async with reaching() as (model, _):
            first = await model.generate(asked(LOOK, tools=(LOOKUP,)))
            own = [msgspec.structs.replace(call, id=f"c{n}") for n, call in enumerate(first.calls)]
            messages = (
                ModelMessage("user", LOOK),
                ModelMessage("assistant", first.text, tuple(own), blocks=first.blocks),
                *(ModelMessage("tool", f'{{"seen":{n}}}', result_of=call.id) for n, call in enumerate(own)),
            )
            second = await model.generate(ModelRequest("Be kind.", messages, tools=(LOOKUP,)))
        assert second.text == LOOKED

    @pytest.mark.req("GOA-62.7")
    @pytest.mark.parametrize("streams", [False, True])
    async def test_what_it_thinks_is_heard_apart_from_what_it_says(self, reaching: Reaching, streams: bool) -> None:
        self.needs("thinking")
        deltas: list[Delta] = []
        async with reaching() as (model, _):
            request = asked(THINK, thinking="low", max_tokens=4096)
            reply = await model.generate(request, deltas.append if streams else None)
        assert (reply.text, reply.thinking) == (DECIDED, THOUGHT)
        if streams:
            assert (of_kind(deltas, "text"), of_kind(deltas, "thinking")) == (DECIDED, THOUGHT)

    @pytest.mark.req("GOA-62.8")
    async def test_what_it_thought_goes_back_to_its_own_provider_and_to_no_other(self, reaching: Reaching) -> None:
        self.needs("thinking_back")
        async with reaching() as (model, sent):
            first = await model.generate(asked(THINK, thinking="low", max_tokens=4096))
            said = ModelMessage("assistant", first.text, blocks=first.blocks)
            begin = (ModelMessage("user", THINK), said)
            await model.generate(asked(GREET, *begin, thinking="low", max_tokens=4096))
            assert THOUGHT.encode() in sent[-1]
            foreign = msgspec.structs.replace(said, blocks=first.blocks.replace(own := _provider(model), own[::-1], 1))
            await model.generate(asked(GREET, begin[0], foreign, thinking="low", max_tokens=4096))
            assert THOUGHT.encode() not in sent[-1]
            assert DECIDED.encode() in sent[-1]

    @pytest.mark.req("GOA-63.1")
    async def test_a_schema_is_sent_with_the_request_and_the_reply_fits_it(self, reaching: Reaching) -> None:
        async with reaching() as (model, sent):
            reply = await model.generate(asked(SHAPE, output_schema=AMOUNT))
            assert b"amount" in sent[-1]
        assert msgspec.json.decode(reply.text) == {"amount": 80}

    @pytest.mark.req("GOA-62.9")
    @pytest.mark.parametrize(
        ("kind", "media"),
        [
            ("image", Media("image", "image/png", PIXEL)),
            ("document", Media("document", "application/pdf", PAGE)),
            ("audio", Media("audio", "audio/wav", SOUND)),
        ],
    )
    async def test_media_reach_the_provider(self, reaching: Reaching, kind: Shown, media: Media) -> None:
        async with reaching() as (model, sent):
            message = ModelMessage("user", GREET, media=(media,))
            if kind in self.shows:
                await model.generate(ModelRequest("", (message,)))
                assert _in_base64(media.data, sent[-1])
                return
            with pytest.raises(ModelError) as caught:
                await model.generate(ModelRequest("", (message,)))
            assert caught.value.code == "model_request_invalid"

    @pytest.mark.req("GOA-62.10")
    @pytest.mark.parametrize("streams", [False, True])
    @pytest.mark.parametrize("fault", CODES)
    async def test_a_failure_is_of_a_known_kind_and_says_neither_key_nor_prompt(
        self, reaching: Reaching, fault: Fault, streams: bool
    ) -> None:
        if fault not in self.faults or (fault in STREAMED_ONLY and not streams):
            pytest.skip("this provider does not fail so")
        async with reaching(fault) as (model, sent):
            with pytest.raises(ModelError) as caught:
                await model.generate(asked(f"{GREET} {SECRET_PROMPT}"), (lambda delta: None) if streams else None)
            assert len(sent) <= 1, "a client library tried again by itself"
        error = caught.value
        assert error.code == CODES[fault]
        assert error.retryable is KINDS[error.code].again
        said = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
        assert KEY not in said
        assert SECRET_PROMPT not in said

    @pytest.mark.req("GOA-62.11")
    @pytest.mark.parametrize(
        ("fault", "least", "most"),
        [("limited", None, None), ("limited_for_seconds", LIMITED_S, LIMITED_S), ("limited_until", 1.0, 120.0)],
    )
    async def test_when_to_ask_again_is_told_as_the_provider_said(
        self, reaching: Reaching, fault: Fault, least: float | None, most: float | None
    ) -> None:
        if fault not in self.faults:
            pytest.skip("this provider does not fail so")
        async with reaching(fault) as (model, _):
            with pytest.raises(ModelError) as caught:
                await model.generate(asked(GREET))
        wait = caught.value.retry_after_s
        assert wait is None if least is None or most is None else wait is not None and least <= wait <= most


def _provider(model: Model) -> bytes:
    return model.name.partition(":")[0].encode()


def _in_base64(data: bytes, sent: bytes) -> bool:
    return any(spelt(data).rstrip(b"=") in sent for spelt in (b64encode, urlsafe_b64encode))
