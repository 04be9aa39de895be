"""Results of evals in the data directory: written while a suite is held, read by another process, bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope
from lichen.runtime.trials import places
from lichen.runtime.trials.keeper import Keeper
from lichen.runtime.trials.reader import Kept
from lichen.runtime.trials.result import Begun, Calibrated, Line, Made, Miss, Spent, Trial, Versions
from lichen.runtime.trials.views import book_of, result_view

SCOPE = Scope("acme", "dev")
GOOD = Trial((), Spent(2, 30, 400, 0.5), (Line("Hi", ("Hello",)),), judge=Spent(0, 10, 70))
BAD = Trial((Miss("/turn/0", "It was silent.", "Hello"),), Spent(), (Line("Hi"),))


def broken(error: OSError) -> None:
    raise error


def begun(number: int, *, suite: str = "evals/a.toml", times: int = 2) -> Begun:
    return Begun(f"eval-{number:08x}", suite, "acme", "dev", number, {"one": times}, Versions("1", "p", "s"))


def kept(home: Path, number: int, *trials: Trial, suite: str = "evals/a.toml") -> Keeper:
    """A result that is not ended."""
    keeper = Keeper(home, begun(number, suite=suite), clock=lambda: number + 5, broken=broken)
    for trial in trials:
        keeper.trial("one", trial)
    return keeper


def ended(home: Path, number: int, *trials: Trial, suite: str = "evals/a.toml") -> str:
    keeper = kept(home, number, *trials, suite=suite)
    keeper.end("finished")
    keeper.close()
    return f"eval-{number:08x}"


@pytest.mark.req("GOA-80.10")
def test_a_result_is_read_as_it_was_written_and_counted_without_being_read_whole(tmp_path: Path) -> None:
    keeper = kept(tmp_path, 7)
    keeper.judge(Calibrated(0.5, 0.8, 4, None, 1.0, Spent(0, 5, 30)))
    keeper.trial("one", GOOD)
    keeper.trial("one", BAD)
    keeper.end("finished")
    keeper.close()
    result = Kept(tmp_path).read(SCOPE, "eval-00000007")
    assert (result.status, result.cases[0].trials, result.judge is not None) == ("finished", (GOOD, BAD), True)
    (entry,) = Kept(tmp_path).entries(SCOPE)
    assert (entry.sums.met, entry.sums.of, entry.sums.cases_met, entry.sums.judge_is_met) == (1, 2, 0, False)
    assert (entry.sums.spent.micro_usd, entry.sums.judge.micro_usd, entry.ended_us) == (400, 100, 12)
    assert entry.sums == Kept(tmp_path).entries(SCOPE)[0].sums
    path = places.file_of(tmp_path, SCOPE, "eval-00000007")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.req("GOA-80.11")
def test_while_it_is_written_it_is_running_and_without_an_end_it_was_interrupted(tmp_path: Path) -> None:
    keeper = kept(tmp_path, 1, GOOD)
    (entry,) = Kept(tmp_path).entries(SCOPE)
    assert (entry.status, entry.sums.of) == ("running", 1)
    keeper.close()
    (entry,) = Kept(tmp_path).entries(SCOPE)
    assert (entry.status, entry.sums.of) == ("interrupted", 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runtime.test_trials import BAD, GOOD, kept

keeper = kept(Path(sys.argv[1]), 1, GOOD, BAD)
os.write(keeper._file, b'{"line":"trial","case":"one","tri')
print("written", flush=True)
signal.pause()
"""


@pytest.mark.req("GOA-80.11")
def test_what_was_done_before_a_kill_is_kept_and_half_a_line_is_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        assert Kept(tmp_path).entries(SCOPE)[0].status == "running", "another process writes it"
        os.kill(process.pid, signal.SIGKILL)
    result = Kept(tmp_path).read(SCOPE, "eval-00000001")
    assert (result.status, [trial.is_met for trial in result.cases[0].trials]) == ("interrupted", [True, False])


@pytest.mark.req("GOA-80.10")
def test_the_newest_of_each_suite_are_kept_and_one_under_way_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SUITE_KEPT", 2)
    other = ended(tmp_path, 1, GOOD, suite="evals/b.toml")
    under_way = kept(tmp_path, 2, GOOD)
    for number in (3, 4, 5):
        ended(tmp_path, number, GOOD)
    assert [entry.begun.at_us for entry in Kept(tmp_path).entries(SCOPE)] == [5, 4, 2, 1]
    under_way.close()
    ended(tmp_path, 6, GOOD)
    assert [entry.begun.at_us for entry in Kept(tmp_path).entries(SCOPE)] == [6, 5, 1]
    monkeypatch.setattr(places, "SCOPE_BYTES_KEPT", 100)
    newest = ended(tmp_path, 7, GOOD)
    assert [entry.begun.id for entry in Kept(tmp_path).entries(SCOPE)] == [newest]
    with pytest.raises(NotFound, match="eval_unknown"):
        Kept(tmp_path).read(SCOPE, other)


@pytest.mark.req("GOA-80.10")
def test_what_is_kept_of_a_trial_is_bounded_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "TEXT_CHARS_MAX", 10)
    monkeypatch.setattr(places, "FILE_BYTES_MAX", 1_000)
    call = Made("a.b", "x" * 50, "allow", "ok")
    long = Trial((Miss("/turn/0", "m" * 50, "e" * 50),), Spent(), (Line("s" * 50, ("t" * 50,), (call,)),))
    large = msgspec.structs.replace(long, lines=(Line("s"),) * 200)
    ended(tmp_path, 1, long, large)
    first, second = Kept(tmp_path).read(SCOPE, "eval-00000001").cases[0].trials
    line = first.lines[0]
    cut = f"{'s' * 9}…"
    assert (line.said, len(line.texts[0]), len(line.calls[0].args), len(first.missed[0].message)) == (cut, 10, 10, 10)
    assert (second.is_cut, second.lines, second.is_met) == (True, (), False)


@pytest.mark.req("GOA-80.10")
@pytest.mark.parametrize("id", ["../../x", "eval-", "eval-ABCDEF12", "eval-00000001/../x", "", "eval-99999999"])
def test_what_is_no_id_of_a_result_leads_nowhere(tmp_path: Path, id: str) -> None:
    ended(tmp_path, 1, GOOD)
    (tmp_path / "x.jsonl").write_text("{}")
    with pytest.raises(NotFound, match="eval_unknown"):
        Kept(tmp_path).read(SCOPE, id)


@pytest.mark.req("GOA-80.10")
def test_files_that_are_no_results_are_passed_by(tmp_path: Path) -> None:
    ended(tmp_path, 1, GOOD)
    for name, data in (
        ("eval-0a", b""),
        ("eval-0b", b"{}\n"),
        ("eval-0c", b"\xff\n"),
        ("eval-0d", b'{"line":"ended"}'),
    ):
        (places.folder(tmp_path, SCOPE) / f"{name}.jsonl").write_bytes(data)
    assert [entry.begun.at_us for entry in Kept(tmp_path).entries(SCOPE)] == [1]
    assert Kept(tmp_path).entries(Scope("globex", "dev")) == []


@pytest.mark.req("GOA-80.12")
def test_a_result_stands_beside_another_case_by_case_and_says_what_else_is_not_the_same(tmp_path: Path) -> None:
    ended(tmp_path, 1, *[GOOD] * 10)
    keeper = Keeper(
        tmp_path,
        Begun("eval-00000002", "evals/a.toml", "acme", "dev", 2, {"one": 10, "two": 1}, Versions("1", "q", "s")),
        clock=lambda: 9,
        broken=broken,
    )
    for _ in range(10):
        keeper.trial("one", BAD)
    keeper.trial("two", GOOD)
    keeper.end("finished")
    keeper.close()
    all_kept = Kept(tmp_path)
    last = all_kept.last(SCOPE, "evals/a.toml")
    assert last is not None
    assert last.begun.at_us == 2
    now, before = all_kept.read(SCOPE, "eval-00000002"), all_kept.read(SCOPE, "eval-00000001")
    view = result_view(now, before, has_words=True)
    one, two = view.cases
    assert (one.word, one.is_significant, one.before is not None, two.word) == ("worse", True, True, "new")
    assert (view.differs, len(one.failing), two.failing) == (("project",), 10, ())
    silent = result_view(now, None, has_words=False)
    assert {trial.trial.lines for trial in silent.cases[0].failing} == {()}
    words = msgspec.json.encode(silent).decode()
    assert ("silent" in words, "Hello" in words, "/turn/0" in words) == (False, False, True)
    (suite,) = book_of(all_kept.entries(SCOPE)).suites
    assert [(each.rate.met, each.rate.of) for each in suite.results] == [(1, 11), (10, 10)]
