"""Whether a conversation went as expected, and whether anything happened that never may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from lichen.core.patterns.pattern import compiled
from lichen.evals.document import Answer, CallMade, Case, Claim, Most, Never, Turn
from lichen.evals.stubs import fits
from lichen.evals.trial import Happened, Held
from lichen.runtime.trials.result import Miss, Spent
from lichen.runtime.views.story.call import Call
from lichen.tools.arguments.schema import problem

ACTED = ("ok", "unknown", "timed_out")  # outcomes of calls that did something, or may have


def missed(case: Case, held: Held, never: Never) -> tuple[Miss, ...]:
    """All that is not as expected, in order; what the judge is asked is not in it."""
    found: list[Miss] = []
    for number, (turn, happened) in enumerate(zip(case.turn, held.turns, strict=True)):
        found += [Miss(f"/turn/{number}{place}", message) for place, message in _turn(turn, happened)]
    found += [Miss(f"/at_most/{name}", message) for name, message in _spent(case.at_most, held.spent)]
    for rules in (never, case.never):
        found += [Miss("/never", message) for message in _never(rules, held)]
    found += [Miss("/never", message) for message in _undecided(held.calls)]
    return with_expected(case, found)


def with_expected(case: Case, missed: Sequence[Miss]) -> tuple[Miss, ...]:
    """The same, each with what the case has at its place, as it would stand in the file."""
    whole = msgspec.to_builtins(case)
    return tuple(msgspec.structs.replace(miss, expected=_told(_at(whole, miss.place))) for miss in missed)


def _at(value: Any, pointer: str) -> Any:
    """What a pointer leads to; None where the case says nothing there."""
    for step in pointer.split("/")[1:]:
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdecimal():
            value = cast("Sequence[Any]", value)[int(step)]
        else:
            return None
    return value


def _told(value: Any) -> str:
    """A value in few words; nothing for one that is left out, and for a turn or a case that is not refused."""
    if value is None or value == "" or (isinstance(value, Mapping) and "says" in value):
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# -- a turn ------------------------------------------------------------------------------------------------------

Found = Iterator[tuple[str, str]]


def _turn(turn: Turn, happened: Happened) -> Found:
    if happened.error:
        yield "", f"It was refused with {happened.error}."
        return
    if turn.outcome and turn.outcome != happened.outcome:
        yield "/outcome", f"Expected {turn.outcome}, was {happened.outcome or 'silence'}."
    yield from _answer(turn.answer, happened.text)
    if turn.told is not None and tuple(turn.told) != happened.texts:
        yield "/told", f"The customer was told {_listed(happened.texts)}."
    if turn.visits is not None and tuple(turn.visits) != happened.visits:
        yield "/visits", f"Went {' > '.join(happened.visits) or 'nowhere'}."
    for number, expected in enumerate(turn.calls):
        problem_of = _call(expected, happened.calls)
        if problem_of:
            yield f"/calls/{number}", problem_of
    for number, tool in enumerate(turn.no_calls):
        made = [call for call in happened.calls if call.tool == tool and call.outcome != "denied"]
        if made:
            yield f"/no_calls/{number}", f"{tool} was called with {_args(made[0])}."


def _listed(texts: Sequence[str]) -> str:
    return ", then ".join(repr(text) for text in texts) or "nothing"


def _answer(answer: Answer, text: str) -> Found:
    for number, part in enumerate(answer.contains):
        if part.casefold() not in text.casefold():
            yield f"/answer/contains/{number}", f"{part!r} is not in {text!r}."
    for number, part in enumerate(answer.lacks):
        if part.casefold() in text.casefold():
            yield f"/answer/lacks/{number}", f"{part!r} is in {text!r}."
    if answer.matches and not compiled(answer.matches).search(text):
        yield "/answer/matches", f"{text!r} does not match."
    if answer.equals is not None and answer.equals != text:
        yield "/answer/equals", f"It was {text!r}."
    if answer.fits is not None:
        yield from _fits(answer, text)


def _fits(answer: Answer, text: str) -> Found:
    assert answer.fits is not None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        yield "/answer/fits", f"{text!r} is not JSON."
        return
    wrong = problem(answer.fits, value)
    if wrong is not None:
        yield "/answer/fits", f"{wrong.place or '/'}: {wrong.message}"


def _call(expected: CallMade, calls: Sequence[Call]) -> str:
    """Why no call is the one expected; empty when one is."""
    of_tool = [call for call in calls if call.tool == expected.tool]
    if not of_tool:
        return f"{expected.tool} was not called; {', '.join(call.tool for call in calls) or 'nothing'} was."
    fitting = [call for call in of_tool if fits(expected.args, call.arguments)]
    if not fitting:
        return f"{expected.tool} was called with {_args(of_tool[-1])}."
    if any(_stands(expected, call) for call in fitting):
        return ""
    last = fitting[-1]
    return f"{expected.tool} was decided {last.verdict or 'not at all'} and ended {last.outcome or 'not yet'}."


def _stands(expected: CallMade, call: Call) -> bool:
    return expected.decision in ("", call.verdict) and expected.outcome in ("", call.outcome)


def _args(call: Call) -> str:
    return msgspec.json.encode(call.arguments).decode()


# -- the whole conversation --------------------------------------------------------------------------------------


def _spent(most: Most, spent: Spent) -> Found:
    bounds = (
        ("calls", most.calls, spent.calls),
        ("tokens", most.tokens, spent.tokens),
        ("cost_usd", most.cost_usd, spent.micro_usd / 1e6),
        ("seconds", most.seconds, spent.seconds),
    )
    for name, bound, used in bounds:
        if bound is not None and used > bound:
            yield name, f"{used:g} of {bound:g} were used."


def _never(never: Never, held: Held) -> Iterator[str]:
    texts = [text for turn in held.turns for text in turn.texts]
    for part in never.said:
        said = next((text for text in texts if part.casefold() in text.casefold()), None)
        if said is not None:
            yield f"An agent said {part!r}: {said!r}."
    for claim in never.claimed:
        yield from _claimed(claim, held)


def _claimed(claim: Claim, held: Held) -> Iterator[str]:
    """Words that claim an effect before a call that had it."""
    is_done = False
    for turn in held.turns:
        is_done = is_done or any(call.tool == claim.without and call.outcome == "ok" for call in turn.calls)
        if is_done:
            return
        for text in turn.texts:
            if compiled(claim.matches).search(text):
                yield f"An agent claimed {text!r} without a {claim.without} that happened."


def _undecided(calls: Sequence[Call]) -> Iterator[str]:
    """Effects that no decision allowed: there can be none, whatever a model says."""
    for call in calls:
        if call.outcome in ACTED and call.verdict != "allow":
            yield f"{call.tool} ended {call.outcome} and was decided {call.verdict or 'not at all'}."
