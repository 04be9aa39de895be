"""What was asked of models is the same wherever it is read, with its words and once they are gone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from lichen import Agent, Customer
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import Prompt
from lichen.agents.models.model import ScriptedModel
from lichen.cli.show.screen import Screen
from lichen.cli.show.timeline import show_run
from lichen.core.ports.model import ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.ids import RunId
from lichen.core.words.limits import Usage
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.serve.asgi import Door
from tests.serve.browser import issue
from tests.serve.console import ACME, OPS, said, signed_in

WORD = "marigold"  # stands in every prompt and reply
COUNTS = st.integers(0, 10_000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
CODES = st.sampled_from(["model_timed_out", "model_malformed", "model_refused", "model_overloaded"])


def replied(usage: Usage, tries: int, first_us: int) -> ModelReply:
    return ModelReply(f"A {WORD}.", (), usage, tries=tries, first_us=first_us)


def failed(code: str, usage: Usage) -> ModelError:
    return ModelError("No.", code=code, usage=usage)


LINES = st.one_of(st.builds(replied, USAGES, st.integers(1, 4), COUNTS), st.builds(failed, CODES, USAGES))


class AsksAll:
    """Asks for every line of its model, whatever comes of it."""

    pure = False
    digest = "asks-all"

    def __init__(self, lines: list[ModelReply | ModelError]) -> None:
        self._model, self._count = ScriptedModel(lines, name="corner:large"), len(lines)

    async def plan(self, input: PlanInput) -> Plan:
        for i in range(self._count):
            try:
                request = ModelRequest(f"The {WORD}, please.", (ModelMessage("user", f"{WORD} {i}"),))
                await input.model(self._model, request)
            except ModelError:
                continue
        return Plan(answer="Done.")


async def _faces(runtime: Runtime, run: RunId) -> list[Mapping[str, Any]]:
    """What the API and the console's twin show of the requests, which is the same."""
    door = Door(make_app(runtime, identify=by_key(runtime)), {"authorization": f"Bearer {issue(runtime)}"})
    async with signed_in(runtime) as client:
        twin = (await client.get(f"/console/runs/{run}.json")).json()["models"]
        page = (await client.get(f"/console/runs/{run}")).text
    shown = (await door.get(f"runs/{run}")).data
    assert twin == shown["models"]
    assert all(f"{each['micro_usd'] / 1e6:.4f} USD" in page for each in shown["models"] if not each["is_unpriced"])
    assert sum(each["micro_usd"] for each in twin) == shown["cost"]["micro_usd"]
    return twin


@pytest.mark.req("LIC-24.23")
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=5))
async def test_requests_are_shown_alike_and_keep_their_sizes_and_costs_when_their_words_are_gone(
    tmp_path_factory: pytest.TempPathFactory, lines: list[ModelReply | ModelError]
) -> None:
    home: Path = tmp_path_factory.mktemp("home")
    async with Runtime.open(home, agents=[Agent("shop.support", planner=AsksAll(lines))]) as runtime:
        await said(runtime, "Go.")
        run = RunId(runtime.runs.list(ACME, OPS)[0].id)
        before = await _faces(runtime, run)
        assert len(before) == len(lines)
        assert all(WORD in str(each["prompt"]) for each in before)
        assert all(WORD in str(each["reply"]) for each in before if each["outcome"] == "ok")
        await runtime.people.erase(ACME, runtime.runs.show(ACME, run, OPS).customer, OPS)
        after = await _faces(runtime, run)
        assert [{**each, "prompt": None, "reply": None} for each in before] == after
        assert WORD not in str(after)


@pytest.mark.req("LIC-24.79")
async def test_a_run_says_which_model_answered_with_which_prompt_and_what_files_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ScriptedModel([ModelError("No.", code="model_unavailable")], name="corner:large")
    other = ScriptedModel([ModelReply("Fine.", model="other-2026")], name="corner:other")
    prompt = Prompt("You help.", name="support", version="3")
    agent = Agent("shop.support", planner=LLMPlanner([away, other], instructions=prompt))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support")
        files = [{"contentUrl": "data:;base64,aGVsbG8=", "name": "bill.txt"}]
        await (await session.say("Look.", data={"attachments": files})).result()
        run = runtime.runs.list(ACME, OPS)[0].id
        show_run(Screen(), to_builtins(runtime.runs.show(ACME, RunId(run), OPS)))
        async with signed_in(runtime) as client:
            page = (await client.get(f"/console/runs/{run}")).text
        shown = capsys.readouterr().out
        assert "corner:other ok: " in shown
        for told in (shown, page):
            assert "bill.txt (text/plain, 1 KB)" in told
            assert "support@3#" in told
            assert "other-2026" in told
        await runtime.people.erase(ACME, runtime.runs.show(ACME, RunId(run), OPS).customer, OPS)
        assert "bill.txt" not in str(to_builtins(runtime.runs.show(ACME, RunId(run), OPS)))
