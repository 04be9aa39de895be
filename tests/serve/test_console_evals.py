"""Evals on the console's pages: suites over time, a result beside its baseline, and who reads what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lichen.evals import read, tried
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.runtime.trials.keeper import Keeper
from lichen.testing.worlds import LiveClock
from tests.serve.asgi import Door
from tests.serve.console import ACME, GLOBEX, OPS, signed_in

SUITE = """
tenant = "acme"
[judge]
model = "echo:"
rubric = "Polite."
replies = [{{ text = '{{"score": 0.2, "reason": "It is <curt>."}}' }}, {{ text = '{{"score": 0.2}}' }}]
[judge.calibration]
agreement = 0.9
cases = [{{ customer = "Hi", agent = "Go away.", good = false }}, {{ customer = "Hi", agent = "Hello!", good = true }}]
[[case]]
name = "where it is"
as = "customer-7"
[[case.turn]]
says = "Where is order 1042?"
answer = {{ contains = ["{word}"] }}
calls = [{{ tool = "orders.lookup" }}]
judged = 0.5
"""


def hold(runtime: Runtime, folder: Path, word: str, *, times: int = 2) -> str:
    """Holds the suite as `lichen eval` would, beside the runtime. Returns the id of what is kept."""
    assert runtime.settings is not None
    (folder / "evals").mkdir(exist_ok=True)
    path = folder / "evals" / "where.toml"
    path.write_text(SUITE.format(word=word))
    project = load(runtime.settings.root / "lichen.toml", environ={"LICHEN_HOME": str(folder / "elsewhere")})
    keepers: list[Keeper] = []

    def keep(begun: object) -> Keeper:
        clock = LiveClock().now_us
        keepers.append(Keeper(runtime.home, begun, clock=clock, broken=lambda error: None))  # type: ignore[arg-type]
        return keepers[-1]

    suites = [(path, read(path))]
    report = asyncio.run(tried(project, suites, times=times, told=lambda name, number, met: None, keep=keep))
    for keeper in keepers:
        keeper.close()
    return report.kept[0]


@pytest.mark.req("LIC-25.37")
async def test_suites_are_shown_with_their_rates_over_time_while_another_process_holds_them(
    runtime: Runtime, tmp_path: Path
) -> None:
    async with signed_in(runtime) as client:
        assert "No evals were held here" in (await client.get("/console/evals")).text
        first = await asyncio.to_thread(hold, runtime, tmp_path, "1042")
        second = await asyncio.to_thread(hold, runtime, tmp_path, "samovar")
        book = (await client.get("/console/evals.json")).json()
        page = (await client.get("/console/evals")).text
    (suite,) = book["suites"]
    assert [(each["id"], each["rate"]["of"]) for each in suite["results"]] == [(second, 2), (first, 2)]
    assert page.count("<circle") == 2
    assert f'href="/console/evals/{second}"' in page
    assert await runtime.evals.list(GLOBEX, OPS) == await runtime.evals.list(GLOBEX, OPS, suite="none")


@pytest.mark.req("LIC-25.37")
async def test_a_result_is_shown_beside_the_one_before_with_what_was_said_expected_and_judged(
    runtime: Runtime, tmp_path: Path
) -> None:
    first = await asyncio.to_thread(hold, runtime, tmp_path, "1042")
    second = await asyncio.to_thread(hold, runtime, tmp_path, "samovar")
    async with signed_in(runtime) as client:
        view = (await client.get(f"/console/evals/{second}.json")).json()
        page = (await client.get(f"/console/evals/{second}")).text
        alone = (await client.get(f"/console/evals/{second}.json?baseline=none")).json()
        missing = await client.get("/console/evals/eval-00000000")
    assert (view["baseline"]["id"], view["differs"], alone["baseline"]) == (first, ["suite"], None)
    (case,) = view["cases"]
    trial = case["failing"][0]["trial"]
    assert [miss["place"] for miss in trial["missed"]] == ["/turn/0/answer/contains/0", "/turn/0/judged"]
    assert (trial["missed"][0]["expected"], trial["judged"][0]["reason"]) == ("samovar", "It is <curt>.")
    assert [line["said"] for line in trial["lines"]] == ["Where is order 1042?"]
    assert trial["lines"][0]["calls"][0]["verdict"] == "allow"
    for words in ("Where is order 1042?", "samovar", "It is &lt;curt&gt;.", "Its verdicts count for nothing."):
        assert words in page
    assert "50 % of 2 labelled replies (asked: 90 %)" in page
    assert missing.status_code == 404


QUIET = """
@id("no-words")
forbid (principal is Operator, action == Action::"eval.read", resource);
"""


@pytest.mark.req("LIC-25.38")
async def test_who_may_not_read_what_was_said_sees_figures_alone_and_who_may_is_noted(
    runtime: Runtime, tmp_path: Path
) -> None:
    id = await asyncio.to_thread(hold, runtime, tmp_path, "samovar", times=1)
    before = runtime.log(ACME).last_seq
    view = await runtime.evals.show(ACME, OPS, id)
    assert view.cases[0].failing[0].trial.lines[0].said == "Where is order 1042?"
    await runtime.log(ACME).durable()
    page = await runtime.records.page(ACME, OPS)
    noted = [each for each in page if each.seq > before and each.type == "accessed" and each.summary == "eval"]
    assert [(each.contents or {}).get("resource") for each in noted] == [id]  # that the log was read is noted as well
    assert runtime.settings is not None
    policies = runtime.settings.root / "policies" / "acme"
    (policies / "quiet.cedar").write_text(QUIET)
    try:
        await runtime.reload(ACME, OPS)
    finally:
        (policies / "quiet.cedar").unlink()
    quiet = await runtime.evals.show(ACME, OPS, id)
    trial = quiet.cases[0].failing[0].trial
    assert (quiet.has_words, trial.lines, [miss.message for miss in trial.missed]) == (False, (), ["", ""])
    assert [each.reason for each in trial.judged] == [""]
    async with signed_in(runtime) as client:
        page = (await client.get(f"/console/evals/{id}")).text
    assert "Policy does not let you read what was said." in page
    assert "samovar" not in page


@pytest.mark.req("LIC-25.38")
async def test_the_api_says_what_the_page_says_and_customers_see_none_of_it(
    runtime: Runtime, door: Door, tmp_path: Path
) -> None:
    first = await asyncio.to_thread(hold, runtime, tmp_path, "1042", times=1)
    second = await asyncio.to_thread(hold, runtime, tmp_path, "samovar", times=1)
    ops = door.of("acme", "ops")
    async with signed_in(runtime) as client:
        for path in ("evals", f"evals/{second}", f"evals/{second}?baseline=none", f"evals/{first}?baseline={second}"):
            address, _, query = path.partition("?")
            twin = (await client.get(f"/console/{address}.json?{query}")).json()
            assert twin == (await ops.get(path)).data
    assert (await ops.get("evals?suite=other")).data == {"suites": []}
    for path in ("evals", f"evals/{first}"):
        assert (await door.of("acme", "customer-7").get(path)).code == "role_missing"
    assert (await door.of("globex", "ops").get(f"evals/{first}")).code == "eval_unknown"
