"""Components built from their sources, by the compilers of the registries."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from pathlib import Path

import pytest
from blake3 import blake3
from typer.testing import CliRunner

from lichen.cli.app import app
from lichen.cli.components.looking import is_good, seen
from lichen.cli.components.trying import Around, MemoryStates, Trial, invocation
from lichen.cli.guests.beginning import begun
from lichen.cli.guests.building import build, differences
from lichen.cli.guests.source import LANGUAGES
from lichen.cli.guests.toolchains import Toolchains, cache_of
from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound, Unavailable
from tests.cli.guests.made import NAME, built

ASKED: list[tuple[str, object, object, object]] = [
    ("add", {"name": "coffee", "amount": 3}, None, {"name": "coffee", "total": 3}),
    ("add", {"name": "coffee", "amount": 3.0}, None, {"name": "coffee", "total": 3}),
    ("add", {"name": "coffee"}, None, {"name": "coffee", "total": 1}),
    ("total", {"name": "coffee"}, None, {"name": "coffee", "total": 0}),
    ("add", {"name": "coffee", "amount": 1001}, None, "amount_too_large"),
    ("add", {"name": "coffee", "amount": 11}, {"step_max": 10}, "amount_too_large"),
    ("add", {"name": "coffee", "amount": 0}, None, "input_invalid"),
    ("add", {"name": "coffee", "amount": True}, None, "input_invalid"),
    ("add", {"name": "coffee", "amount": "3"}, None, "input_invalid"),
    ("add", {"name": "coffee", "amount": 1.5}, None, "input_invalid"),
    ("add", {"name": "Coffee"}, None, "input_invalid"),
    ("add", {"name": "x" * 65}, None, "input_invalid"),
    ("add", {}, None, "input_invalid"),
    ("add", [], None, "input_invalid"),
    ("subtract", {"name": "coffee"}, None, "operation_unknown"),
]

PYTHON_SHA256 = "2f92552d4dac73506f3f428a6cc5479ddc3ee58b480a829b7c17cf4223925355"
"""Built once, in another folder on another file system: whoever changes the template or the tools writes it anew."""


@pytest.mark.req("GRE-81.5")
@pytest.mark.req("GRE-81.6")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_component_that_was_begun_is_built_and_does_the_same_in_every_language(language: str, tmp_path: Path) -> None:
    folder = built(language, tmp_path / language)
    if language != "python":  # its code takes seconds to compile, and is compiled below
        found = seen(folder / "component.wasm")
        assert is_good(found), found.findings
        assert (found.family, found.findings) == ("node@0.5.0", ())
        assert found.imports == ("greentic:state/state-store@1.0.0",)
    if language == "python" and sys.platform == "linux" and platform.machine() == "x86_64":
        assert hashlib.sha256((folder / "component.wasm").read_bytes()).hexdigest() == PYTHON_SHA256
    trial = Trial(folder / "component.wasm")
    for operation, payload, config, expected in ASKED:
        answer = trial.ask(invocation(operation, payload, config), Around(MemoryStates()))
        assert (answer.failure.code if answer.failure else answer.payload) == expected, (operation, payload)
        assert bool(answer.state) == (operation == "add" and answer.ok)


@pytest.mark.req("GRE-81.6")
@pytest.mark.parametrize("language", ["c", "javascript"])
def test_the_same_source_gives_the_same_bytes_wherever_it_lies(language: str, tmp_path: Path) -> None:
    folder = built(language, tmp_path / "elsewhere" / "deep")
    assert differences(folder, environ=os.environ) == ()


@pytest.mark.req("GRE-81.7")
def test_what_was_built_is_named_by_its_hash_in_the_manifest_and_nothing_else_of_it_changes(tmp_path: Path) -> None:
    folder = built("c", tmp_path / "c")
    begun(tmp_path / "new", "c", NAME)
    was, now = (json.loads((each / "component.manifest.json").read_text()) for each in (tmp_path / "new", folder))
    data = (folder / "component.wasm").read_bytes()
    assert now.pop("hashes") == {"component_wasm": f"blake3:{blake3(data).hexdigest()}"}
    assert was.pop("hashes") == {}
    assert now == was


@pytest.mark.req("GRE-81.8")
def test_a_check_says_what_is_not_what_the_source_gives_and_writes_nothing(tmp_path: Path) -> None:
    folder = built("c", tmp_path / "c")
    entry, wasm = folder / "src" / "component.c", folder / "component.wasm"
    entry.write_text(entry.read_text().replace("At most ", "No more than "))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = run("build", folder, "--check", "--json", code=1)
    assert [each["what"] for each in json.loads(said)["differences"]] == ["bytes", "source"]
    build(folder, environ=os.environ)
    assert run("build", folder, "--check") == "It is what its source gives.\n"
    wasm.write_bytes(before[wasm])
    assert [each.what for each in differences(folder, environ=os.environ)] == ["bytes", "hash"]
    wasm.unlink()
    assert [each.what for each in differences(folder, environ=os.environ)] == ["missing"]


@pytest.mark.req("GRE-81.8")
def test_a_change_that_changes_no_byte_is_none(tmp_path: Path) -> None:
    folder = built("c", tmp_path / "c")
    with (folder / "src" / "json.h").open("a") as file:
        file.write("// a remark\n")
    assert differences(folder, environ=os.environ) == ()


@pytest.mark.req("GRE-81.9")
@pytest.mark.parametrize(
    ("language", "file", "said"),
    [
        ("c", "component.c", "src/component.c:1"),
        ("javascript", "app.js", "app.js"),
    ],
)
def test_what_cannot_be_compiled_is_told_with_the_compilers_own_lines_and_leaves_all_as_it_was(
    language: str, file: str, said: str, tmp_path: Path
) -> None:
    begun(tmp_path / "x", language, NAME)
    (tmp_path / "x" / "src" / file).write_text("this is no code (\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Invalid) as caught:
        build(tmp_path / "x", environ=os.environ)
    assert caught.value.code == "component_build_failed"
    assert said in caught.value.message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.req("GRE-81.9")
@pytest.mark.parametrize("language", ["c"])
def test_a_component_that_does_not_offer_what_its_wit_says_is_not_built(language: str, tmp_path: Path) -> None:
    begun(tmp_path / "x", language, NAME)
    wit = tmp_path / "x" / "wit" / "component.wit"
    wit.write_text(wit.read_text().replace("export greentic", "export more: func();\n    export greentic"))
    with pytest.raises(Invalid) as caught:
        build(tmp_path / "x", environ=os.environ)
    assert caught.value.code == "component_build_failed"
    assert "more" in caught.value.message


@pytest.mark.req("GRE-81.10")
def test_code_that_is_built_sees_no_variable_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path / "x", "c", NAME)
    hers = tmp_path / "hers"
    hers.mkdir()
    (hers / "stolen.h").write_text("#define STOLEN 1\n")
    monkeypatch.setenv("CPATH", str(hers))
    monkeypatch.setenv("LICHEN_SECRET", "s3cret")
    entry = tmp_path / "x" / "src" / "component.c"
    entry.write_text(f'#if __has_include(<stolen.h>)\n#error "it sees them"\n#endif\n{entry.read_text()}')
    build(tmp_path / "x", environ=os.environ)


@pytest.mark.req("GRE-81.11")
def test_tools_that_cannot_be_fetched_are_told_and_leave_nothing_behind(tmp_path: Path) -> None:
    begun(tmp_path / "x", "c", NAME)
    away = {"PATH": os.environ["PATH"], "LICHEN_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    away |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    with pytest.raises(Unavailable) as caught:
        build(tmp_path / "x", environ=away)
    assert caught.value.code == "build_tool_failed"
    assert "zig" in caught.value.message
    assert [path.name for path in (tmp_path / "cache" / "toolchains").iterdir() if path.is_dir()] == []


@pytest.mark.req("GRE-81.11")
def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    begun(tmp_path / "x", "c", NAME)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as caught:
        build(tmp_path / "x", environ={**os.environ, "LICHEN_CACHE": str(tmp_path / "file")})
    assert caught.value.code == "build_cache"


@pytest.mark.req("GRE-81.11")
def test_tools_lie_in_the_cache_under_names_that_their_pins_give(tmp_path: Path) -> None:
    assert cache_of({"LICHEN_CACHE": "/here"}) == Path("/here")
    assert cache_of({"XDG_CACHE_HOME": "/there"}) == Path("/there/lichen")
    assert cache_of({"XDG_CACHE_HOME": "relative"}) == Path("~/.cache/lichen").expanduser()
    tools = Toolchains(os.environ)
    assert tools.python("zig") == tools.python("zig")
    assert tools.digest("zig") != tools.digest("zig", "jco")
    assert not (Path(sys.prefix) / "lib" / "python3.11" / "site-packages" / "ziglang").exists()


@pytest.mark.req("GRE-81.12")
@pytest.mark.parametrize(
    ("path", "text", "code", "said"),
    [
        ("component.toml", 'language = "cobol"', "component_source_invalid", "`language`"),
        ("component.toml", "language = ", "component_source_invalid", "no TOML"),
        ("component.toml", 'language = "c"\nworlds = "x"', "component_source_invalid", "`worlds`"),
        ("component.toml", 'language = "c"\nworld = "--x"', "component_source_invalid", "`world`"),
        ("component.toml", 'language = "python"\nentry = "../x.py"', "component_source_invalid", "`entry`"),
        ("component.toml", 'language = "python"', "component_source_invalid", "src/app.py"),
        ("component.manifest.json", "{", "component_manifest_invalid", "no JSON"),
        ("component.manifest.json", "{}", "component_manifest_invalid", "`id`"),
        ("wit/component.wit", None, "component_source_invalid", ".wit"),
        ("src/component.c", None, "component_source_invalid", ".c file"),
        ("component.toml", None, "file_missing", "no such file"),
    ],
)
def test_a_folder_that_is_no_source_is_told_where_it_is_none(
    path: str, text: str | None, code: str, said: str, tmp_path: Path
) -> None:
    begun(tmp_path / "x", "c", NAME)
    if text is None:
        (tmp_path / "x" / path).unlink()
    else:
        (tmp_path / "x" / path).write_text(text)
    with pytest.raises(LichenError) as caught:
        build(tmp_path / "x", environ=os.environ)
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.place is not None
    assert caught.value.next_step


@pytest.mark.req("GRE-81.12")
def test_a_link_in_a_source_is_not_followed(tmp_path: Path) -> None:
    begun(tmp_path / "x", "c", NAME)
    (tmp_path / "x" / "src" / "passwd.h").symlink_to("/etc/passwd")
    with pytest.raises(Invalid) as caught:
        build(tmp_path / "x", environ=os.environ)
    assert caught.value.code == "component_source_invalid"


@pytest.mark.req("GRE-81.13")
def test_a_component_is_begun_in_an_empty_folder_and_elsewhere_only_by_force(tmp_path: Path) -> None:
    files = json.loads(run("new", tmp_path / "tally", "--language", "c", "--name", NAME, "--json"))["files"]
    assert {"README.md", "component.toml", "component.manifest.json", "wit/component.wit"} < set(files)
    assert "{name}" not in "".join((tmp_path / "tally" / each).read_text() for each in files)
    (tmp_path / "tally" / "src" / "component.c").write_text("mine")
    with pytest.raises(Conflict) as caught:
        begun(tmp_path / "tally", "c", NAME)
    assert caught.value.code == "folder_not_empty"
    assert (tmp_path / "tally" / "src" / "component.c").read_text() == "mine"
    begun(tmp_path / "tally", "c", NAME, overwrite=True)
    assert (tmp_path / "tally" / "src" / "component.c").read_text() != "mine"


@pytest.mark.req("GRE-81.13")
@pytest.mark.parametrize(
    ("language", "name", "code"),
    [
        ("rust", NAME, "language_unknown"),
        ("c", "Tally", "component_name_invalid"),
        ("c", "a b.c", "component_name_invalid"),
    ],
)
def test_a_language_or_name_that_cannot_be_is_refused_and_nothing_is_written(
    language: str, name: str, code: str, tmp_path: Path
) -> None:
    with pytest.raises(Invalid) as caught:
        begun(tmp_path / "x", language, name)
    assert caught.value.code == code
    assert not (tmp_path / "x").exists()


@pytest.mark.req("GRE-81.13")
def test_a_component_without_a_name_is_called_after_its_folder(tmp_path: Path) -> None:
    begun(tmp_path / "My Tally 2", "python")
    assert json.loads((tmp_path / "My Tally 2" / "component.manifest.json").read_text())["id"] == "local.my-tally-2"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        build(tmp_path / "none", environ=os.environ)


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["component", *map(str, words)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout
