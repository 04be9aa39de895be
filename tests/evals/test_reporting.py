"""How often cases go as expected, what changed, and a judge that judges as people do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelReply, Usage
from lichen.core.words.errors import Invalid
from lichen.evals import Report, judge, read_report
from lichen.runtime.trials.rates import changes, fisher, interval
from lichen.runtime.trials.result import Miss, Spent, Trial, Tried
from tests.evals.shop import held, misses, shop

GOOD = Trial((), Spent(), ())
BAD = Trial((Miss("/turn/0", "no"),), Spent(), ())


def case(name: str, met: int, of: int) -> Tried:
    return Tried("evals/a.toml", name, (*[GOOD] * met, *[BAD] * (of - met)))


@pytest.mark.req("GOA-80.5")
@pytest.mark.parametrize(
    ("met", "of", "between"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (1, 1, (0.2065, 1.0))],
)
def test_the_interval_of_a_rate_is_wilsons(met: int, of: int, between: tuple[float, float]) -> None:
    assert interval(met, of) == pytest.approx(between, abs=5e-4)


@pytest.mark.req("GOA-80.5")
@pytest.mark.parametrize(
    ("table", "p"),
    [((3, 4, 1, 4), 0.4857), ((1, 10, 11, 14), 0.002759), ((10, 10, 0, 10), 1.0825e-05), ((5, 10, 5, 10), 1.0)],
    ids=["the lady tasting tea", "Wikipedia's students", "all and none", "the same"],
)
def test_chance_is_told_by_fishers_exact_test(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=1e-3)


@pytest.mark.req("GOA-80.5")
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_chance_is_a_probability_and_the_same_both_ways(met_a: int, bad_a: int, met_b: int, bad_b: int) -> None:
    p = fisher(met_a, met_a + bad_a, met_b, met_b + bad_b)
    assert 0 < p <= 1
    assert p == pytest.approx(fisher(met_b, met_b + bad_b, met_a, met_a + bad_a))


@pytest.mark.req("GOA-80.5")
def test_a_report_is_compared_with_an_earlier_one_case_by_case() -> None:
    before = Report((case("fell", 20, 20), case("wavers", 5, 10), case("stays", 9, 10), case("went", 1, 1)))
    now = Report((case("fell", 2, 20), case("wavers", 6, 10), case("stays", 9, 10), case("came", 1, 1)))
    assert [(each.name, each.word, each.is_significant) for each in changes(before.cases, now.cases)] == [
        ("fell", "worse", True),
        ("wavers", "better", False),
        ("stays", "same", False),
        ("came", "new", False),
        ("went", "gone", False),
    ]
    assert read_report(msgspec.json.encode(now), "r.json") == now
    with pytest.raises(Invalid, match="eval_report_invalid"):
        read_report(b"{}", "r.json")


@pytest.mark.req("GOA-80.5")
def test_a_case_is_held_as_often_as_it_asks_and_each_time_anew(tmp_path: Path) -> None:
    text = """
    times = 2
    [[case]]
    name = "twice"
    as = "customer-7"
    [[case.turn]]
    says = "I want a refund of 20 EUR for order 1001."
    calls = [{ tool = "orders.refund", outcome = "ok" }]
    [[case]]
    name = "three times"
    as = "customer-7"
    times = 3
    [[case.turn]]
    says = "Where is order 1001?"
    """
    folder = shop(tmp_path)
    assert [(each.met, len(each.trials)) for each in held(folder, text).cases] == [(2, 2), (3, 3)]
    assert [len(each.trials) for each in held(folder, text, times=1).cases] == [1, 1]


JUDGED = """
[judge]
model = "echo:"
rubric = "Polite."
replies = [{replies}]
{calibration}
[[case]]
name = "judged"
as = "customer-7"
[[case.turn]]
says = "Where is order 1001?"
judged = 0.7
"""
CALIBRATION = """
[judge.calibration]
agreement = 0.75
cases = [
    { customer = "Hi", agent = "Hello!", good = true }, { customer = "Hi", agent = "Go away.", good = false },
    { customer = "Thanks", agent = "With pleasure.", good = true }, { customer = "Bye", agent = "So?", good = false },
]
"""


def score(*scores: float) -> str:
    return ", ".join(f'{{ text = \'{{"score": {each}, "reason": "so"}}\' }}' for each in scores)


@pytest.mark.req("GOA-80.6")
@pytest.mark.parametrize(
    ("replies", "places"),
    [
        (score(0.9), []),
        (score(0.6), ["/turn/0/judged"]),
        (score(7) + ", " + score(0.9), []),
        ("{ text = 'Fine.' }, " + score(0.9), []),
        ("{ text = 'Fine.' }, { text = 'Still fine.' }", ["/turn/0/judged"]),
    ],
    ids=["good", "not good enough", "corrected once", "no JSON once", "no verdict at all"],
)
def test_a_judge_says_how_well_a_reply_keeps_to_the_rubric(tmp_path: Path, replies: str, places: list[str]) -> None:
    report = held(shop(tmp_path), JUDGED.replace("{replies}", replies).replace("{calibration}", ""))
    assert misses(report) == places


@pytest.mark.req("GOA-80.6")
@pytest.mark.parametrize(
    ("scores", "agreement", "precision", "recall"),
    [((1, 0, 1, 0), 1.0, 1.0, 1.0), ((1, 1, 1, 0), 0.75, 2 / 3, 1.0), ((0, 1, 0, 1), 0.0, 0.0, 0.0)],
)
def test_a_judge_is_measured_on_what_people_labelled(
    tmp_path: Path, scores: tuple[float, ...], agreement: float, precision: float, recall: float
) -> None:
    # one script says it all: the labelled cases in one world, the case in another, which begins anew
    text = JUDGED.replace("{replies}", score(*scores)).replace("{calibration}", CALIBRATION)
    report = held(shop(tmp_path), text)
    (judge,) = report.judges.values()
    assert (judge.agreement, judge.precision, judge.recall) == pytest.approx((agreement, precision, recall))
    assert report.uncalibrated == (() if agreement >= 0.75 else ("evals/these.toml",))


@pytest.mark.req("GOA-80.13")
def test_what_a_judge_costs_is_counted_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = ModelReply('{"score": 0.9}', usage=Usage(input_tokens=90, output_tokens=10, cost_micro_usd=50))
    monkeypatch.setattr(judge, "script", lambda replies: ScriptedModel([verdict] * len(replies)))  # type: ignore[reportUnknownLambdaType]
    text = JUDGED.replace("{replies}", score(1, 1, 1, 1)).replace("{calibration}", CALIBRATION)
    report = held(shop(tmp_path), text, times=2)
    assert [trial.judge.micro_usd for trial in report.cases[0].trials] == [50, 50]
    assert (report.judges["evals/these.toml"].spent.micro_usd, report.judge_spent.micro_usd) == (200, 300)
    assert (report.judge_spent.tokens, report.spent.micro_usd, report.spent.calls) == (600, 0, 2)
