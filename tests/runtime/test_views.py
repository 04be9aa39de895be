"""What things look like: a record of every type says what it is about, and what a part holds is known by its name."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import lichen
from lichen.core.deciders import events as e
from lichen.core.words.hidden import HIDDEN
from lichen.core.words.ids import CallId, ToolName
from lichen.runtime.views.record import PARTS, held, read_part
from lichen.runtime.views.summary import summary_of, typed
from tests.core.test_events import SAMPLES


@pytest.mark.req("LIC-31.6")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.type)
def test_a_record_of_every_type_says_what_it_is_about(sample: e.Control) -> None:
    summary = summary_of(typed(sample))
    assert summary
    assert summary == summary.strip()
    assert len(summary) < 200
    assert "\n" not in summary
    assert not HIDDEN.search(summary)


@pytest.mark.req("LIC-31.6")
def test_a_summary_tells_records_of_a_type_apart() -> None:
    held = e.Decided(CallId("c1"), 1, "hold", ("ask",))
    assert summary_of(held) == "c1 hold by ask"
    assert summary_of(msgspec.structs.replace(held, verdict="allow", policies=())) == "c1 allow"
    calls = (e.PlannedCall(CallId("c1"), ToolName("orders.lookup"), "none", b""),)
    assert summary_of(e.Planned(0, 1, "start", calls)) == "c1 orders.lookup"
    assert summary_of(e.Planned(0, 1, "start", has_answer=True)) == "answers"
    assert summary_of(e.Planned(0, 1, "start", error="model_error")) == "model_error"
    assert summary_of(e.Refused("run.read", "d", "deny", "r1", ("p",), count=3)) == "run.read deny by p, 3 times"


@pytest.mark.req("LIC-31.5")
@pytest.mark.parametrize("kind", sorted(e.TYPES))
def test_what_the_contents_of_a_record_hold_is_known_by_their_names(kind: str) -> None:
    described = re.search(r"[Cc]ontents:(.*?)(?:\.\s|\.$|$)", e.TYPES[kind].__doc__ or "", re.DOTALL)
    named = re.sub(r"of kind `\w+`", "", described[1]) if described else ""
    for part in re.findall(r"`([a-z]+(?:/<i>)?|<call>/[a-z]+)`", named):
        name = part.replace("<call>/", "c1/").replace("<i>", "0")
        assert name.partition("/")[0] in PARTS or name.partition("/")[2] in PARTS, name


@pytest.mark.req("LIC-31.5")
@pytest.mark.parametrize("text", ["5", "null", "true", '{"a": 1}', '"quoted"'])
def test_what_somebody_asked_about_stays_a_text(text: str) -> None:
    assert read_part("accessed", "resource", text.encode()) == text
    assert read_part("refused", "resource", text.encode()) == text
    assert read_part("planned", "somebody_elses", text.encode()) == text


@pytest.mark.req("LIC-25.33")
def test_no_door_reads_a_record_by_the_names_of_its_fields() -> None:
    source = Path(lichen.__file__).parent
    files = [*source.glob("serve/**/*.py"), *source.glob("cli/**/*.py"), *source.glob("serve/templates/**/*.html")]
    assert len(files) > 50
    reading = re.compile(r"""control(\[|\.\w|"\]|'\]\[)""")
    found = {file.name: reading.findall(file.read_text()) for file in files}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_what_an_operator_decides_on_is_json_and_what_the_gate_says_is_words() -> None:
    assert (held("wait_opened", "operator"), held("decided", "operator")) == ("json", "text")


def test_arguments_that_are_no_json_are_shown_as_the_model_wrote_them() -> None:
    assert read_part("planned", "c1/args", b'{"amount": ') == '{"amount": '
    assert read_part("planned", "c1/args", b'{"amount": 5}') == {"amount": 5}
