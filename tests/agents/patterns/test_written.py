"""Patterns in agents' files: the same agents as in Python, and mistakes named at their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lichen import Runtime
from lichen.agents import patterns
from lichen.agents.agent import Agent
from lichen.agents.files import load_agent
from lichen.agents.patterns.critics import Human
from lichen.agents.ways.router import Route
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from tests.runtime.world import OPS, SCOPE

LEAF = "name: shop.{name}\ndescription: Says {name}.\nllm: {{model: 'echo:', instructions: Say {name}.}}\n"
Made = Callable[[Agent, Agent, Agent], Agent]
NAME = "shop.team"
SAME: list[tuple[str, Made]] = [
    ('kind = "chain"\nmembers = ["one.yaml", "two.yaml"]', lambda a, b, c: patterns.chain(NAME, [a, b])),
    ('kind = "race"\nmembers = ["one.yaml", "two.yaml"]', lambda a, b, c: patterns.race(NAME, [a, b])),
    (
        'kind = "parallel"\nmembers = ["one.yaml", "two.yaml"]\njoin = "three.yaml"\nleast = 2',
        lambda a, b, c: patterns.parallel(NAME, [a, b], join=c, least=2),
    ),
    (
        'kind = "map_reduce"\nmapper = "one.yaml"\nreducer = "two.yaml"\nat_once = 3',
        lambda a, b, c: patterns.map_reduce(NAME, a, b, at_once=3),
    ),
    (
        'kind = "debate"\nwriter = "one.yaml"\ncritic = "two.yaml"\nrounds = 4',
        lambda a, b, c: patterns.debate(NAME, a, b, rounds=4),
    ),
    (
        'kind = "director"\nlead = "one.yaml"\nworkers = ["two.yaml", "three.yaml"]',
        lambda a, b, c: patterns.director(NAME, a, [b, c]),
    ),
    (
        'kind = "router"\nsmall = "one.yaml"\nlarge = "two.yaml"\nroutes = [{use = "large", words = ["invoice"]}]',
        lambda a, b, c: patterns.router(NAME, a, b, routes=[Route("large", ("invoice",))]),
    ),
    (
        'kind = "critic"\nwriter = "one.yaml"\njudge = "two.yaml"\nrounds = 2\nrubric = {clear = 1.0}',
        lambda a, b, c: patterns.critic(NAME, a, b, rubric={"clear": 1.0}, rounds=2),
    ),
    (
        'kind = "critic"\nwriter = "one.yaml"\njudge = {may_answer = ["lead"], expires_s = 9}\nrubric = {clear = 1}',
        lambda a, b, c: patterns.critic(NAME, a, Human(("lead",), 9.0), rubric={"clear": 1.0}),
    ),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.yaml").write_text(LEAF.format(name=name))
    return tmp_path


def loaded(home: Path, text: str, name: str = "team.toml") -> Agent:
    (home / name).write_text(text)
    return load_agent(home / name)


@pytest.mark.req("LIC-23.12")
@pytest.mark.parametrize(("said", "python"), SAME)
def test_a_pattern_in_a_file_is_the_one_written_in_python(home: Path, said: str, python: Made) -> None:
    team = loaded(home, f'name = "{NAME}"\n[pattern]\n{said}\n')
    a, b, c = (load_agent(home / f"{name}.yaml") for name in ("one", "two", "three"))
    assert team.digest == python(a, b, c).digest
    assert team.limits == python(a, b, c).limits
    assert {child.name for child in team.children} == {child.name for child in python(a, b, c).children}


@pytest.mark.req("LIC-23.12")
async def test_a_pattern_in_a_file_runs_and_knows_the_files_it_is_made_of(home: Path) -> None:
    inner = 'name = "shop.inner"\n[pattern]\nkind = "chain"\nmembers = ["one.yaml", "one.yaml"]\n'
    (home / "inner.toml").write_text(inner)
    outer = f"name: {NAME}\nlimits: {{calls: 7}}\npattern: {{kind: chain, members: [inner.toml, two.yaml]}}\n"
    team = loaded(home, outer, "team.yaml")
    assert team.limits == Limits(calls=7)
    assert team.source is not None
    assert {Path(file).name for file in team.source.files} == {"team.yaml", "inner.toml", "one.yaml", "two.yaml"}
    assert team.source.again(team.source.files, ()).digest == team.digest
    async with Runtime.open(home / "data", agents=[team]) as runtime:
        run = await runtime.runs.start(SCOPE, NAME, "Hello.", OPS)
        assert "Hello." in await runtime.runs.result(SCOPE, run, OPS)
        tree = runtime.runs.show(SCOPE, run, OPS).tree
        assert [child.agent for child in tree.children] == ["shop.inner", "shop.two"]


@pytest.mark.req("LIC-23.13")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("pattern: {kind: chain, members: [one.yaml, gone.yaml]}", "team.yaml:2:44: /pattern/members/1"),
        ("pattern: {kind: chain, members: [team.yaml]}", "team.yaml:2:34: /pattern/members/0"),
        ("pattern: {kind: swarm, members: [one.yaml]}", "team.yaml:2:11: /pattern/kind"),
        ("pattern: {members: [one.yaml]}", "team.yaml:2:1: /pattern/kind"),
        ("pattern: {kind: chain, members: []}", "team.yaml:2:1: /pattern"),
        ("pattern: {kind: chain, members: [one.yaml], rounds: 3}", "team.yaml:2:45: /pattern/rounds"),
        ("pattern: {kind: debate, writer: one.yaml, critic: two.yaml, rounds: 99}", "team.yaml:2:1: /pattern"),
        ("pattern: {kind: race, members: [one.yaml, one.yaml]}", "team.yaml:2:1: /pattern"),
        ("llm: {model: 'echo:'}\npattern: {kind: chain, members: [one.yaml]}", "team.yaml:2:1: /llm"),
        ("tools: [orders.lookup]\npattern: {kind: chain, members: [one.yaml]}", "team.yaml:2:1: /tools"),
        ("on_missing: ask\npattern: {kind: chain, members: [one.yaml]}", "team.yaml:2:1: /on_missing"),
        ("description: Nothing.", "team.yaml:1:1"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused_at_its_place(home: Path, text: str, place: str) -> None:
    with pytest.raises(Invalid) as caught:
        loaded(home, f"name: {NAME}\n{text}\n", "team.yaml")
    assert str(caught.value.place).removeprefix(f"{home}/") == place


@pytest.mark.req("LIC-23.13")
def test_a_mistake_in_a_member_is_placed_in_its_own_file(home: Path) -> None:
    (home / "two.yaml").write_text("name: shop.two\nllm: {model: 'echo:', warm: 1}\n")
    with pytest.raises(Invalid) as caught:
        loaded(home, f'name = "{NAME}"\n[pattern]\nkind = "chain"\nmembers = ["one.yaml", "two.yaml"]\n')
    assert str(caught.value.place).startswith(f"{home}/two.yaml:2:")
