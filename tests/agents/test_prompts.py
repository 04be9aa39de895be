from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.instructions import RunFacts
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import FACTS, Prompt
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.plan import PlanInput
from lichen.core.words.errors import Invalid, LichenError
from lichen.testing.models import plan_input


def asked(**attributes: str) -> PlanInput:
    given = plan_input("Hi")
    run = msgspec.structs.replace(given.run, attributes=attributes, now_us=1_764_255_600_000_000)
    return msgspec.structs.replace(given, run=run)


async def system(instructions: Any, input: PlanInput) -> str:
    model = ScriptedModel(["done"])
    await LLMPlanner(model, instructions=instructions).plan(input)
    return model.requests[0].system


# -- what instructions may be ------------------------------------------------------------------------------------


@pytest.mark.req("GOA-59.1")
async def test_a_prompt_says_what_differs_between_runs() -> None:
    prompt = Prompt("You help the {actor}s of {tenant} in {language} on {today} ({attributes.tier}).")
    told = await system(prompt, asked(language="de", tier="gold"))
    assert told == "You help the customers of acme in de on Thursday, 2025-11-27 (gold)."


async def test_what_a_run_has_no_value_for_is_left_empty_and_braces_are_written_twice() -> None:
    assert await system(Prompt("[{attributes.tier}{team}] {{x}}"), asked()) == "[] {x}"


@pytest.mark.req("GOA-59.2")
@given(st.text(max_size=200))
def test_a_value_is_one_line_and_never_read_as_a_template(value: str) -> None:
    told = Prompt("<{attributes.name}>").render({"attributes": {"name": value}})
    assert told == f"<{' '.join(value.split())}>"
    assert len(told.splitlines()) == 1


async def test_words_that_are_no_prompt_are_taken_as_they_are() -> None:
    assert await system("Use {braces} as you like.", asked()) == "Use {braces} as you like."


async def test_a_function_of_the_facts_may_make_the_words_at_once_or_later() -> None:
    def at_once(facts: RunFacts) -> str:
        return (
            f"{facts.scope.tenant}/{facts.scope.env} {facts.actor} {facts.language} {facts.now:%Y} {facts.attributes}"
        )

    async def later(facts: RunFacts) -> str:
        return at_once(facts)

    for function in (at_once, later):
        told = await system(function, asked(language="de", channel="web", tier="gold"))
        assert told == "acme/dev customer de 2025 {'tier': 'gold'}"


def _silent(facts: RunFacts) -> Any:
    return None


async def test_a_function_that_gives_no_text_fails_the_plan() -> None:
    with pytest.raises(LichenError) as caught:
        await system(_silent, asked())
    assert caught.value.code == "instructions_invalid"


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-59.3")
def test_a_file_is_called_by_its_name_and_version(tmp_path: Path) -> None:
    plain, versioned, headed = (tmp_path / name for name in ("support.md", "support@3.md", "any.md"))
    plain.write_text("You help.\n")
    versioned.write_text("You help.\n")
    headed.write_text("---\nname: support\nversion: 2025-11\ndescription: Ours.\n---\n\nYou help.\n")
    read = [Prompt.read(path) for path in (plain, versioned, headed)]
    assert [prompt.reference.partition("#")[0] for prompt in read] == ["support", "support@3", "support@2025-11"]
    assert {prompt.text for prompt in read} == {"You help."}
    assert len({prompt.reference.partition("#")[2] for prompt in read}) == 1, "the same words are the same digest"
    assert read[2].description == "Ours."


def test_other_words_under_the_same_version_have_another_reference() -> None:
    assert Prompt("a", name="support", version="3").reference != Prompt("b", name="support", version="3").reference


def test_a_line_of_hyphens_in_the_text_is_no_head(tmp_path: Path) -> None:
    path = tmp_path / "support.md"
    path.write_text("You help.\n---\nAlways.\n---\n")
    assert Prompt.read(path).text == "You help.\n---\nAlways.\n---"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("support.md", "You help {customer}."),
        ("support.md", "{tenant.__class__}"),
        ("support.md", "{"),
        ("support.md", "  "),
        ("Support.md", "You help."),
        ("support.md", "---\nnam: x\n---\nYou help."),
        ("support.md", "---\n[\n---\nYou help."),
        ("support.md", b"\xff"),
        ("support.md", "x" * (64 * 1024 + 1)),
    ],
)
def test_a_file_that_is_no_prompt_is_refused_with_its_path(tmp_path: Path, name: str, text: str | bytes) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Invalid) as caught:
        Prompt.read(path)
    assert (caught.value.code, caught.value.place) == ("prompt_invalid", str(path))


def test_every_fact_a_prompt_may_name_is_one_that_a_run_has() -> None:
    from lichen.agents.llm.instructions import facts_of, named

    assert {*named(facts_of(asked().run)), "memory"} == FACTS  # which is read where a prompt names it
