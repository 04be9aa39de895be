"""What the doctor says of documents of APIs: each operation that no tool was made of, where it stands, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.here.workspace import Workspace
from lichen.cli.serving import offering
from lichen.cli.serving.doctor import examined
from tests.cli.projects import SETTINGS, Project

THING: Mapping[str, Any] = {"operationId": "getThing", "responses": {}}
PATHS: Mapping[str, Any] = {
    "/things": {"get": THING, "trace": {"operationId": "traced", "responses": {}}},
    "/a~b/{id}": {"get": {"responses": {}}},
    "/elsewhere": {"$ref": "https://elsewhere.example/paths.json"},
    "/odd\x1b[31m": {"get": {"servers": [{"url": "https://elsewhere.example"}], "responses": {}}},
    "things": {"get": THING},
    "/none": {"get": "nothing", "post": {"operationId": "made", "responses": {}}},
    "x-extension": {},
}


def said(folder: Path, **changes: Any) -> list[tuple[str, str]]:
    api = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {**PATHS, **changes}}
    table = '[[openapi]]\nname = "shop"\ndocument = "shop.json"\nurl = "https://shop.example"\nwithout = ["made"]\n'
    project = Project(folder, {"lichen.toml": f"{SETTINGS}\n{table}", "shop.json": json.dumps(api)})
    workspace = Workspace(project.home, project.root / "lichen.toml")
    return [(found.state, found.what) for found in examined(workspace) if found.check == "apis"]


@pytest.mark.req("LIC-27.9")
def test_each_operation_that_is_no_tool_is_named_with_its_json_pointer_and_the_reason(tmp_path: Path) -> None:
    found = said(tmp_path)
    assert {state for state, _ in found} == {"ok"}
    assert found[0][1] == "shop: 1 operations are tools, 6 are not"
    whys = {what.partition(" is no tool: ")[0]: what.partition(" is no tool: ")[2] for _, what in found[1:]}
    at = "shop: shop.json#/paths/"
    assert set(whys) == {
        f"{at}~1things/trace", f"{at}~1a~0b~1{{id}}/get", f"{at}~1elsewhere", f"{at}~1odd�[31m/get", f"{at}things",
        f"{at}~1none/get",
    }  # fmt: skip
    assert "do not fit each other" in whys[f"{at}~1a~0b~1{{id}}/get"]
    assert "outside of the document" in whys[f"{at}~1elsewhere"]
    assert all(whys.values())


@pytest.mark.req("LIC-27.9")
def test_of_very_many_that_are_none_some_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "SHOWN_MAX", 2)
    found = said(tmp_path)
    assert len(found) == 4
    assert found[-1] == ("ok", "shop: and 4 more")
