"""Prompts of a project: which words a run is told, which of them its record names, and how they are replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Runtime
from lichen.agents import LLMPlanner, Prompt, ScriptedModel
from lichen.core.deciders import events as e
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import Customer, Scope
from lichen.runtime.project.prompts import Prompts
from tests.runtime.world import OPS, SCOPE

OWN = Prompt("You help {tenant}.", name="support", version="1")
PROD, OTHER = Scope("acme", "prod"), Scope("globex", "dev")


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def told(runtime: Runtime, model: ScriptedModel, scope: Scope) -> tuple[str, tuple[str, ...]]:
    """What a model is told in a run of this scope, and what the run's record names."""
    session = await runtime.sessions.open(scope, Customer("customer-7"))
    reply = await (await session.say("Hi")).result()
    log = runtime.engine.journal(scope).log
    planned = [r.control for r in log.records(run_stream(reply.run)) if isinstance(r.control, e.Planned)]
    return model.requests[-1].system, planned[-1].prompts


@pytest.mark.req("GOA-59.4", "GOA-59.5")
async def test_the_closest_override_wins_and_the_record_names_the_words_that_were_used(tmp_path: Path) -> None:
    files = {
        "support.md": "For all.",
        "acme/support@2.md": "For {tenant}.",
        "acme/prod/support.md": "In {environment}.",
    }
    model = ScriptedModel(["a"] * 4)
    agent = Agent("shop.support", planner=LLMPlanner(model, instructions=OWN))
    prompts = written(tmp_path / "prompts", files)
    async with Runtime.open(tmp_path / "data", agents=[agent], prompts=prompts) as runtime:
        said = {scope: await told(runtime, model, scope) for scope in (SCOPE, PROD, OTHER)}
    assert {scope: text for scope, (text, _) in said.items()} == {
        SCOPE: "For acme.",
        PROD: "In prod.",
        OTHER: "For all.",
    }
    assert said[SCOPE][1] == (Prompt("For {tenant}.", name="support", version="2").reference,)
    assert len({used for _, used in said.values()}) == 3


@pytest.mark.req("GOA-59.5")
async def test_without_an_override_the_record_names_the_agents_own_prompt_and_words_name_none(tmp_path: Path) -> None:
    model = ScriptedModel(["a", "b"])
    agents = [
        Agent("shop.support", planner=LLMPlanner(model, instructions=OWN)),
    ]
    async with Runtime.open(tmp_path, agents=agents) as runtime:
        assert await told(runtime, model, SCOPE) == ("You help acme.", (OWN.reference,))
    plain = [Agent("shop.support", planner=LLMPlanner(model, instructions="Help."))]
    async with Runtime.open(tmp_path / "plain", agents=plain) as runtime:
        assert await told(runtime, model, SCOPE) == ("Help.", ())


@pytest.mark.req("GOA-59.6")
async def test_a_reload_puts_changed_prompts_in_force_and_a_broken_one_leaves_the_old(tmp_path: Path) -> None:
    model = ScriptedModel(["a"] * 3)
    agent = Agent("shop.support", planner=LLMPlanner(model, instructions=OWN))
    prompts = written(tmp_path / "prompts", {"support.md": "Old."})
    async with Runtime.open(tmp_path / "data", agents=[agent], prompts=prompts) as runtime:
        assert (await told(runtime, model, SCOPE))[0] == "Old."
        written(prompts, {"support.md": "New."})
        assert (await runtime.reload(SCOPE, OPS)).prompts == ("support",)
        assert (await told(runtime, model, SCOPE))[0] == "New."
        written(prompts, {"support.md": "{nobody}"})
        again = await runtime.reload(SCOPE, OPS)
        assert ([each.code for each in again.broken], again.prompts) == (["prompt_invalid"], ())
        assert (await told(runtime, model, SCOPE))[0] == "New."


def test_of_several_versions_in_a_place_the_newest_counts(tmp_path: Path) -> None:
    written(tmp_path, {"support.md": "none", "support@9.md": "nine", "support@10.md": "ten", "other.md": "x"})
    found = Prompts(tmp_path).of(SCOPE, "support")
    assert found is not None
    assert (found.version, found.text) == ("10", "ten")
    assert Prompts(tmp_path).of(SCOPE, "nobody") is None
    assert Prompts(None).of(SCOPE, "support") is None


def test_two_files_of_one_name_and_version_are_refused_and_so_is_a_folder_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path, {"a.md": "---\nname: support\n---\nx", "support.md": "y"})
    with pytest.raises(Invalid) as caught:
        Prompts(tmp_path)
    assert caught.value.code == "prompt_invalid"
    with pytest.raises(Invalid) as caught:
        Prompts(tmp_path / "gone")
    assert caught.value.code == "prompts_missing"
