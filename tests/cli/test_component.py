"""`lichen component`, as people type it: a file of somebody's, seen and examined."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from typer.testing import CliRunner, Result

from lichen.cli.app import app
from lichen.core.words.errors import LichenError
from lichen.tools.wasm.values.canonical import Case
from tests.tools.wasm.families.guests import SAYS, as_json, completed, descriptor, node_json, reported, router
from tests.tools.wasm.families.shapes import BYTES, Function, Trap, guest
from tests.tools.wasm.guests import binary

ECHO = binary(guest({**node_json("0.4.0", Case("ok", SAYS)), **router(completed())}))
STRANGE = binary(guest({"acme:own/thing@1.0.0": {"go": Function({}, "string", "x")}}))
READING = binary("""
(component
  (import "greentic:secrets-store/secrets-store@1.0.0" (instance $store
    (type $error (enum "not-found" "denied" "invalid-key" "internal"))
    (export "secrets-error" (type $named (eq $error)))
    (export "get" (func (param "key" string) (result (result (option (list u8)) (error $named)))))))
  (core module $held
    (memory (export "memory") 1)
    (data (i32.const 64) "weather.key")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $h (instantiate $held))
  (alias core export $h "memory" (core memory $memory))
  (alias core export $h "realloc" (core func $realloc))
  (core func $get (canon lower (func $store "get") (memory $memory) (realloc $realloc)))
  (core module $m
    (import "host" "get" (func $get (param i32 i32 i32)))
    (func (export "run") (result i32)
      (call $get (i32.const 64) (i32.const 11) (i32.const 0))
      (i32.const 8)))
  (core instance $i (instantiate $m (with "host" (instance (export "get" (func $get))))))
  (func (export "run") (result string) (canon lift (core func $i "run") (memory $memory)))
)
""")
BROKEN = binary(guest({"greentic:component/component-descriptor@0.6.0": {"describe": Function({}, BYTES, Trap())}}))
LYING = binary(guest(descriptor("0.6.0", as_json({"operations": 3}))))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["component", *map(str, words)])


def data(*words: object, code: int = 0) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "echo.wasm"
    path.write_bytes(ECHO)
    return path


@pytest.mark.req("GRE-81.1")
def test_a_component_is_shown_with_its_digests_and_how_it_is_asked(file: Path) -> None:
    said = data("inspect", file)
    assert said["sha256"] == hashlib.sha256(ECHO).hexdigest()
    assert said["blake3"] == blake3(ECHO).hexdigest()
    assert (said["family"], said["others"]) == ("node@0.4.0", ["router@25.6.18"])
    assert said["operations"] == ["process"]
    assert "invoke" in said["exports"]["greentic:component/node@0.4.0"]
    shown = run("inspect", file, "--describe")
    assert "asked as node@0.4.0 (also router@25.6.18)" in shown.stdout
    assert "takes {}" in shown.stdout


@pytest.mark.req("GRE-81.2")
@pytest.mark.parametrize(
    ("held", "code"),
    [
        (STRANGE, "component_unknown_abi"),
        (BROKEN, "component_describe_failed"),
        (LYING, "component_invalid"),
        (b"\x00asm\x01\x00\x00\x00", "component_invalid"),
        (b"no wasm", "component_invalid"),
    ],
    ids=["strange", "broken", "lying", "module", "none"],
)
def test_the_doctor_names_what_is_wrong_with_a_component(tmp_path: Path, held: bytes, code: str) -> None:
    path = tmp_path / "held.wasm"
    path.write_bytes(held)
    said = data("doctor", path, code=1)
    found = said["components"][0]["findings"][0]
    assert (said["ok"], found["severity"], found["code"]) == (False, "problem", code)
    assert found["next_step"]


@pytest.mark.req("GRE-81.2")
def test_the_doctor_examines_every_component_of_a_folder(file: Path) -> None:
    (file.parent / "deep").mkdir()
    (file.parent / "deep" / "bad.wasm").write_bytes(STRANGE)
    said = data("doctor", file.parent, code=1)
    assert {Path(each["place"]).name: each["ok"] for each in said["components"]} == {
        "echo.wasm": True,
        "bad.wasm": False,
    }
    (file.parent / "deep" / "bad.wasm").unlink()
    assert data("doctor", file.parent)["ok"] is True


@pytest.mark.req("GRE-81.3")
def test_the_manifest_beside_a_component_is_held_against_it(file: Path) -> None:
    manifest: dict[str, Any] = {
        "id": "acme.echo",
        "version": "1.2.3",
        "operations": [{"name": "process", "input_schema": {"type": "object"}}, {"name": "other"}],
        "hashes": {"component_wasm": f"blake3:{blake3(ECHO).hexdigest()}"},
    }
    beside = file.parent / "component.manifest.json"
    beside.write_text(json.dumps(manifest))
    said = data("inspect", file)
    assert (said["name"], said["version"], said["operations"]) == ("acme.echo", "1.2.3", ["process", "other"])
    assert {each["code"] for each in said["findings"]} == {"component_operation_unknown", "component_schema_missing"}
    beside.write_text(json.dumps({**manifest, "hashes": {"component_wasm": "blake3:00"}}))
    assert data("doctor", file, code=1)["components"][0]["findings"][0]["code"] == "component_hash"
    beside.write_text("{")
    assert data("doctor", file, code=1)["components"][0]["findings"][0]["code"] == "component_manifest_invalid"


@pytest.mark.req("GRE-81.2")
def test_the_doctor_warns_of_what_nobody_answers(tmp_path: Path) -> None:
    path = tmp_path / "asks.wasm"
    known = '(import "greentic:state/state-store@1.0.0" (instance (export "read" (func))))'
    path.write_bytes(binary(f'(component {known} (import "acme:own/x@1.0.0" (instance (export "f" (func)))))'))
    (found,) = [
        each
        for each in data("doctor", path, code=1)["components"][0]["findings"]
        if each["code"] == "component_import_unanswered"
    ]
    assert found["severity"] == "warning"
    assert "acme:own/x@1.0.0" in found["message"]
    assert "state-store" not in found["message"]


@pytest.mark.req("GRE-81.4")
def test_a_component_is_asked_once_and_what_came_of_it_is_shown(file: Path) -> None:
    said = data("test", file, "--op", "process", "--input", '{"a":1}', "--config", '{"b":2}')
    assert (said["ok"], said["payload"], said["state"]) == (True, {"a": 1, "config": {"b": 2}}, {})
    wrong = run("test", file, "--op", "process", "--input", "{")
    assert isinstance(wrong.exception, LichenError)
    assert wrong.exception.code == "input_invalid"


@pytest.mark.req("GRE-81.4")
def test_a_component_that_is_tried_reads_the_secrets_of_a_file_and_no_other(tmp_path: Path) -> None:
    path, secrets = tmp_path / "reading.wasm", tmp_path / "secrets.json"
    path.write_bytes(READING)
    secrets.write_text('{"weather.key": "sunny"}')
    assert data("test", path, "--op", "run", "--secrets", secrets)["payload"] == "sunny"
    said = data("test", path, "--op", "run")
    assert said["payload"] != "sunny"
    assert said["refused"] == ["refused: a secret that it was not granted"]


@pytest.mark.req("GRE-81.4")
def test_a_component_that_fails_or_gives_up_is_shown_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "held.wasm"
    path.write_bytes(binary(guest(node_json("0.5.0", Case("err", reported())))))
    assert data("test", path, "--op", "x", code=1)["failure"]["code"] == "BUSY"
    path.write_bytes(binary(guest(node_json("0.5.0", Trap()))))
    assert data("test", path, "--op", "x", code=1)["failure"]["code"] == "component_unreachable"
    path.write_bytes(STRANGE)
    assert isinstance(run("test", path, "--op", "x").exception, LichenError)


@pytest.mark.req("GRE-81.1")
@pytest.mark.parametrize("place", ["nothing.wasm", "empty"])
def test_a_place_without_a_component_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    done = run("inspect" if place.endswith("wasm") else "doctor", tmp_path / place)
    assert isinstance(done.exception, LichenError)
    assert done.exception.code == "file_missing"
