"""Parts by name: ours and those of installed packages, which are imported when they are named and not before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import pytest

from lichen.core.words.errors import Denied, Invalid
from lichen.plugins.registry import Registry, installed, used
from tests.plugins.packages import install, on_path

GROUP = "lichen.tests"


def is_maker(value: object) -> TypeGuard[Callable[[], str]]:
    return callable(value)


def registry() -> Registry[Callable[[], str]]:
    return Registry(GROUP, {"own": lambda: "ours"}, fits=is_maker, shape="function")


def made(name: str) -> str | None:
    return registry().make(name, lambda make: make())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path."""
    on_path(tmp_path, monkeypatch)
    return tmp_path


def error_of(name: str) -> str:
    return next(each.error for each in used() if (each.group, each.name) == (GROUP, name))


@pytest.mark.req("LIC-47.1")
def test_a_part_of_an_installed_package_is_found_and_imported_only_when_it_is_named(site: Path) -> None:
    modules = {"far_part": "def make():\n    return 'theirs'\n", "far_other": "raise OSError"}
    install(site, "far-parts", "1.2", GROUP, {"far": "far_part:make", "other": "far_other"}, modules)
    assert registry().names == ("far", "other", "own")
    assert next((each.name, each.package, each.version) for each in installed(GROUP)) == ("far", "far-parts", "1.2")
    assert made("own") == "ours"
    assert made("none") is None
    assert not {"far_part", "far_other"} & {*sys.modules}
    assert made("far") == "theirs"
    assert "far_other" not in sys.modules
    assert error_of("far") == ""


@pytest.mark.req("LIC-47.2")
@pytest.mark.parametrize(
    ("name", "packages", "said"),
    [
        ("same", ("first-parts", "second-parts"), "first-parts 1.0 and second-parts 1.0"),
        ("own", ("third-parts",), "lichen itself and third-parts 1.0"),
    ],
)
def test_a_name_that_two_packages_have_is_refused_with_both(
    site: Path, name: str, packages: tuple[str, ...], said: str
) -> None:
    for package in packages:
        install(site, package, "1.0", GROUP, {name: "never_imported:make"})
    with pytest.raises(Invalid) as refused:
        made(name)
    assert refused.value.code == "plugin_ambiguous"
    assert said in refused.value.message
    assert packages[0] in refused.value.next_step


def test_a_package_that_lies_on_the_path_twice_is_one(
    site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "two-parts", "2.0", GROUP, {"two": "two_part:make"}, {"two_part": "def make():\n    return 'later'"})
    older = install(tmp_path_factory.mktemp("older"), "Two-Parts", "1.0", GROUP, {"two": "two_part:make"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(older)])
    assert made("two") == "later"
    assert [each.version for each in used() if each.name == "two"] == ["2.0"]


BROKEN = {
    "gone": ("no_such_module:make", "", "ModuleNotFoundError"),
    "less": ("less_part:make", "x = 1", "AttributeError"),
    "odd": ("odd_part:make", "make = 7", "odd_part:make is no function"),
    "wrong": ("wrong_part:make", "def make(:", "SyntaxError"),
    "quits": ("quits_part:make", "raise SystemExit(3)", "SystemExit: 3"),
    "fails": ("fails_part:make", "def make():\n    raise KeyError('KEY')", "KeyError: 'KEY'"),
    "long": ("long_part:make", "raise ValueError('x\\n' * 9_000)", "ValueError: x x x"),
}


@pytest.mark.req("LIC-47.3")
@pytest.mark.parametrize(("name", "reference", "text", "said"), [(name, *each) for name, each in BROKEN.items()])
def test_a_broken_plug_in_is_named_with_its_package_and_its_error_and_the_others_work(
    site: Path, name: str, reference: str, text: str, said: str
) -> None:
    module = reference.partition(":")[0]
    parts = {name: reference, f"good-{name}": f"good_{module}:make"}
    modules = {f"good_{module}": "def make():\n    return 'fine'"} | ({module: text} if text else {})
    install(site, f"parts-of-{name}", "0.1", GROUP, parts, modules)
    with pytest.raises(Invalid) as refused:
        made(name)
    error = refused.value
    assert error.code == "plugin_broken"
    assert f"{name!r} of parts-of-{name} 0.1 ({GROUP})" in error.message
    assert said in error.message
    assert len(error.message) < 500
    assert f"parts-of-{name}" in error.next_step
    if "def make" in text or "raise" in text:
        assert f"{module}.py" in (error.place or "")
    assert error_of(name) == error.message
    assert made(f"good-{name}") == "fine"


def test_what_a_plug_in_refuses_in_our_words_is_told_as_it_is(site: Path) -> None:
    text = "from lichen.core.words.errors import Denied\ndef make():\n    raise Denied('Not you.')"
    install(site, "polite-parts", "1.0", GROUP, {"polite": "polite_part:make"}, {"polite_part": text})
    with pytest.raises(Denied, match="Not you"):
        made("polite")
    assert error_of("polite") == ""


@pytest.mark.req("LIC-47.3")
def test_a_package_whose_files_are_damaged_hides_no_other(site: Path) -> None:
    install(site, "fine-parts", "1.0", GROUP, {"fine": "fine_part:make"}, {"fine_part": "def make():\n    return 'ok'"})
    install(site, "bad-parts", "1.0", GROUP, {"bad": "x"})
    (site / "bad_parts-1.0.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nno equals sign\n")
    (site / "worse-1.0.dist-info").mkdir()
    (site / "worse-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[")
    assert made("fine") == "ok"
