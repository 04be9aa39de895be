"""Components held to the questions of their folder, and examined together with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lichen.cli.app import app
from lichen.cli.components.playing import Reply, Scripted
from lichen.core.words.errors import LichenError
from lichen.tools.egress.reach import NotReached, Request, Response
from tests.cli.guests.made import built

CASE = '[[case]]\nname = "a"\n'
Change = Callable[[Path, dict[str, Any]], object]
CHANGES: list[tuple[str, Change]] = [
    ("component_source_changed", lambda folder, said: (folder / "src" / "more.h").write_text("// more")),
    ("component_hash", lambda folder, said: said["hashes"].update(component_wasm=f"blake3:{'0' * 64}")),
    ("component_world", lambda folder, said: said.update(world="greentic:component/component@0.4.0")),
    ("component_import_undeclared", lambda folder, said: said["capabilities"]["host"].clear()),
    ("component_source_invalid", lambda folder, said: (folder / "component.toml").write_text("language = 1")),
]
ASK = '[[case.ask]]\nop = "total"\ninput = { name = "tea" }\n'


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["component", *map(str, words)])


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "component.manifest.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built("c", tmp_path / "c")


@pytest.mark.req("GRE-81.14")
@pytest.mark.parametrize("language", ["c", "javascript"])
def test_a_component_is_held_to_the_questions_of_its_folder(language: str, tmp_path: Path) -> None:
    done = run("test", built(language, tmp_path / language), "--json", "--junit", tmp_path / "out" / "junit.xml")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["ok"], [each["missed"] for each in said["cases"]]) == (True, [[], [], []])
    assert b'tests="3" failures="0"' in (tmp_path / "out" / "junit.xml").read_bytes()


@pytest.mark.req("GRE-81.14")
@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ('gives = { name = "tea", total = 1 }', 'it was to give {"name": "tea", "total": 1} and gave'),
        ("gives = {}", "it was to give {} and gave"),
        ('fails = "input_invalid"', "it was to fail with input_invalid and gave"),
        ('input.name = "T"\ngives = {}', "it failed with input_invalid: `name` has to be"),
        ('input.name = "T"\nfails = "other"', "it failed with input_invalid"),
    ],
)
def test_what_differs_is_told_and_ends_with_1(expected: str, said: str, folder: Path, tmp_path: Path) -> None:
    ask = ASK if "input." not in expected else '[[case.ask]]\nop = "total"\n'
    (folder / "tests" / "totals.test.toml").write_text(f"{CASE}{ask}{expected}\n")
    done = run("test", folder, "--junit", tmp_path / "junit.xml")
    assert done.exit_code == 1
    assert f"question 1, total: {said}" in done.stdout
    assert b'tests="1" failures="1"' in (tmp_path / "junit.xml").read_bytes()


@pytest.mark.req("GRE-81.14")
def test_a_component_that_is_held_to_questions_has_what_it_declares_and_nothing_else(folder: Path) -> None:
    said = manifest(folder)
    said["capabilities"]["host"]["state"] = {"read": True}
    (folder / "component.manifest.json").write_text(json.dumps(said))
    (folder / "tests" / "totals.test.toml").write_text(
        f'{CASE}{ASK}gives = {{ name = "tea", total = 0 }}\n{ASK.replace("total", "add")}fails = "state_unavailable"\n'
    )
    done = run("test", folder)
    assert done.exit_code == 0, done.output


@pytest.mark.req("GRE-81.14")
def test_the_network_is_the_answers_of_a_case() -> None:
    scripted = Scripted([Reply("https://api.example.com/now", status=201, body="{}", headers={"Content-Type": "a/b"})])
    asked = Request("GET", "https://api.example.com/now")
    assert asyncio.run(scripted.ask(asked, 1)) == Response(201, "a/b", b"{}", {"content-type": "a/b"})
    with pytest.raises(NotReached):
        asyncio.run(scripted.ask(asked._replace(method="POST"), 1))


@pytest.mark.req("GRE-81.14")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[case]", "Expected"),
        ("[[case]]\nname = 3", "Expected `str`"),
        (f"{CASE}{ASK}", "either `gives` or `fails`"),
        (f'{CASE}{ASK}gives = 1\nfails = "x"', "either `gives` or `fails`"),
        (f"{CASE}{ASK}gvies = 1", "unknown field `gvies`"),
    ],
)
def test_tests_that_are_none_are_refused_with_their_file(text: str, said: str, folder: Path) -> None:
    file = folder / "tests" / "totals.test.toml"
    file.write_text(text)
    error = run("test", folder).exception
    assert isinstance(error, LichenError)
    assert (error.code, error.place) == ("component_tests_invalid", str(file))
    assert said in error.message
    file.unlink()
    error = run("test", folder).exception
    assert isinstance(error, LichenError)
    assert error.code == "component_tests_missing"


@pytest.mark.req("GRE-81.15")
def test_the_doctor_finds_nothing_wrong_with_what_was_just_built(folder: Path) -> None:
    done = run("doctor", folder, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["components"][0]["findings"] == []


@pytest.mark.req("GRE-81.15")
@pytest.mark.parametrize(("code", "change"), CHANGES)
def test_the_doctor_of_a_folder_says_what_does_not_fit_together(code: str, change: Change, folder: Path) -> None:
    said = manifest(folder)
    change(folder, said)
    (folder / "component.manifest.json").write_text(json.dumps(said))
    done = run("doctor", folder, "--json")
    found = json.loads(done.stdout)["components"][0]["findings"]
    assert done.exit_code == 1
    assert [(each["severity"], each["code"]) for each in found] == [("problem", code)]
    assert found[0]["next_step"]
