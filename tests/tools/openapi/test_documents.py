"""Documents as they are found in the world: what becomes a tool of them, what does not, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.remote.api import Api
from lichen.core.words.errors import Invalid
from lichen.tools.arguments.schema import flaw
from lichen.tools.openapi import document as documents
from lichen.tools.openapi.credentials import schemes
from lichen.tools.openapi.document import parsed, read
from lichen.tools.openapi.toolset import Listed, api_tools, listed
from tests.tools.openapi.apis import DOCUMENTS, URL, document, tool_of, why_not

COUNTS = {
    "petstore.json": (20, 0),
    "petstore-3.1.json": (20, 0),
    "uspto.json": (3, 0),
    "schema-circular.json": (3, 0),
    "security.yaml": (15, 0),
    "github-issues.json": (11, 0),
}
PAGED = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Page"}}}


def of(name: str, **said: Any) -> Listed:
    found = read(DOCUMENTS / name)
    secrets = dict.fromkeys(schemes(found), "a_secret")
    return listed(found, msgspec.convert({"name": "api", "url": URL, "secrets": secrets, **said}, Api))


@pytest.mark.req("LIC-20.30")
@pytest.mark.parametrize("name", COUNTS)
def test_every_operation_of_a_real_document_is_a_tool_whose_schemas_have_no_flaw(name: str) -> None:
    found = of(name)
    assert (len(found.tools), len(found.left_out)) == COUNTS[name]
    for tool in found.tools:
        assert flaw(tool.spec.input_schema) is None, tool.spec.name
        assert flaw(tool.spec.output_schema) is None, tool.spec.name
        assert "$ref" not in str(tool.spec.input_schema)
        assert tool.spec.description
        assert (tool.spec.origin, tool.spec.tags) == ("third_party", ("openapi",))


@pytest.mark.req("LIC-20.30")
def test_names_and_effects_follow_from_operation_and_method() -> None:
    effects = {tool.spec.name: tool.spec.effects for tool in of("github-issues.json").tools}
    assert effects == {
        "api.issues_list_for_repo": "none",
        "api.issues_create": "once",
        "api.issues_get": "none",
        "api.issues_update": "once",
        "api.issues_create_comment": "once",
        "api.repos_get_content": "none",
        "api.repos_create_or_update_file_contents": "idempotent",
        "api.repos_delete_file": "idempotent",
        "api.rate_limit_get": "none",
        "api.issues_lock": "idempotent",
        "api.issues_unlock": "idempotent",
    }
    assert tool_of(document("/a/{id}", "get", parameters=[_in_path("id")])).spec.name == "shop.get_a_id"


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


@pytest.mark.req("LIC-20.30")
def test_a_project_knows_better_than_a_document() -> None:
    said = {"effects": "idempotent", "origin": "records", "name": "add", "timeout_s": 5, "tags": ["write"]}
    found = of("petstore.json", only=["addPet", "GET /pet/{petId}"], operations={"addPet": said})
    add, get = sorted(found.tools, key=lambda tool: tool.spec.name)
    assert (add.spec.name, add.spec.effects, add.spec.origin) == ("api.add", "idempotent", "records")
    assert (add.spec.timeout_s, add.spec.tags) == (5, ("openapi", "write"))
    assert get.spec.name == "api.get_pet_by_id"
    assert len(of("petstore.json", without=["addPet"]).tools) == 19


@pytest.mark.req("LIC-20.30")
def test_the_members_of_a_body_are_arguments_of_their_own_beside_the_parameters() -> None:
    create = next(tool for tool in of("github-issues.json").tools if tool.spec.name == "api.issues_create")
    assert {"owner", "repo", "title", "body", "labels"} <= set(create.spec.input_schema["properties"])
    assert create.spec.input_schema["required"] == ["owner", "repo", "title"]
    assert create.spec.input_schema["additionalProperties"] is False


def test_a_body_whose_member_is_called_as_a_parameter_is_one_argument() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"properties": {"id": {"type": "integer"}}}}}}
    tool = tool_of(document("/a/{id}", "put", parameters=[_in_path("id")], requestBody=body))
    assert set(tool.spec.input_schema["properties"]) == {"id", "body"}
    assert tool.spec.input_schema["required"] == ["id", "body"]


def test_what_only_the_server_sets_is_no_argument_and_what_is_never_told_no_result() -> None:
    thing = {
        "type": "object",
        "required": ["id", "password"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "password": {"$ref": "#/components/schemas/Hidden"},
        },
    }
    of_it = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    hidden = {"type": "string", "writeOnly": True}
    components = {"schemas": {"Thing": thing, "Hidden": hidden}}
    body, answers = {"required": True, **of_it}, {"200": of_it}
    spec = tool_of(document(components=components, requestBody=body, responses=answers)).spec
    assert (list(spec.input_schema["properties"]), spec.input_schema["required"]) == (["password"], ["password"])
    assert (list(spec.output_schema["properties"]), spec.output_schema["required"]) == (["id"], ["id"])


def test_words_of_3_0_mean_what_they_say_in_2020_12() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            "kind": {"type": "string", "enum": ["a", "b"], "nullable": True},
            "pet": {"allOf": [{"type": "object"}], "nullable": True},
        },
    }
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    said = tool_of(document("/a", "post", version="3.0.3", requestBody=body)).spec.input_schema["properties"]
    assert said["age"] == {"type": ["integer", "null"], "exclusiveMinimum": 0}
    assert said["kind"] == {"type": ["string", "null"], "enum": ["a", "b", None]}
    assert said["pet"] == {"anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]}


@pytest.mark.req("LIC-20.31")
def test_a_schema_that_is_made_of_itself_ends() -> None:
    answers = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}}
    found = tool_of(document(components={"schemas": {"Page": PAGED}}, responses=answers))
    assert found.spec.output_schema == {"type": "object", "properties": {"next": {}}}


@pytest.mark.req("LIC-20.31")
def test_a_schema_that_grows_without_bound_makes_no_tool() -> None:
    names = [f"S{i}" for i in range(30)]
    grown: dict[str, Any] = {
        name: {"type": "object", "properties": {key: {"$ref": f"#/components/schemas/{after}"} for key in "abcd"}}
        for name, after in zip(names, [*names[1:], names[-1]], strict=True)
    }
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    assert "too large" in why_not(document("/a", "post", components={"schemas": grown}, requestBody=body))


LEFT_OUT: list[tuple[dict[str, Any], str]] = [
    ({"servers": [{"url": "https://elsewhere.example"}]}, ""),
    ({"parameters": [{"$ref": "https://elsewhere.example/p.json"}]}, "outside of the document"),
    ({"parameters": [{"name": "Host", "in": "header"}]}, "not for its callers"),
    ({"parameters": [{"name": "a\r\nb", "in": "header"}]}, "not for its callers"),
    ({"parameters": [{"name": "id", "in": "path", "required": True}]}, "do not fit each other"),
    ({"requestBody": {"required": True, "content": {"application/xml": {}}}}, "neither JSON"),
    ({"security": [{"key": []}]}, "name the secret of key"),
    ({"responses": {"200": {"content": {"text/event-stream": {}}}}}, "does not end"),
]


@pytest.mark.req("LIC-20.31")
@pytest.mark.parametrize(("said", "why"), LEFT_OUT)
def test_what_cannot_be_asked_as_it_is_described_is_left_out_with_the_reason(said: dict[str, Any], why: str) -> None:
    servers = said.pop("servers", None)
    found = document("/things", "get", **said)
    if servers is not None:
        operation: Any = found.tree["paths"]["/things"]["get"]
        operation["servers"] = servers
        why = "servers of its own"
    assert why in why_not(found)


@pytest.mark.req("LIC-20.31")
def test_two_operations_that_would_be_called_alike_are_both_left_out() -> None:
    paths = {"/a": {"get": {"operationId": "getThing"}}, "/b": {"get": {"operationId": "get_thing"}}}
    found = parsed(msgspec.json.encode({"openapi": "3.0.0", "info": {}, "paths": paths}), "two.json")
    assert set(listed(found, Api("shop", url=URL)).left_out) == {"GET /a", "GET /b"}


@pytest.mark.req("LIC-20.31")
def test_a_name_that_is_not_there_is_refused_with_what_is_near() -> None:
    wrong: list[dict[str, Any]] = [{"only": ["addPets"]}, {"without": ["addPets"]}, {"operations": {"addPets": {}}}]
    for said in wrong:
        with pytest.raises(Invalid, match="addPets") as refused:
            of("petstore.json", **said)
        assert "addPet" in refused.value.next_step
    with pytest.raises(Invalid, match="security scheme 'nobody'"):
        of("petstore.json", secrets={"nobody": "x"})
    with pytest.raises(Invalid, match="is no tool"):
        of("petstore.json", secrets={}, only=["addPet"])


@pytest.mark.req("LIC-20.31")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[]", "no object"),
        (b'{"swagger": "2.0"}', "of no version"),
        (b'{"openapi": "3.1.0", "paths": []}', "no object"),
        (b"a: &a [1]\nb: *a", "Line 2: aliases are not read"),
        (b"a: [1", "neither JSON nor YAML"),
        (b"\xff\xfe\x00", "neither JSON nor YAML"),
        (b"openapi: !!python/object/apply:os.system [ls]", "neither JSON nor YAML"),
        (b'{"openapi": "3.1.0", "x": ' + b"[" * 200 + b"]" * 200 + b"}", "too deeply"),
    ],
)
def test_what_is_no_document_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        parsed(text, "wrong.yaml")
    assert refused.value.code == "openapi_invalid"


def test_a_document_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "BYTES_MAX", 100)
    with pytest.raises(Invalid, match="more than 100 bytes"):
        read(DOCUMENTS / "uspto.json")


def test_words_of_yaml_stay_words() -> None:
    tree = parsed(
        b"openapi: 3.0.0\npaths: {}\nx: [no, on, 2020-01-02, 1_000, 0x10, 0o7, true, 12, 1.5, ~]", "a.yaml"
    ).tree
    assert tree["x"] == ["no", "on", "2020-01-02", "1_000", "0x10", "0o7", True, 12, 1.5, None]


def test_tools_of_an_api_are_made_in_one_line() -> None:
    found = api_tools(DOCUMENTS / "uspto.json", name="patents", url="https://developer.uspto.gov/ds-api")
    assert "patents.perform_search" in {tool.spec.name for tool in found}
    with pytest.raises(Invalid, match="https:// only"):
        api_tools(DOCUMENTS / "uspto.json", name="patents", url="http://uspto.gov", secrets={"a": "b"})
