"""A file of evals that is wrong is refused with the place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import Invalid, NotFound
from lichen.evals import read, suite_files

CASE = '[[case]]\nname = "a"\n[[case.turn]]\nsays = "Hi"\n'


@pytest.mark.req("GOA-80.7")
@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("case = 1", "#/case", "Expected `array`"),
        ("[[case]]\nname = 'a'", "#/case/0/turn", "missing"),
        ("[[case]]\nname = 'a'\nturn = []", "#/case/0/turn", "at least one turn"),
        (CASE.replace('says = "Hi"', 'denies = "ops"\nsays = "Hi"'), "#/case/0/turn/0", "one thing"),
        (CASE.replace('says = "Hi"', ""), "#/case/0/turn/0", "one thing"),
        (CASE + "answr = {}", "#/case/0/turn/0/answr", "unknown field"),
        (CASE + "answer = { matches = '(' }", "#/case/0/turn/0/answer/matches", "regular expression"),
        (CASE + "answer = { matches = '(a+)+$' }", "#/case/0/turn/0/answer/matches", "busy"),
        (CASE + "answer = { fits = { type = 'strin' } }", "#/case/0/turn/0/answer/fits", ""),
        (CASE + "judged = 0.5", "#/case/0/turn/0/judged", "no judge"),
        (CASE + "judged = 2.0", "#/case/0/turn/0/judged", "<= 1"),
        (CASE + "outcome = 'well'", "#/case/0/turn/0/outcome", "well"),
        ("times = 0\n" + CASE, "#/times", ">= 1"),
        (CASE + CASE, "#/case", "Two cases"),
        ("[never]\nclaimed = [{ matches = '[', without = 'a' }]\n" + CASE, "#/never/claimed/0/matches", "regular"),
        ("[[case", "", "Expected"),
        ("\xff", "", "utf-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, place: str, says: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Invalid) as caught:
        read(path)
    error = caught.value
    assert (error.code, error.next_step != "") == ("eval_invalid", True)
    assert (error.place or "").startswith(f"{path}{place}")
    assert says.casefold() in error.message.casefold()


@pytest.mark.req("GOA-80.7")
def test_a_project_without_evals_is_told_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="evals_missing"):
        suite_files(tmp_path)
    (tmp_path / "evals" / "more").mkdir(parents=True)
    for name in ("b.toml", "more/a.toml", "notes.md"):
        (tmp_path / "evals" / name).write_text(CASE)
    assert [path.name for path in suite_files(tmp_path)] == ["b.toml", "a.toml"]
