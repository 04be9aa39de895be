"""The requirements manifest agrees with the tests, and its checker notices when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec import check

ROOT = Path(__file__).parent.parent

ENTRY = """\
[[requirement]]
id = "GOA-19.1"
text = "The call over the cap is not performed."
source = "docs/runtime.md"
tests = ["tests/test_run.py::test_cap"]
"""
TEST = """\
import pytest

@pytest.mark.req("GOA-19.1")
def test_cap(): ...
"""


def errors(root: Path, manifest: str = ENTRY, test: str = TEST) -> list[str]:
    """What the checker says of a project with one manifest and one test file."""
    (root / "spec").mkdir()
    (root / "spec/requirements.toml").write_text(manifest)
    (root / "tests").mkdir()
    (root / "tests/test_run.py").write_text(test)
    return check.check(root)


@pytest.mark.req("HOUSE-2.1")
def test_the_manifest_and_the_tests_agree() -> None:
    assert check.check(ROOT) == []


def test_an_entry_and_a_test_that_name_each_other_are_right(tmp_path: Path) -> None:
    assert errors(tmp_path) == []


def test_a_parametrised_test_is_listed_with_or_without_its_parameters(tmp_path: Path) -> None:
    assert errors(tmp_path, ENTRY.replace("test_cap", "test_cap[three]")) == []


def test_a_method_of_a_class_is_a_test(tmp_path: Path) -> None:
    method = 'import pytest\nclass TestRun:\n    @pytest.mark.req("GOA-19.1")\n    async def test_cap(self): ...\n'
    assert errors(tmp_path, ENTRY.replace("::test_cap", "::TestRun::test_cap"), method) == []


def test_a_conformance_suite_holds_tests_too(tmp_path: Path) -> None:
    (tmp_path / "src/lichen/testing").mkdir(parents=True)
    (tmp_path / "src/lichen/testing/run.py").write_text(TEST)
    assert errors(tmp_path, ENTRY.replace("tests/test_run.py", "src/lichen/testing/run.py"), "") == []


@pytest.mark.req("HOUSE-2.1")
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("GOA-19.1", "GOA-19", "1: id 'GOA-19' is malformed; write it like GOA-19.1"),
        ('id = "GOA-19.1"\n', "", "1: id None is malformed; write it like GOA-19.1"),
        ('"docs/runtime.md"', '" "', "1: GOA-19.1 has an empty source"),
        ('text = "The call over the cap is not performed."\n', "", "1: GOA-19.1 has no text"),
        ("source", "sauce", "1: GOA-19.1 has an unknown key 'sauce'"),
        ('["tests/test_run.py::test_cap"]', "[]", "1: GOA-19.1 has no test"),
        ('["tests/test_run.py::test_cap"]', "[1]", "1: GOA-19.1 must list its tests as strings"),
        ("test_cap", "test_gone", "5: GOA-19.1 lists tests/test_run.py::test_gone, which does not exist"),
        ("test_run", "test_walk", "5: GOA-19.1 lists tests/test_walk.py::test_cap, which does not exist"),
        ("[[requirement]]", "[requirement]", "1: write every requirement under its own [[requirement]] line"),
        ("[[requirement]]", "[[requirements]]", "1: unknown key 'requirements'"),
        ("id =", "id", "1: cannot be read"),
    ],
)
def test_a_wrong_entry_is_reported_at_its_line(tmp_path: Path, old: str, new: str, error: str) -> None:
    found = errors(tmp_path, ENTRY.replace(old, new))
    assert any(line.startswith(f"spec/requirements.toml:{error}") for line in found), found


@pytest.mark.req("HOUSE-2.1")
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("GOA-19.1", "GOA-19.2", "4: tests/test_run.py::test_cap is marked GOA-19.2, but"),
        ('"GOA-19.1"', '"GOA-19.1", "GOA-19.2"', "4: tests/test_run.py::test_cap is marked GOA-19.2, but"),
        ('@pytest.mark.req("GOA-19.1")\n', "\n", "4: tests/test_run.py::test_cap is listed for GOA-19.1; mark it"),
        ('"GOA-19.1"', "CAP", "3: pytest.mark.req must decorate a test"),
        ('"GOA-19.1"', "", "3: pytest.mark.req must decorate a test"),
        ('("GOA-19.1")', "", "3: pytest.mark.req must decorate a test"),
        ("def test_cap", "def cap", "3: pytest.mark.req must decorate a test"),
        ("@pytest", "pytestmark = pytest", "3: pytest.mark.req must decorate a test"),
    ],
)
def test_a_wrong_mark_is_reported_at_its_line(tmp_path: Path, old: str, new: str, error: str) -> None:
    found = errors(tmp_path, test=TEST.replace(old, new))
    assert any(line.startswith(f"tests/test_run.py:{error}") for line in found), found


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    assert errors(tmp_path, f"{ENTRY}\n{ENTRY}") == ["spec/requirements.toml:7: GOA-19.1 is already taken"]


def test_a_missing_manifest_is_reported(tmp_path: Path) -> None:
    assert check.check(tmp_path)[0].startswith("spec/requirements.toml:1: cannot be read")


def test_the_command_prints_each_error_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = errors(tmp_path, test="")
    assert check.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[:-1] == wrong
    (tmp_path / "tests/test_run.py").write_text(TEST)
    assert check.main([str(tmp_path)]) == 0
