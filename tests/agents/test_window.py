from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.window import Conversation, Turn, tokens_in, windowed
from lichen.core.ports.model import Media, ModelCall, ModelMessage
from lichen.core.words.ids import ToolName


def turn(number: int, chars: int = 30) -> Turn:
    words = (ModelMessage("user", f"q{number} ".ljust(chars)), ModelMessage("assistant", f"a{number}"))
    return Turn(words, 2)


def step(number: int, chars: int = 30) -> tuple[ModelMessage, ...]:
    call = ModelCall(f"c{number}", ToolName("orders.lookup"), b"{}")
    result = ModelMessage("tool", "x" * chars, result_of=call.id)
    return (ModelMessage("assistant", calls=(call,)), result)


OPENING = (ModelMessage("user", "Where is my order?"),)
MESSAGES = st.lists(st.builds(ModelMessage, st.just("user"), st.text(max_size=60)), min_size=1, max_size=3).map(tuple)
TURNS = st.lists(st.builds(Turn, MESSAGES, st.just(2)), max_size=8).map(tuple)
STEPS = st.lists(MESSAGES, max_size=6).map(tuple)


def _is_note(step: tuple[ModelMessage, ...]) -> bool:
    return step[0].role == "system"


@pytest.mark.req("GOA-57.1")
@given(TURNS, STEPS, st.integers(0, 9), st.one_of(st.none(), st.integers(1, 200)))
def test_whole_parts_are_kept_and_always_the_newest(
    turns: tuple[Turn, ...], steps: tuple[tuple[ModelMessage, ...], ...], most: int, tokens: int | None
) -> None:
    whole = Conversation(turns, opening=OPENING, steps=steps)
    kept = windowed(whole, turns=most, tokens=tokens)
    assert kept.opening == OPENING
    assert kept.turns == turns[len(turns) - len(kept.turns) :]
    assert len(kept.turns) <= most
    said = kept.steps[1:] if kept.steps and _is_note(kept.steps[0]) else kept.steps
    assert said == steps[len(steps) - len(said) :]
    assert said[-1:] == steps[-1:]
    if said != steps:
        assert not kept.turns, "nothing of an earlier turn is kept where a step of the run is not"


@pytest.mark.req("GOA-57.1")
@given(TURNS, STEPS, st.integers(1, 400))
def test_no_more_tokens_are_kept_than_were_allowed_beside_the_opening_and_the_newest_step(
    turns: tuple[Turn, ...], steps: tuple[tuple[ModelMessage, ...], ...], tokens: int
) -> None:
    kept = windowed(Conversation(turns, opening=OPENING, steps=steps), turns=99, tokens=tokens)
    always = (*OPENING, *(steps[-1] if steps else ()))
    said = [m for m in kept.messages if not (m.role == "system" and "left out" in m.text)]
    assert tokens_in(said) <= max(tokens, tokens_in(always))


@pytest.mark.req("GOA-57.1")
def test_as_much_is_kept_as_fits() -> None:
    turns = tuple(turn(i) for i in range(5))
    whole = Conversation(turns, opening=OPENING)
    room = tokens_in(OPENING) + 2 * tokens_in(turns[0].messages)
    assert windowed(whole, turns=9, tokens=room).turns == turns[3:]
    assert windowed(whole, turns=9, tokens=room - 1).turns == turns[4:]
    assert windowed(whole, turns=1, tokens=room).turns == turns[4:]


def test_a_model_is_told_that_steps_of_its_own_are_left_out() -> None:
    whole = Conversation((turn(0),), opening=OPENING, steps=tuple(step(i, 300) for i in range(4)))
    kept = windowed(whole, turns=9, tokens=tokens_in((*OPENING, *step(0, 300))) * 2)
    assert [message.text for message in kept.messages if message.role == "system"] == [
        "2 earlier steps of yours are left out here."
    ]
    assert kept.messages.index(kept.steps[0][0]) == len(OPENING)


def test_pictures_and_arguments_count_too() -> None:
    plain = tokens_in([ModelMessage("user", "Look")])
    picture = Media("image", "image/png", b"\x89PNG")
    assert tokens_in([ModelMessage("user", "Look", media=(picture,))]) >= plain + 1_000
    assert tokens_in([ModelMessage("assistant", calls=(ModelCall("a", ToolName("b"), b"x" * 300),))]) >= 100
