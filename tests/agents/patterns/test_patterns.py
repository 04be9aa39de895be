"""Agents that work together: what each pattern asks of whom, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from lichen import Agent
from lichen.agents import patterns
from lichen.agents.patterns import Human, Opinion
from lichen.agents.ways.router import Route
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from lichen.testing.worlds import World, world
from tests.agents.patterns.members import CUSTOMER, Ended, ended, fails, member


async def outcome(agent: Agent, text: str = "Go.") -> Ended:
    """How a run of the agent ends."""
    async with world(agents=[agent]) as team:
        return await ended(team, await team.start(agent.name, text))


async def answer(agent: Agent, text: str = "Go.") -> str | None:
    return (await outcome(agent, text)).text


def kinds(team: World) -> list[str]:
    return [record.type for record in team.records()]


# -- chain -------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-86.1")
async def test_each_member_of_a_chain_reads_what_the_one_before_it_said() -> None:
    first, asked = member("first", lambda text: f"{text} one")
    second, asked_then = member("second", lambda text: f"{text} two")
    assert await answer(patterns.chain("team.chain", [first, second, first]), "zero") == "zero one two one"
    assert (asked, asked_then) == (["zero", "zero one two"], ["zero one"])


@pytest.mark.req("SYM-86.1")
async def test_a_chain_fails_with_the_code_of_a_member_that_fails_and_asks_nobody_after_it() -> None:
    first, _ = member("first", fails)
    second, asked = member("second", ["never"])
    end = await outcome(patterns.chain("team.chain", [first, second]))
    assert end.code == "broken"
    assert not asked


@pytest.mark.req("SYM-86.1")
async def test_a_pattern_is_a_member_like_any_other() -> None:
    first, _ = member("first", lambda text: f"{text}1")
    second, _ = member("second", lambda text: f"{text}2")
    inner = patterns.chain("team.inner", [first, second])
    assert await answer(patterns.chain("team.outer", [inner, second]), "0") == "0122"


# -- parallel ----------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-86.2")
async def test_members_asked_at_once_answer_in_their_order_and_one_that_fails_says_so() -> None:
    members = [member("a", ["A."])[0], member("b", fails)[0], member("c", ["C."])[0]]
    assert json.loads(await answer(patterns.parallel("team.all", members)) or "") == [
        {"agent": "team.a", "answer": "A."},
        {"agent": "team.b", "error": "broken"},
        {"agent": "team.c", "answer": "C."},
    ]


@pytest.mark.req("SYM-86.2")
async def test_what_members_say_is_joined_by_a_function_or_by_an_agent() -> None:
    members = [member("a", ["A."] * 2)[0], member("b", ["B."] * 2)[0]]

    def joined(opinions: Sequence[Opinion]) -> str:
        return " ".join(opinion.answer for opinion in opinions)

    assert await answer(patterns.parallel("team.all", members, join=joined)) == "A. B."
    judge, asked = member("judge", ["Both."])
    assert await answer(patterns.parallel("team.all", members, join=judge)) == "Both."
    assert [opinion["answer"] for opinion in json.loads(asked[0])] == ["A.", "B."]


@pytest.mark.req("SYM-86.2")
async def test_a_pattern_fails_where_fewer_answered_than_have_to() -> None:
    members = [member("a", ["A."])[0], member("b", fails)[0]]
    end = await outcome(patterns.parallel("team.all", members, least=2))
    assert end.code == "parallel_failed"


@pytest.mark.req("SYM-86.2")
async def test_members_of_one_pattern_are_asked_in_one_plan() -> None:
    agent = patterns.parallel("team.all", [member(name, ["."])[0] for name in "abcd"])
    async with world(agents=[agent]) as team:
        run = await team.start(agent.name, "Go.")
        await team.result(run)
        planned = [record for record in team.records(run) if record.type == "planned"]
        assert [len(cast_calls(record.control)) for record in planned] == [4, 0]


def cast_calls(control: Any) -> list[Any]:
    return list(control["calls"])


# -- race --------------------------------------------------------------------------------------------------------


# -- debate ------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-86.4")
async def test_a_debate_goes_on_until_the_critic_agrees() -> None:
    writer, written = member("writer", ["First.", "Second.", "Third."])
    critic, objected = member("critic", ["Too short.", "**Agreed.**", "never"])
    assert await answer(patterns.debate("team.debate", writer, critic), "Why?") == "Second."
    assert written[0] == "Why?"
    assert "First." in objected[0]
    assert "AGREED" in objected[0]
    assert "Too short." in written[1]


@pytest.mark.req("SYM-86.4")
async def test_a_debate_ends_after_its_rounds() -> None:
    writer, written = member("writer", lambda text: f"{len(text)}")
    critic, objected = member("critic", lambda text: "No.")
    await answer(patterns.debate("team.debate", writer, critic, rounds=2))
    assert (len(written), len(objected)) == (3, 2)


# -- map_reduce --------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-86.5")
async def test_each_part_is_mapped_so_many_at_once_and_all_are_reduced_in_order() -> None:
    mapper, mapped = member("mapper", lambda text: text.upper())
    reducer, _ = member("reducer", lambda text: "".join(each["answer"] for each in json.loads(text)))
    agent = patterns.map_reduce("team.map", mapper, reducer, at_once=2)
    async with world(agents=[agent]) as team:
        run = await team.start(agent.name, '["a","b","c","d","e"]')
        assert (await ended(team, run)).text == "ABCDE"
        planned = [len(cast_calls(r.control)) for r in team.records(run) if r.type == "planned"]
        assert planned == [2, 2, 1, 1, 0]
    assert sorted(mapped) == list("abcde")


@pytest.mark.req("SYM-86.5")
async def test_parts_are_the_lines_or_what_a_function_says_and_one_that_fails_is_named() -> None:
    def odd(text: str) -> Any:
        return fails(text) if text == "b" else text

    def commas(text: str) -> list[str]:
        return text.split(",")

    for split, given in ((None, "a\n\n b \n"), (commas, "a,b")):
        mapper, _ = member("mapper", odd)
        reducer, reduced = member("reducer", ["."])
        await answer(patterns.map_reduce("team.map", mapper, reducer, split=split), given)
        assert json.loads(reduced[0]) == [
            {"agent": "team.mapper", "answer": "a"},
            {"agent": "team.mapper", "error": "broken"},
        ]


@pytest.mark.req("SYM-86.5")
@pytest.mark.parametrize("given", ["[]", json.dumps(["x"] * 257), '["b"]'])
async def test_no_parts_too_many_and_none_that_is_answered_fail(given: str) -> None:
    agent = patterns.map_reduce("team.map", member("mapper", fails)[0], member("reducer", ["."])[0])
    assert (await outcome(agent, given)).code == "map_reduce_failed"


# -- director ----------------------------------------------------------------------------------------------------

WANTED = json.dumps({"assignments": [{"worker": "team.law", "task": "Read."}, {"worker": "team.sums", "task": "Add."}]})


@pytest.mark.req("SYM-86.6")
async def test_a_director_says_who_does_what_and_answers_with_what_comes_back() -> None:
    lead, told = member("lead", [f"```json\n{WANTED}\n```", "All is well."])
    law, law_asked = member("law", ["Fine."])
    sums, _ = member("sums", fails)
    assert await answer(patterns.director("team.work", lead, [law, sums]), "Check it.") == "All is well."
    assert law_asked == ["Read."]
    assert "team.sums: Does sums." in told[0]
    assert '"answer":"Fine."' in told[1]
    assert '"error":"broken"' in told[1]


@pytest.mark.req("SYM-86.6")
async def test_a_director_is_asked_once_more_and_then_fails() -> None:
    law, _ = member("law", ["Fine."])
    lead, told = member("lead", ["Well, law could.", '{"assignments": []}', "Alone."])
    assert await answer(patterns.director("team.work", lead, [law])) == "Alone."
    assert "not usable" in told[1]
    for said in (["?", "?"], ['{"assignments":[{"worker":"team.nobody","task":"x"}]}']):
        lead, _ = member("lead", said)
        assert (await outcome(patterns.director("team.work", lead, [law]))).code == "director_unclear"
    many = json.dumps({"assignments": [{"worker": "team.law", "task": "x"}] * 21})
    lead, _ = member("lead", [many, many])
    assert (await outcome(patterns.director("team.work", lead, [law]))).code == "director_unclear"


# -- router ------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-86.7")
@pytest.mark.parametrize(
    ("small", "text", "expected"),
    [
        (["Yes.\nconfidence: 0.9"], "Hello", "Yes."),
        (["Yes.\nconfidence: 0.8"], "Hello", "Large."),
        (["Yes."], "Hello", "Large."),
        (["never"], "About my invoice", "Large."),
        (fails, "Hello", "Large."),
    ],
)
async def test_a_rule_or_how_sure_the_small_agent_is_decides_who_answers(small: Any, text: str, expected: str) -> None:
    routes = [Route("large", words=("invoice",))]
    large, asked = member("large", ["Large."])
    agent = patterns.router("team.router", member("small", small)[0], large, routes=routes)
    assert await answer(agent, text) == expected
    assert asked in ([], [text])


# -- critic ------------------------------------------------------------------------------------------------------

RUBRIC = {"true": 3.0, "kind": 1.0}


def scores(true: float, kind: float, feedback: str = "") -> str:
    return json.dumps({"scores": {"true": true, "kind": kind}, "feedback": feedback})


@pytest.mark.req("SYM-84.1")
async def test_an_answer_counts_once_its_weighted_scores_reach_the_threshold() -> None:
    writer, written = member("writer", ["First.", "Second."])
    judge, judged = member("judge", [scores(0.7, 1.0, "Check the sum."), scores(1.0, 0.2)])
    assert await answer(patterns.critic("team.critic", writer, judge, rubric=RUBRIC), "Why?") == "Second."
    assert "Check the sum." in written[1]
    assert "true, kind" in judged[0]


@pytest.mark.req("SYM-84.1")
async def test_what_never_is_good_enough_fails_and_so_do_scores_that_cannot_be_used() -> None:
    writer, written = member("writer", lambda text: "Text.")
    judge, _ = member("judge", lambda text: scores(0.7, 1.0))
    end = await outcome(patterns.critic("team.critic", writer, judge, rubric=RUBRIC, rounds=2))
    assert (end.code, len(written)) == ("critic_rejected", 2)
    for said in ("Good!", scores(1.5, 1.0)):
        judge, _ = member("judge", [said, said])
        assert (await outcome(patterns.critic("team.c", writer, judge, rubric=RUBRIC))).code == "verdict_invalid"


@pytest.mark.req("SYM-84.1")
async def test_a_dimension_without_a_score_has_none() -> None:
    writer, _ = member("writer", lambda text: "Text.")
    judge, _ = member("judge", lambda text: '{"scores": {"true": 1.0}}')
    assert await answer(patterns.critic("team.c", writer, judge, rubric=RUBRIC, threshold=0.75)) == "Text."
    assert (await outcome(patterns.critic("team.c", writer, judge, rubric=RUBRIC))).code == "critic_rejected"


@pytest.mark.req("SYM-84.2")
async def test_a_person_judges_and_what_they_note_goes_back_to_the_writer() -> None:
    writer, written = member("writer", ["First.", "Second."])
    agent = patterns.critic("team.critic", writer, Human(), rubric=RUBRIC)
    async with world(agents=[agent]) as team:
        run = await team.start(agent.name, "Why?", by=CUSTOMER)
        await team.settle()
        await team.deny(note="Be kind.")
        assert "Be kind." in written[1]
        await team.restart()
        await team.approve()
        assert (await ended(team, run)).text == "Second."
        assert len(written) == 2


@pytest.mark.req("SYM-84.2")
async def test_a_person_who_does_not_judge_in_time_fails_it() -> None:
    writer, _ = member("writer", ["First."])
    agent = patterns.critic("team.critic", writer, Human(expires_s=60.0), rubric=RUBRIC)
    async with world(agents=[agent]) as team:
        run = await team.start(agent.name, "Why?", by=CUSTOMER)
        await team.clock.advance(61.0)
        assert (await ended(team, run)).code == "critic_expired"


# -- misuse ------------------------------------------------------------------------------------------------------

A, B = member("a", ["."])[0], member("b", ["."])[0]
MISUSES = {
    "no member in a chain": lambda: patterns.chain("team.x", []),
    "two of a name": lambda: patterns.chain("team.x", [A, Agent(A.name, planner=A.planner)]),
    "too many members": lambda: patterns.chain("team.x", [member(f"m{i}", ["."])[0] for i in range(33)]),
    "more have to answer than there are": lambda: patterns.parallel("team.x", [A], least=2),
    "nobody has to answer": lambda: patterns.parallel("team.x", [A], least=0),
    "one in a race": lambda: patterns.race("team.x", [A]),
    "one twice in a race": lambda: patterns.race("team.x", [A, A]),
    "no round": lambda: patterns.debate("team.x", A, B, rounds=0),
    "too many rounds": lambda: patterns.debate("team.x", A, B, rounds=21),
    "none at once": lambda: patterns.map_reduce("team.x", A, B, at_once=0),
    "no worker": lambda: patterns.director("team.x", A, []),
    "a lead that works for itself": lambda: patterns.director("team.x", A, [A]),
    "one agent to route to": lambda: patterns.router("team.x", A, A),
    "a threshold above one": lambda: patterns.router("team.x", A, B, threshold=2.0),
    "an empty rubric": lambda: patterns.critic("team.x", A, B, rubric={}),
    "a weight of nothing": lambda: patterns.critic("team.x", A, B, rubric={"x": 0.0}),
    "a critic's threshold above one": lambda: patterns.critic("team.x", A, B, rubric=RUBRIC, threshold=1.1),
    "a name that is none": lambda: patterns.chain("X", [A]),
}


@pytest.mark.req("SYM-86.8")
@pytest.mark.parametrize("name", MISUSES)
def test_a_pattern_that_cannot_work_is_refused_when_it_is_made(name: str) -> None:
    with pytest.raises(Invalid):
        MISUSES[name]()


@pytest.mark.req("SYM-86.8")
def test_what_a_pattern_goes_by_tells_its_versions_apart() -> None:
    digests = {
        patterns.chain("team.x", [A, B]).digest,
        patterns.chain("team.x", [B, A]).digest,
        patterns.debate("team.x", A, B).digest,
        patterns.debate("team.x", A, B, rounds=2).digest,
        patterns.critic("team.x", A, B, rubric=RUBRIC).digest,
        patterns.critic("team.x", A, B, rubric=RUBRIC, threshold=0.5).digest,
        patterns.chain("team.x", [A, B], limits=Limits()).digest,
    }
    assert len(digests) == 7
