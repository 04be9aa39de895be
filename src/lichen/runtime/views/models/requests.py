"""Each request to a model as people and programs read it: what was asked and replied, what it took and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.sent import Replied, Sent, SentCall
from lichen.runtime.views.record import Opened


class Prompt(msgspec.Struct, frozen=True):
    """What was sent with a request, as `Sent` has it: after the first `same` messages of the run's request before it,
    these. `system` and `tools` are None where they are those of that request."""

    after: str
    same: int
    system: str | None
    tools: tuple[str, ...] | None
    messages: tuple[PromptMessage, ...]
    max_tokens: int
    left_out: int


class PromptMessage(msgspec.Struct, frozen=True):
    """One message that was sent. `media` says what stood beside the text, such as `image/png, 1,204 bytes`; `cut`
    characters of it were not kept."""

    role: str
    text: str
    calls: tuple[PromptCall, ...] = ()
    media: tuple[str, ...] = ()
    cut: int = 0


class PromptCall(msgspec.Struct, frozen=True):
    """A call that a model wants or wanted, with its arguments as JSON."""

    tool: str
    args: str


class Reply(msgspec.Struct, frozen=True):
    """What a model replied. `is_plan`: it became the plan, whose words these are."""

    text: str
    thinking: str
    calls: tuple[PromptCall, ...]
    is_plan: bool
    cut: int = 0


class ModelRequestView(msgspec.Struct, frozen=True):
    """One request to a model. `at_us` is when its plan was recorded, `place` is `step/attempt/number`; of one that a
    call made, when it ended, and `call/number`.

    `outcome` is `ok`, `lost`, `cancelled` or the code of an error. Tokens that were read include `cached` and
    `cache_writes`; money is in millionths of a US dollar. `is_estimate`: nobody said what it used; `is_unpriced`: the
    model has no price, so it counts as free. `is_fallback`: another model of the same plan had failed before.
    `first_us` is how long the first piece took, 0 where nothing streamed. `policies` allowed it. Prompt and reply are
    None where they were not kept or are erased.
    """

    place: str
    at_us: int
    model: str
    answered: str
    outcome: str
    finish: str
    input_tokens: int
    output_tokens: int
    cached: int
    cache_writes: int
    micro_usd: int
    is_estimate: bool
    is_unpriced: bool
    is_fallback: bool
    tries: int
    duration_us: int
    first_us: int
    policies: tuple[str, ...]
    prompt: Prompt | None
    reply: Reply | None


def requests(records: Iterable[Opened]) -> tuple[ModelRequestView, ...]:
    """Every request of a run, in the order of its records."""
    return tuple(view for each in records for view in _of(each))


def _of(each: Opened) -> Iterator[ModelRequestView]:
    match each.record.control:
        case e.Planned():
            yield from _of_plan(each)
        case e.CallAsked(asked=asked) as control if asked is not None:
            yield _view(
                each, f"{control.call}/{control.number}", _Asked(0, asked), _kept_reply(each, 0), is_fallback=False
            )
        case _:
            pass


def _of_plan(each: Opened) -> Iterator[ModelRequestView]:
    planned = each.record.control
    assert isinstance(planned, e.Planned)
    for i, asked in enumerate(planned.requests):
        one, before = _Asked(i, asked), planned.requests[:i]
        is_fallback = any(other.model != asked.model and other.outcome != "ok" for other in before)
        reply = _kept_reply(each, i) or _became(each, planned, one)
        yield _view(each, f"{planned.step}/{planned.attempt}/{i}", one, reply, is_fallback=is_fallback)


class _Asked(NamedTuple):
    """A request and its number in the plan."""

    i: int
    control: e.ModelAsked


def _view(each: Opened, place: str, one: _Asked, reply: Reply | None, *, is_fallback: bool) -> ModelRequestView:
    asked, usage = one.control, one.control.usage
    return ModelRequestView(
        place=place,
        at_us=each.record.ts_us,
        model=asked.model,
        answered=asked.answered,
        outcome=asked.outcome,
        finish=asked.finish,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached=usage.cached_tokens,
        cache_writes=usage.cache_write_tokens,
        micro_usd=usage.cost_micro_usd,
        is_estimate=asked.is_estimate,
        is_unpriced=asked.is_unpriced,
        is_fallback=is_fallback,
        tries=asked.tries,
        duration_us=asked.duration_us,
        first_us=asked.first_us,
        policies=asked.ruling.policies if asked.ruling is not None else (),
        prompt=_prompt(each, one.i),
        reply=reply,
    )


def _prompt(each: Opened, i: int) -> Prompt | None:
    kept = each.json(f"asked/{i}")
    if kept is None:
        return None
    sent = msgspec.convert(kept, Sent)
    messages = tuple(
        PromptMessage(
            message.role,
            message.text,
            _calls(message.calls),
            tuple(f"{media.media_type}, {media.size_bytes:,} bytes" for media in message.media),
            message.cut,
        )
        for message in sent.messages
    )
    return Prompt(sent.after, sent.same, sent.system, sent.tools, messages, sent.max_tokens, sent.left_out)


def _kept_reply(each: Opened, i: int) -> Reply | None:
    kept = each.json(f"replied/{i}")
    if kept is None:
        return None
    replied = msgspec.convert(kept, Replied)
    return Reply(replied.text, replied.thinking, _calls(replied.calls), is_plan=False, cut=replied.cut)


def _became(each: Opened, planned: e.Planned, one: _Asked) -> Reply | None:
    """The plan that the reply became."""
    if one.control.outcome != "ok" or planned.error or each.parts is None:
        return None
    says = [each.text(f"say/{i}") for i in range(planned.says)]
    words = [*says, *([each.text("answer")] if planned.has_answer else [])]
    calls = tuple(PromptCall(call.tool, _json(each.json(f"{call.id}/args"))) for call in planned.calls)
    return Reply("\n\n".join(words), "", calls, is_plan=True)


def _calls(calls: tuple[SentCall, ...]) -> tuple[PromptCall, ...]:
    return tuple(PromptCall(call.tool, call.args) for call in calls)


def _json(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
