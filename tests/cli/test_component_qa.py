"""A component says what it has to know when it is set up: answers become its `config`, and can be given again."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import cbor2
import pytest
from typer.testing import CliRunner, Result

from lichen.cli.components.commands import app
from lichen.core.words.errors import Invalid, LichenError
from lichen.tools.wasm.documents.forms import completed, form_of, schema_of
from tests.tools.wasm.families.guests import MODE, Interfaces
from tests.tools.wasm.families.shapes import BYTES, Enum, Function, Given, Trap, guest
from tests.tools.wasm.guests import binary

QA = "greentic:component/component-qa@0.6.0"
NEWER = "greentic:component/qa@0.6.1"
I18N = "greentic:component/component-i18n@0.6.1"
QUESTIONS: list[dict[str, Any]] = [
    {"id": "url", "label": {"key": "q.url", "fallback": "Where is it?"}, "kind": {"type": "text"}, "required": True},
    {"id": "times", "label": {"key": "q.times"}, "kind": {"type": "number"}, "required": False, "default": 3},
    {
        "id": "how",
        "label": {"key": "q.how", "fallback": "How?"},
        "kind": {"type": "choice", "options": [{"value": "fast", "label": {"key": "f"}}, {"value": "slow"}]},
        "required": True,
    },
    {
        "id": "why",
        "label": "Why so slow?",
        "kind": {"type": "text"},
        "required": True,
        "skip_if": {"not": {"condition": {"field": "how", "equals": "slow"}}},
    },
    {"id": "on", "label": "On?", "kind": {"type": "bool"}, "required": False},
    {
        "id": "more",
        "label": "More",
        "kind": {"type": "inline_json", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "required": False,
    },
    {"id": "file", "label": "File", "kind": {"type": "asset_ref", "file_types": ["json"]}, "required": False},
]  # fmt: skip
TITLE = {"key": "t", "fallback": "A desk"}
FORM = {"mode": "setup", "title": TITLE, "description": None, "questions": QUESTIONS, "defaults": {}}
GOOD = {"url": "https://a.example", "how": "slow", "why": "it is old", "on": True, "more": {"n": 1}, "file": "a.json"}


def desk(form: Any = FORM, answer: Any = None) -> Interfaces:
    """A component of 0.6.0, whose configuration is its answers."""
    said = form if isinstance(form, bytes | Trap) else cbor2.dumps(form)
    params = {"mode": MODE, "current": BYTES, "answers": BYTES}
    return {
        QA: {
            "qa-spec": Function({"mode": MODE}, BYTES, said),
            "apply-answers": Function(params, BYTES, Given(("answers",)) if answer is None else answer),
        }
    }


def newer(config: Any) -> Interfaces:
    """One of 0.6.1, which says that all is well beside its configuration, and has words."""
    mode = Enum("qa-mode", ("default", "setup", "upgrade", "remove"))
    words = cbor2.dumps({"q.url": "Wo ist es?", "t": "Ein Tisch"})
    return {
        NEWER: {
            "qa-spec": Function({"mode": mode}, BYTES, cbor2.dumps({**FORM, "questions": QUESTIONS[:1]})),
            "apply-answers": Function({"mode": mode, "answers": BYTES}, BYTES, cbor2.dumps(config)),
        },
        I18N: {"i18n-bundle": Function({"locale": "string"}, BYTES, words)},
    }


class Desk:
    """A component's file, and `lichen component qa` of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "desk.wasm"

    def is_of(self, interfaces: Interfaces) -> Desk:
        self.file.write_bytes(binary(guest(interfaces)))
        return self

    def answers(self, said: Any, name: str = "answers.json") -> str:
        (self.folder / name).write_text(said if isinstance(said, str) else json.dumps(said))
        return str(self.folder / name)

    def qa(self, *options: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, ["qa", str(self.file), *options], input=typed, catch_exceptions=True)

    def refused(self, *options: str, typed: str = "") -> tuple[str, str | None]:
        """The code and place of the error that it ends with."""
        error = self.qa(*options, typed=typed).exception
        assert isinstance(error, LichenError)
        return error.code, error.place


@pytest.fixture
def held(tmp_path: Path) -> Desk:
    return Desk(tmp_path).is_of(desk())


@pytest.mark.req("GRE-82.4")
def test_answers_of_a_file_become_the_table_of_the_component(held: Desk) -> None:
    table = tomllib.loads(held.qa("--answers", held.answers(GOOD), "--name", "front").stdout)["component"]
    assert table == [{"name": "front", "file": str(held.file), "config": {**GOOD, "times": 3}}]


@pytest.mark.req("GRE-82.4")
def test_answers_that_are_written_down_give_the_same_again(held: Desk) -> None:
    kept = held.folder / "kept.json"
    first = held.qa("--answers", held.answers(GOOD), "--emit-answers", str(kept), "--json")
    document = json.loads(kept.read_text())
    assert (document["schema_id"], document["answers"]["times"]) == ("lichen.component.qa", 3)
    assert document["component"].startswith("sha256:")
    assert kept.stat().st_mode & 0o077 == 0
    again = held.qa("--answers", str(kept), "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert json.loads(again.stdout)["config"] == {**GOOD, "times": 3}


@pytest.mark.req("GRE-82.5")
def test_somebody_is_asked_until_they_answer_and_not_what_nobody_needs(held: Desk) -> None:
    lines = ["", "https://a.example", "x", "5", "middling", "fast", "maybe", "yes", '{"n": "x"}', "{}", ""]
    told = held.qa("--json", typed="\n".join(lines) + "\n")
    assert json.loads(told.stdout)["config"] == {
        "url": "https://a.example", "times": 5, "how": "fast", "on": True, "more": {},
    }  # fmt: skip
    assert "Where is it?" in told.stderr
    assert "Why so slow?" not in told.stderr


@pytest.mark.req("GRE-82.5")
def test_where_nobody_answers_the_first_question_that_has_to_be_answered_is_named(held: Desk) -> None:
    assert held.refused() == ("qa_answer_missing", "/url")


@pytest.mark.req("GRE-82.6")
@pytest.mark.parametrize(
    ("said", "code", "place"),
    [
        ({**GOOD, "url": ""}, "qa_answer_missing", "/url"),
        ({**GOOD, "why": None}, "qa_answer_missing", "/why"),
        ({**GOOD, "url": 3}, "qa_answer_invalid", "/url"),
        ({**GOOD, "times": "three"}, "qa_answer_invalid", "/times"),
        ({**GOOD, "times": True}, "qa_answer_invalid", "/times"),
        ({**GOOD, "how": "x"}, "qa_answer_invalid", "/how"),
        ({**GOOD, "on": "yes"}, "qa_answer_invalid", "/on"),
        ({**GOOD, "more": {"n": "x"}}, "qa_answer_invalid", "/more"),
        ({**GOOD, "file": "a.exe"}, "qa_answer_invalid", "/file"),
        ({**GOOD, "else": 1}, "qa_answer_unknown", "/else"),
    ],
)
def test_an_answer_that_is_none_is_refused_at_its_place(held: Desk, said: Any, code: str, place: str) -> None:
    assert held.refused("--answers", held.answers(said)) == (code, place)


@pytest.mark.req("GRE-82.6")
@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_id": "x", "answers": {}}', '{"schema_id": 1, "answers": 2}'])
def test_a_file_that_holds_no_answers_is_refused(held: Desk, text: str) -> None:
    path = held.answers(text)
    assert held.refused("--answers", path) == ("qa_file_invalid", path)


@pytest.mark.req("GRE-82.6")
@pytest.mark.parametrize(
    ("interfaces", "code"),
    [
        (desk(b"\xff"), "component_invalid"),
        (desk({"questions": "none"}), "component_invalid"),
        (desk({**FORM, "questions": [{"id": "a", "kind": {"type": "dance"}}]}), "component_invalid"),
        (desk({**FORM, "questions": QUESTIONS[:1] * 2}), "component_invalid"),
        (desk({**FORM, "questions": [{"id": "a", "kind": {"type": "choice"}}]}), "component_invalid"),
        (desk({**FORM, "questions": QUESTIONS[:1] * 201}), "component_invalid"),
        (desk(Trap()), "component_setup_failed"),
        (desk(answer=cbor2.dumps([1])), "component_invalid"),
        (desk(answer=cbor2.dumps({"ok": False, "error": {"code": "E", "message": "no"}})), "qa_refused"),
        (desk(answer=Trap()), "component_setup_failed"),
        ({NEWER: {"other": Function({}, BYTES, b"")}}, "component_asks_nothing"),
    ],
)
def test_a_form_or_a_configuration_that_is_none_is_refused(held: Desk, interfaces: Interfaces, code: str) -> None:
    held.is_of(interfaces)
    assert held.refused("--answers", held.answers(GOOD))[0] == code


@pytest.mark.req("GRE-82.7")
def test_a_component_of_0_6_1_asks_in_a_language_and_spells_its_modes_its_own_way(held: Desk) -> None:
    held.is_of(newer({"ok": True, "config": {"url": "u", "none": None}}))
    told = held.qa("--mode", "update", "--language", "de", typed="u\n")
    assert tomllib.loads(told.stdout)["component"][0]["config"] == {"url": "u"}
    assert "Ein Tisch" in told.stderr
    assert "Wo ist es?" in told.stderr
    assert held.refused("--mode", "dance") == ("qa_mode_unknown", "--mode")


@pytest.mark.req("GRE-82.7")
def test_the_schema_of_answers_takes_what_is_taken_and_nothing_else(held: Desk) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(held.qa("--schema").stdout)
    validator: Any = Draft202012Validator(schema)
    assert validator.is_valid(GOOD)
    assert not validator.is_valid({**GOOD, "how": "x"})
    assert not validator.is_valid({**GOOD, "else": 1})
    assert schema == schema_of(form_of(FORM, {}))


@pytest.mark.req("GRE-82.6")
def test_a_condition_that_is_too_deep_or_unknown_is_refused() -> None:
    deep: dict[str, Any] = {"field": "url"}
    for _ in range(40):
        deep = {"not": deep}
    conditions: tuple[Any, ...] = (deep, {"field": 3}, {"xor": []})
    for skip in conditions:
        form = form_of({**FORM, "questions": [QUESTIONS[0], {**QUESTIONS[3], "skip_if": skip}]}, {})
        with pytest.raises(Invalid):
            completed(form, {"url": "u"})
