"""Components of every ABI in use are described and asked, each in its own way."""

from __future__ import annotations

import base64
from typing import Any

import cbor2
import pytest

from lichen.core.words.errors import Invalid
from lichen.tools.wasm.port import Answered, Reported, Trapped
from lichen.tools.wasm.values.canonical import Case, Err, Ok
from tests.tools.wasm.families.guests import (
    COMPLETED,
    DESCRIPTOR,
    DIAGNOSTIC,
    EVENT,
    EXEC_04,
    MESSAGE,
    MODE,
    NODE_06,
    OUTCOME,
    PACK,
    RAN,
    ROUTER,
    SAYS,
    TEXT,
    TOOL_ERROR,
    VALUE,
    as_json,
    ask,
    completed,
    core,
    describe,
    descriptor,
    err,
    family,
    invoked,
    node_cbor,
    node_json,
    reported,
    router,
)
from tests.tools.wasm.families.shapes import BYTES, Function, Given, List, Option, Record, Result, Trap

PAYLOAD = {"text": "hi", "n": [1, None, 2.5]}
ECHO_06 = node_cbor(invoked(Given(("envelope", "payload-cbor"))))


@pytest.mark.req("GRE-42.1")
@pytest.mark.parametrize("version", ["0.4.0", "0.5.0"])
def test_a_node_of_json_is_asked_with_json_and_its_answer_is_json(version: str) -> None:
    held = node_json(version, Case("ok", SAYS))
    assert ask(held, "process", PAYLOAD).payload == PAYLOAD
    assert ask(held, "process", {"a": 1}, config={"b": 2}).payload == {"a": 1, "config": {"b": 2}}
    assert ask(node_json(version, Case("ok", "no json")), "process").payload == "no json"
    assert family(held) == (f"node@{version}",)


@pytest.mark.req("GRE-42.1")
def test_the_input_of_a_card_goes_without_a_configuration_in_it() -> None:
    card: dict[str, Any] = {"card_source": "inline", "card_spec": {"inline_json": {}}}
    assert ask(node_json("0.4.0", Case("ok", SAYS)), "card", card, config={"b": 2}).payload == card


@pytest.mark.req("GRE-42.2")
@pytest.mark.parametrize("place", [("tenant", "tenant"), ("flow-id",)])
def test_a_node_is_told_whose_question_it_is(place: tuple[str, ...]) -> None:
    held = node_json("0.5.0", Case("ok", Given(("ctx", *place))))
    assert ask(held, "who").payload == {"tenant": "acme", "flow-id": "f1"}[place[-1]]


@pytest.mark.req("GRE-42.3")
@pytest.mark.parametrize("version", ["0.4.0", "0.5.0"])
def test_the_error_of_a_node_is_a_failure_with_its_code_and_when_to_try_again(version: str) -> None:
    held = node_json(version, Case("err", reported(details='{"a":1}')))
    assert ask(held, "process").failure == Reported("BUSY", "not now", True, 250, {"a": 1})


@pytest.mark.req("GRE-42.4")
def test_a_node_says_its_operations_in_its_manifest() -> None:
    said = describe(node_json("0.4.0", Case("ok", "1")))
    assert said.name == "n"
    assert [each.name for each in said.operations] == ["process"]
    assert "invoke" in said.members


@pytest.mark.req("GRE-42.5")
def test_a_node_that_only_streams_is_asked_by_its_stream() -> None:
    params = {"ctx": EXEC_04, "op": TEXT, "input": TEXT}

    def streaming(*events: Case) -> Any:
        return {"greentic:component/node@0.4.0": {"invoke-stream": Function(params, List(EVENT), list(events))}}

    many = streaming(Case("data", "1"), Case("progress", 50), Case("data", '"x"'), Case("done"), Case("data", "3"))
    assert ask(many, "process").payload == [1, "x"]
    assert ask(streaming(Case("data", '{"a":1}')), "process").payload == {"a": 1}
    failed = ask(streaming(Case("data", "1"), Case("error", "broke")), "process").failure
    assert failed is not None
    assert failed.message == "broke"


@pytest.mark.req("GRE-43.1")
def test_a_node_of_cbor_that_has_only_invoke_is_asked_with_cbor() -> None:
    assert ask(ECHO_06, "handle", PAYLOAD).payload == PAYLOAD
    assert describe(ECHO_06).operations == ()
    assert family(ECHO_06) == ("node@0.6.0",)


@pytest.mark.req("GRE-43.2")
def test_a_node_of_cbor_fails_by_its_error_or_by_what_it_answers() -> None:
    details = cbor2.dumps({"a": 1})
    assert ask(node_cbor(err(details=details)), "x").failure == Reported("BUSY", "not now", True, 250, {"a": 1})
    bad = {"ok": False, "error": {"code": "E1", "message": "no"}}
    said = ask(node_cbor(invoked(bad)), "x")
    assert said.failure is not None
    assert (said.failure.code, said.failure.message, said.payload) == ("E1", "no", bad)
    said = ask(node_cbor(invoked({"error": {"code": "E2", "message": "no"}}, ok=False)), "x")
    assert said.failure is not None
    assert said.failure.code == "E2"
    assert ask(node_cbor(invoked({}, ok=False)), "x").failure is not None


@pytest.mark.req("GRE-43.3")
def test_what_an_answer_means_for_a_flow_is_told_beside_it() -> None:
    control = {"v": 1, "action": "jump", "target": "other"}
    said = ask(node_cbor(invoked({"outcome": "done", "greentic_control": control})), "x")
    assert said.failure is None
    assert said.metadata == {"outcome": "done", "greentic_control": control}
    other = ask(node_cbor(invoked({"outcome": 3, "greentic_control": {**control, "action": "rm"}})), "x")
    assert other.metadata == {}
    assert ask(node_cbor(invoked(1, metadata=cbor2.dumps({"took": 3}))), "x").metadata == {"took": 3}


@pytest.mark.req("GRE-43.4")
def test_an_error_without_a_result_is_a_failure_and_one_beside_a_result_is_none() -> None:
    error = {"code": "MCP_TOOL_ERROR", "message": "no such tool", "status": 404}
    said = ask(node_cbor(invoked({"error": error})), "x").failure
    assert said is not None
    assert said.code == "MCP_TOOL_ERROR"
    assert ask(node_cbor(invoked({"error": error, "result": 1})), "x").failure is None
    assert ask(node_cbor(invoked({"error": None})), "x").failure is None


@pytest.mark.req("GRE-43.5")
def test_a_node_of_cbor_describes_itself_as_a_record_or_in_the_descriptor_beside_it() -> None:
    taken = {"type": "object", "required": ["input"]}
    inline = {"schema": Case("inline-cbor", cbor2.dumps(taken)), "content-type": "c", "schema-version": None}
    elsewhere = {"schema": Case("ref-uri", "https://x"), "content-type": "c", "schema-version": None}
    op = {"name": "handle_message", "summary": "Answers.", "input": inline, "output": elsewhere}
    said = {"name": "fix", "version": "1.0.0", "summary": None, "capabilities": ["host:http"], "ops": [op]}
    found = describe(node_cbor(invoked(1), describe=Function({}, DESCRIPTOR, said)))
    assert (found.name, found.version) == ("fix", "1.0.0")
    assert found.operations[0].input_schema == taken
    assert found.operations[0].output_schema == {}
    beside = {"operations": [{"id": "go", "input": {"schema": taken}}], "config_schema": {"type": "object"}}
    found = describe({**ECHO_06, **descriptor("0.6.0", as_json(beside))})
    assert (found.operations[0].name, found.operations[0].input_schema) == ("go", taken)
    assert set(found.details) == {"describe_hash", "schema_hashes", "config_schema"}


def runtime(output: Any, state: bytes = b"\xa0") -> Any:
    params = {"input": BYTES, "state": BYTES}
    ran = {"output": output, "new-state": state}
    return {"greentic:component/component-runtime@0.6.0": {"run": Function(params, RAN, ran)}}


@pytest.mark.req("GRE-44.1")
def test_the_runtime_of_0_6_0_runs_with_its_operation_in_what_it_is_given() -> None:
    held = runtime(Given(("input",)))
    assert ask(held, "run", PAYLOAD).payload == PAYLOAD
    assert ask(held, "card", {"a": 1}).payload == {"operation": "card", "a": 1}
    assert ask(runtime(cbor2.dumps(1), cbor2.dumps({"n": 2})), "run").metadata == {"new_state": {"n": 2}}
    assert family(held) == ("component@0.6.0",)


@pytest.mark.req("GRE-44.2")
def test_the_runtime_of_0_6_0_describes_itself_with_the_schemas_and_members_beside_it() -> None:
    taken = {"type": "object"}
    keys = Function({}, List(TEXT), ["a"])
    info = Function({}, BYTES, cbor2.dumps({"id": "acme.stub", "version": "0.2.0"}))
    about = {"describe": Function({}, BYTES, cbor2.dumps({"role": "tool"})), "get-component-info": info}
    held = {
        **runtime(cbor2.dumps(1)),
        "greentic:component/component-descriptor@0.6.0": about,
        "greentic:component/component-schema@0.6.0": {"input-schema": Function({}, BYTES, cbor2.dumps(taken))},
        "greentic:component/component-i18n@0.6.0": {"i18n-keys": keys},
    }
    found = describe(held)
    assert (found.name, found.version, found.operations[0].name) == ("acme.stub", "0.2.0", "run")
    assert found.operations[0].input_schema == taken
    assert "i18n-keys" in found.members
    assert describe(runtime(b"\x01")).operations[0].name == "run"


@pytest.mark.req("GRE-44.3")
def test_a_component_that_only_describes_itself_is_described_and_cannot_be_asked() -> None:
    held = descriptor("0.6.0", as_json({"operations": [{"id": "run"}]}))
    assert [each.name for each in describe(held).operations] == ["run"]
    with pytest.raises(Invalid) as refused:
        ask(held, "run")
    assert refused.value.code == "component_invalid"


@pytest.mark.req("GRE-44.4")
def test_0_6_1_is_preferred_to_the_json_beside_it_and_answers_cbor() -> None:
    qa = {"qa-spec": Function({"mode": MODE}, BYTES, b"\xa0")}
    params = {"op": TEXT, "input-cbor": BYTES}
    invoke = Function(params, BYTES, Given(("input-cbor",)))
    held = {
        **descriptor("0.6.1", cbor2.dumps({"provider": "slack", "operations": [{"op": "send"}]}), "descriptor"),
        "greentic:component/runtime@0.6.1": {"invoke": invoke},
        "greentic:component/qa@0.6.1": qa,
        **core(describe=b"{}", invoke=Given(("input-json",))),
    }
    assert ask(held, "send", PAYLOAD).payload == PAYLOAD
    assert family(held) == ("component@0.6.1", "schema-core-api@1.0.0")
    found = describe(held)
    assert (found.name, found.operations[0].name, "qa-spec" in found.members) == ("slack", "send", True)


@pytest.mark.req("GRE-45.1")
def test_a_provider_is_asked_with_json_in_bytes() -> None:
    held = core(describe=as_json({"provider_type": "mail", "ops": ["send"]}), invoke=Given(("input-json",)))
    assert ask(held, "send", PAYLOAD).payload == PAYLOAD
    assert (describe(held).name, describe(held).operations[0].name) == ("mail", "send")
    bad = core(invoke=as_json({"ok": False, "error": "no token"}))
    said = ask(bad, "send").failure
    assert said is not None
    assert (said.code, said.message) == ("component_error", "no token")


@pytest.mark.req("GRE-45.2")
def test_a_provider_says_how_it_is_and_judges_a_configuration() -> None:
    held = core(healthcheck=b'{"status":"healthy"}', validate_config=Given(("config-json",)), invoke=b"{}")
    assert ask(held, "healthcheck").payload == {"status": "healthy"}
    assert ask(held, "validate-config", None, config={"a": 1}).payload == {"a": 1}
    assert ask(core(invoke=b'"other"'), "healthcheck").payload == "other"


@pytest.mark.req("GRE-45.3")
def test_the_door_of_webhooks_takes_headers_and_a_body() -> None:
    params = {"headers-json": TEXT, "body-json": TEXT}
    held = {
        "provider:common/ingress@0.0.2": {
            "handle-webhook": Function(params, Result(TEXT, TEXT), Ok(Given(("body-json",))))
        }
    }
    assert ask(held, "handle-webhook", {"headers": {"a": "b"}, "body": {"x": 1}}).payload == {"x": 1}
    assert ask(held, "handle-webhook", {"body": "as it is"}).payload == "as it is"
    assert [each.name for each in describe(held).operations] == ["handle-webhook"]
    bad = {
        "provider:common/subscriptions@0.0.2": {
            "sync-subscriptions": Function({"config-json": TEXT, "state-json": TEXT}, Result(TEXT, TEXT), Err("no"))
        }
    }
    said = ask(bad, "sync-subscriptions", {"config": {}, "state": {}}).failure
    assert said is not None
    assert said.message == "no"


@pytest.mark.req("GRE-39.1")
def test_a_validator_says_whether_a_pack_is_its_own_and_what_is_wrong_with_it() -> None:
    found = {"severity": "warn", "code": "PACK_X", "message": "hm", "path": "a/b", "hint": None}
    params = {"inputs": PACK}
    held = {
        "greentic:pack-validate/validator@0.1.0": {
            "applies": Function(params, "bool", answer=True),
            "validate": Function(params, List(DIAGNOSTIC), [found]),
        }
    }
    pack: dict[str, Any] = {"manifest_cbor": base64.b64encode(b"\xa0").decode(), "sbom_json": {}, "file_index": ["a/b"]}
    assert ask(held, "applies", pack).payload == {"applies": True}
    assert ask(held, "validate", pack).payload == {"diagnostics": [found]}
    with pytest.raises(Invalid):
        ask(held, "validate", {"manifest_cbor": "???"})


@pytest.mark.req("GRE-47.1")
def test_the_tools_of_a_router_are_operations_with_their_schemas_and_hints() -> None:
    said = describe(router(completed()))
    assert said.operations[0].name == "echo"
    assert said.operations[0].input_schema["properties"] == {"a": {"type": "integer"}}
    assert said.details["hints"] == {"echo": {"read-only": True}}


@pytest.mark.req("GRE-47.2")
def test_a_tool_of_a_router_answers_as_mcp_has_it() -> None:
    text = Case("text", {"text": Given(("arguments",))})
    link = Case("resource-link", {"uri": "https://a", "title": None, "mime-type": "text/plain"})
    meta = [{"key": "k", "value": "v"}]
    held = router(completed(**{"content": [text, link], "structured-content": '{"b":2}', "meta": meta}))
    said = ask(held, "echo", {"a": 1})
    assert said == Answered(
        {
            "content": [
                {"type": "text", "text": '{"a":1}'},
                {"type": "resource_link", "uri": "https://a", "mimeType": "text/plain"},
            ],
            "structuredContent": {"b": 2},
        },
        metadata={"meta": meta},
    )


@pytest.mark.req("GRE-47.3")
@pytest.mark.parametrize(
    ("kind", "status"),
    [("invalid-parameters", 400), ("not-found", 404), ("schema-error", 422), ("execution-error", 500)],
)
def test_the_error_of_a_router_is_a_failure_with_its_status(kind: str, status: int) -> None:
    said = ask(router(Err(Case(kind, "why"))), "echo", {}).failure
    assert said == Reported("MCP_TOOL_ERROR", "why", details={"kind": kind, "status": status})


@pytest.mark.req("GRE-47.3")
def test_a_result_that_is_an_error_is_a_failure_with_its_words() -> None:
    words = Case("text", {"text": "no such order"})
    said = ask(router(completed(**{"content": [words], "is-error": True})), "echo", {}).failure
    assert said is not None
    assert (said.code, said.message) == ("MCP_TOOL_ERROR", "no such order")


@pytest.mark.req("GRE-47.4")
def test_a_tool_that_wants_to_ask_a_person_first_is_not_done() -> None:
    request = {"title": "Size", "message": "Which?", "schema": '{"type":"object"}'}
    said = ask(router(Ok(Case("elicit", request))), "echo", {})
    assert said.failure == Reported("component_asks", "It asks something first: Which?")
    assert said.metadata == {"elicit": {"title": "Size", "message": "Which?", "schema": {"type": "object"}}}


@pytest.mark.req("GRE-47.5")
def test_the_old_router_has_its_json_in_a_record() -> None:
    tool = Record("tool", {"name": TEXT, "description": TEXT, "input-schema": VALUE, "output-schema": Option(VALUE)})
    listed = {"name": "old", "description": "d", "input-schema": {"json": '{"type":"object"}'}, "output-schema": None}
    params = {"tool-name": TEXT, "arguments": VALUE}
    text = Case("text", {"text": Given(("arguments", "json"))})
    answer = Ok({"content": [text], "structured-content": None, "meta": None, "is-error": False})
    prompt = Function({"prompt-name": TEXT}, Result(TEXT, TOOL_ERROR), Ok(Given(("prompt-name",))))
    held = {
        "wasix:mcp/router@0.0.5": {
            "name": Function({}, TEXT, "shop"),
            "list-tools": Function({}, List(tool), [listed]),
            "call-tool": Function(params, Result(COMPLETED, TOOL_ERROR), answer),
            "get-prompt": prompt,
        }
    }
    said = describe(held)
    assert (said.name, [each.name for each in said.operations]) == ("shop", ["old", "get-prompt"])
    assert ask(held, "old", {"a": 1}).payload == {"content": [{"type": "text", "text": '{"a":1}'}]}
    assert ask(held, "get-prompt", {"name": "greet"}).payload == "greet"
    wrong = ask(held, "get-prompt", {"name": 3}).failure
    assert wrong is not None
    assert wrong.code == "MCP_CONFIG_ERROR"
    assert family(held) == ("router@0.0.5",)


@pytest.mark.req("GRE-44.5")
def test_bare_functions_are_operations_of_their_names() -> None:
    invoke = Function({"tool": TEXT, "arguments": TEXT}, Result(TEXT, TEXT), Ok(Given(("arguments",))))
    held = {
        "": {
            "run": Function({}, TEXT, '{"a":1}'),
            "tool-invoke": invoke,
            "emit": Function({"input": BYTES}, BYTES, Given(("input",))),
            "other": Function({}, TEXT, "x"),
        }
    }
    assert [each.name for each in describe(held).operations] == ["run", "tool-invoke", "emit"]
    assert ask(held, "run").payload == {"a": 1}
    assert ask(held, "tool-invoke", {"tool": "t", "arguments": {"b": 2}}).payload == {"b": 2}
    with pytest.raises(Invalid):
        ask(held, "other")


@pytest.mark.req("GRE-44.5")
def test_a_command_is_run_and_its_result_is_told() -> None:
    good = {"wasi:cli/run@0.2.3": {"run": Function({}, Result(None, None), Ok())}}
    bad = {"wasi:cli/run@0.2.6": {"run": Function({}, Result(None, None), Err())}}
    assert ask(good, "run").payload == {"ok": True}
    assert ask(bad, "run").failure is not None
    assert family(good) == ("bare",)


@pytest.mark.req("GRE-44.6")
def test_the_world_of_the_documents_takes_a_message_and_gives_an_outcome() -> None:
    def execute(**outcome: Any) -> Any:
        return {"": {"execute": Function({"message": MESSAGE}, OUTCOME, outcome)}}

    good = execute(success=True, data=Given(("message", "content")), error=None)
    assert ask(good, "execute", {"content": "hello"}).payload == {"data": "hello"}
    said = ask(execute(success=False, data=None, error="no"), "execute", {"content": "x"}).failure
    assert said is not None
    assert said.message == "no"


@pytest.mark.req("GRE-44.7")
def test_a_component_of_several_families_is_asked_by_the_first_of_the_table() -> None:
    mixed = {**router(completed()), **node_json("0.4.0", Case("ok", SAYS)), **ECHO_06}
    assert family(mixed) == ("node@0.6.0", "node@0.4.0", "router@25.6.18")
    assert family({"acme:own/thing@1.0.0": {"go": Function({}, TEXT, "x")}}) == ()
    assert family({NODE_06: {"describe": Function({}, TEXT, "x")}}) == ()
    assert family({ROUTER: {"name": Function({}, TEXT, "x")}}) == ()


@pytest.mark.req("GRE-44.8")
@pytest.mark.parametrize(
    "said",
    [
        b"\xff\x00 neither",
        b"\x81" * 300 + b"\x00",
        b"[" * 300 + b"]" * 300,
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xc0\x74" + b"2013-03-21T20:04:00Z",
        b"\xd8\x23\x68((((((((",
        b"\xf9\x7e\x00",
        b"\xa2\x61a\x01\x61a\x02",
        b"\xa1\x81\x01\x02",
        b"\x01",
        b'"text"',
        b'{"operations": 3}',
        b'{"operations": [{"name": 7}]}',
        b'{"operations": ["a", "a"]}',
        b'{"operations": ["a\\u0000"]}',
        as_json({"operations": [str(number) for number in range(300)]}),
        b'{"operations": {}} trailing',
        b"",
    ],
    ids=range(18),
)
def test_a_description_that_is_none_is_refused_by_its_code(said: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        describe(descriptor("0.6.0", said))
    assert refused.value.code == "component_invalid"


@pytest.mark.req("GRE-44.8")
def test_a_schema_that_is_none_is_left_out_and_the_operation_stays() -> None:
    said = [
        {"name": "a", "input_schema": {"type": "Object?"}},
        {"name": "b", "input_schema": "no"},
        {"name": "c", "input_schema": 3},
    ]
    found = describe(descriptor("0.6.0", as_json({"operations": said})))
    assert [(each.name, dict(each.input_schema)) for each in found.operations] == [("a", {}), ("b", {}), ("c", {})]


@pytest.mark.req("GRE-44.9")
def test_the_hashes_of_a_description_do_not_depend_on_how_it_is_written() -> None:
    first = {"operations": [{"name": "a", "input_schema": {"type": "object", "minimum": 1.0}}], "version": "1"}
    again = dict(reversed(list(first.items())))
    one, other = (describe(descriptor("0.6.0", data)).details for data in (cbor2.dumps(first), as_json(again)))
    assert one == other
    assert len(one["describe_hash"]) == 64
    assert set(one["schema_hashes"]) == {"a"}


@pytest.mark.req("GRE-44.8")
def test_a_guest_that_gives_up_while_it_is_asked_is_a_trap_of_that_call() -> None:
    with pytest.raises(Trapped) as ended:
        describe({"greentic:component/component-descriptor@0.6.0": {"describe": Function({}, BYTES, Trap())}})
    assert ended.value.kind == "unreachable"
    with pytest.raises(Invalid):
        ask(node_cbor(invoked(b"\xff\xff")), "x")
