"""What a tool may say of itself beside its types: its role, its words, an example, and what people are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lichen import NotDone, Secret, tool
from lichen.core.ports.call import Issue, Outcome, Produced, Tool
from lichen.core.ports.recovery import trouble_of
from lichen.core.words.errors import Invalid
from lichen.tools import Artifact, ResultRefused, WithArtifacts, Workers
from lichen.tools.arguments.example import example_of
from lichen.tools.entrusted import Entrusted
from lichen.tools.spec import contract
from tests.tools import samples
from tests.tools.samples import Receipt, call_meta


class Table(BaseModel):
    rows: list[list[int]]


@tool(
    name="orders.report",
    effects="none",
    call_hint="Adding up {month}",
    result_hint="{result.order_id}: {result.amount|money} in {month}",
    reminder="Amounts are in cents.",
    confirm="Really add up {month}?",
    example={"month": "2026-11"},
    artifacts={"table": Table, "proof": Artifact(str, "evidence", "What it rests on.")},
)
async def report(month: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}$")]) -> WithArtifacts[Receipt]:
    """Adds up a month."""
    return WithArtifacts(Receipt(order_id="all", amount=7), table=Table(rows=[[1, 2]]), proof="ledger 9")


def plain(a: int) -> int:
    return a


def resulting(result: int) -> int:
    return result


def beside(a: int) -> WithArtifacts[int]:
    return WithArtifacts(a)


def model(a: int) -> Receipt:
    return Receipt(order_id="1", amount=a)


@pytest.mark.req("GOA-37.1")
def test_a_contract_holds_the_words_of_its_tool_and_a_contract_without_says_nothing_of_them() -> None:
    spec = report.spec
    assert (spec.role, spec.cost, spec.reminder) == ("work", 1, "Amounts are in cents.")
    assert spec.artifacts["proof"].audience == "evidence"
    assert set(spec.output_schema["properties"]) == {"order_id", "amount"}
    bare = contract(tool(name="a.b")(plain).spec)
    assert not bare.keys() & {"role", "confirm", "call_hint", "result_hint", "reminder", "example", "artifacts"}
    assert tool(name="a.b", role="bookkeeping")(plain).spec.cost == 0


# -- artifacts ---------------------------------------------------------------------------------------------------


async def executed(made: Tool, args: bytes) -> Any:
    return await made.execute(made.decode(args), call_meta())


@pytest.mark.req("GOA-36.1")
async def test_what_a_tool_gives_for_people_stands_beside_its_result_and_not_in_it() -> None:
    said = await executed(report, b'{"month": "2026-11"}')
    assert isinstance(said, Produced)
    assert json.loads(said.result) == {"order_id": "all", "amount": 7}
    assert json.loads(said.artifacts) == [
        {"kind": "table", "audience": "timeline", "data": {"rows": [[1, 2]]}},
        {"kind": "proof", "audience": "evidence", "data": "ledger 9"},
    ]


@pytest.mark.req("GOA-36.1")
async def test_artifacts_come_out_of_another_process_as_well() -> None:
    workers = Workers()
    said = await executed(samples.shown.with_workers(workers), b"{}")
    assert said == Produced(b'"seen"', b'[{"kind":"page","audience":"timeline","data":[1,2]}]')
    await workers.close()


@pytest.mark.req("GOA-36.1")
async def test_artifacts_are_as_declared_and_bounded_and_hold_no_secret() -> None:
    @tool(name="a.b", effects="none", runs="loop", artifacts={"page": str})
    def give(kind: str, text: str) -> WithArtifacts[int]:
        return WithArtifacts(1, **{kind: text * 600_000 if kind == "page" and text == "ab" else text})

    with pytest.raises(ResultRefused) as caught:
        await executed(give, b'{"kind": "other", "text": "a"}')
    assert caught.value.code == "result_invalid"
    with pytest.raises(ResultRefused) as caught:
        await executed(give, b'{"kind": "page", "text": "ab"}')
    assert caught.value.code in ("artifact_too_large", "result_too_large")
    trusted = Entrusted(give, {"key": Secret("sk_live_51H8abcdefQ")})
    said = await executed(trusted, b'{"kind": "page", "text": "sk_live_51H8abcdefQ"}')
    assert b"sk_live" not in said.artifacts
    assert trusted.withheld == 1


# -- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-26.3")
async def test_what_is_wrong_with_arguments_that_fit_crosses_a_process_without_secrets() -> None:
    workers = Workers()
    with pytest.raises(NotDone) as caught:
        await executed(samples.unknown.with_workers(workers), b"{}")
    assert (caught.value.issues, caught.value.recovery) == (samples.ISSUES, "correct_call")
    trusted = Entrusted(samples.unknown.with_workers(workers), {"key": Secret("no such month")})
    with pytest.raises(NotDone) as caught:
        await executed(trusted, b"{}")
    assert "no such month" not in caught.value.issues[0].message
    assert caught.value.recovery == "correct_call"
    await workers.close()


@pytest.mark.req("GOA-26.2")
@pytest.mark.parametrize(
    ("outcome", "code", "kind", "recovery"),
    [
        ("ok", "", "", ""),
        ("failed", "arguments_invalid", "invalid_call", "correct_call"),
        ("failed", "tool_unavailable", "unavailable", "replan"),
        ("failed", "result_invalid", "malformed_result", "finish"),
        ("failed", "exception_ValueError", "internal", "finish"),
        ("failed", "order_unknown", "domain_rejection", "replan"),
        ("denied", "policy", "denied", "replan"),
        ("denied", "limit_calls", "denied", "finish"),
        ("timed_out", "timeout", "timeout", "replan"),
        ("timed_out", "limit_time", "timeout", "finish"),
        ("cancelled", "run_cancelled", "cancelled", "finish"),
        ("unknown", "crash", "unknown", "replan"),
    ],
)
def test_every_end_of_a_call_has_a_kind_and_something_to_do(
    outcome: Outcome, code: str, kind: str, recovery: str
) -> None:
    assert trouble_of(outcome, code) == (kind, recovery)


@pytest.mark.req("GOA-26.2")
def test_a_tool_that_says_what_is_wrong_asks_for_other_arguments_and_its_own_word_stands_first() -> None:
    assert trouble_of("failed", "order_unknown", has_issues=True).recovery == "correct_call"
    assert trouble_of("failed", "order_unknown", has_issues=True, asked="finish").recovery == "finish"
    assert trouble_of("failed", "arguments_invalid", asked="finish").recovery == "correct_call"


# -- examples ----------------------------------------------------------------------------------------------------


def nested(order: Receipt, kinds: list[int], when: str = "now") -> int:
    return 1


def patterned(a: Annotated[str, Field(pattern="^x$")]) -> int:
    return 1


@pytest.mark.req("GOA-26.4")
def test_an_example_is_the_authors_own_or_made_of_the_schema_or_none() -> None:
    assert example_of(report.spec) == b'{"month":"2026-11"}'
    made = example_of(tool(name="a.b")(nested).spec)
    assert json.loads(made) == {"order": {"order_id": "text", "amount": 1}, "kinds": []}
    assert example_of(tool(name="a.b")(patterned).spec) == b""


FIELDS = st.sampled_from(
    [
        Annotated[int, Field(ge=3, le=9)],
        Annotated[str, Field(min_length=6, max_length=7)],
        Annotated[list[str], Field(min_length=2)],
        Receipt,
        bool,
        float,
        int | None,
        list[Receipt],
    ]
)


@settings(max_examples=60)
@pytest.mark.req("GOA-26.4")
@given(st.lists(FIELDS, min_size=1, max_size=5))
def test_a_made_example_is_one_that_the_tool_accepts(kinds: list[Any]) -> None:
    lines = ", ".join(f"a{i}: kinds[{i}]" for i in range(len(kinds)))
    names: dict[str, Any] = {"kinds": kinds}
    exec(f"def ask({lines}) -> int: ...", names)  # noqa: S102 - a signature of any length
    made = tool(name="a.b")(names["ask"])
    assert made.decode(example_of(made.spec))


# -- misuse ------------------------------------------------------------------------------------------------------

LOOSE: Any = tool

MISUSES: dict[str, tuple[Callable[[], object], str]] = {
    "a role that there is not": (lambda: LOOSE(name="a.b", role="final")(plain), "no role"),
    "bookkeeping that costs": (lambda: tool(name="a.b", role="bookkeeping", cost=1)(plain), "free of the budget"),
    "a reminder after the end": (lambda: tool(name="a.b", role="terminal", reminder="x")(plain), "nothing is planned"),
    "a reminder without an end": (lambda: tool(name="a.b", reminder="x" * 2001)(plain), "too long"),
    "a hint that is no template": (lambda: tool(name="a.b", call_hint="{a")(plain), "no template"),
    "a hint of no parameter": (lambda: tool(name="a.b", call_hint="{b}")(plain), "no parameter"),
    "a question of no parameter": (lambda: tool(name="a.b", confirm="{b}?")(plain), "no parameter"),
    "a hint of no field": (lambda: tool(name="a.b", result_hint="{result.price}")(model), "no such field"),
    "a hint that could be two": (lambda: tool(name="a.b", result_hint="{result}")(resulting), "called result"),
    "an example of another type": (lambda: tool(name="a.b", example={"a": "1"})(plain), "/a must be an integer"),
    "an example that is no object": (lambda: LOOSE(name="a.b", example=[1])(plain), "does not fit"),
    "artifacts that are not returned": (lambda: tool(name="a.b", artifacts={"t": int})(plain), "With"),
    "artifacts that are not declared": (lambda: tool(name="a.b")(beside), "artifacts="),
    "an artifact without a word": (lambda: tool(name="a.b", artifacts={"a b": int})(beside), "named by words"),
}


@pytest.mark.req("GOA-2.12")
@pytest.mark.parametrize("misuse", MISUSES)
def test_a_contract_that_cannot_be_meant_is_refused_with_its_place(misuse: str) -> None:
    make, words = MISUSES[misuse]
    with pytest.raises(Invalid) as caught:
        make()
    assert caught.value.code == "tool_invalid"
    assert words in f"{caught.value} {caught.value.next_step}"
    assert "test_contracts.py:" in (caught.value.place or "")


def test_issues_are_bounded() -> None:
    assert len(NotDone("no", issues=[Issue("/a", "invalid_range", "x")] * 500).issues) == 100
    assert msgspec.json.encode(NotDone("no").issues) == b"[]"
