"""What a component asks first becomes a question, and what was said stands among the arguments of the next call."""

from __future__ import annotations

import pytest

from lichen.core.ports.call import GivenAnswer, NotDone
from lichen.tools.wasm.asking import Kept, asks, heard, question_of, with_said
from lichen.tools.wasm.port import Answered
from tests.tools.wasm.families.guests import ask, invoked, node_cbor

SECRET = {"type": "object", "properties": {"api_key": {"type": "string"}}}
SCHEMA = {"type": "object", "properties": {"days": {"type": "integer"}, "town": {"type": "string", "default": "Rome"}}}
ELICITATION = {"title": "A journey", "message": "For how long?", "schema": SCHEMA}


@pytest.mark.req("GRE-47.6")
def test_the_adapter_of_a_router_asks_by_an_elicitation_beside_its_ok() -> None:
    said = ask(node_cbor(invoked({"ok": True, "elicitation": ELICITATION})), "call", {"tool": "lend"})
    assert asks(said)
    question = question_of("desk", said, Kept({}))
    assert (question.asker, question.question.splitlines()[0]) == ("desk", "A journey")
    before = heard(GivenAnswer("answered", b'{"days":3,"else":1}', question.state))
    assert before.said == {"days": 3, "town": "Rome"}
    payload = {"tool": "lend", "arguments": {"title": "Dune"}}
    assert with_said(payload, before.said) == {
        "tool": "lend",
        "arguments": {"title": "Dune", "days": 3, "town": "Rome"},
    }
    assert with_said({"title": "Dune"}, before.said) == {"title": "Dune", "days": 3, "town": "Rome"}


@pytest.mark.req("GRE-47.6")
@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({**ELICITATION, "title": None, "message": ""}, "question_invalid"),
        ({**ELICITATION, "schema": "{}"}, "question_invalid"),
        ({**ELICITATION, "schema": SECRET}, "asks_for_secret"),
    ],
)
def test_a_question_that_is_none_or_is_for_a_secret_is_put_to_nobody(told: dict[str, object], code: str) -> None:
    with pytest.raises(NotDone) as refused:
        question_of("desk", Answered(metadata={"elicit": told}), Kept({}))
    assert refused.value.code == code
