from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.agents import LLMPlanner
from lichen.agents.models.cassette import request_digest
from lichen.agents.models.model import resolve
from lichen.core.ports.model import Delta, Model, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.testing.models import EchoModel, RecordedModel, Recorder, ScriptedModel, plan_input, scripted_planner
from tests.agents.shop import spec
from tests.plugins.packages import install, on_path

REPLY = ModelReply("", (ModelCall("c", ToolName("a.b"), b'{"x": 1'),), Usage(1, 2, 3, 4), "openai:gpt")


def asking(text: str = "Hi", **given: Any) -> ModelRequest:
    return ModelRequest("Be brief.", (ModelMessage("user", text),), **given)


async def failure(model: Model, request: ModelRequest) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.generate(request)
    return caught.value


# -- echo and script ---------------------------------------------------------------------------------------------


async def test_an_echo_says_the_newest_user_message_word_by_word() -> None:
    deltas: list[Delta] = []
    request = ModelRequest(
        "", (ModelMessage("user", "one"), ModelMessage("user", "two  three"), ModelMessage("system", "x"))
    )
    reply = await EchoModel().generate(request, deltas.append)
    assert (reply.text, "".join(delta.text for delta in deltas), len(deltas)) == ("two  three", "two  three", 2)
    assert (await EchoModel().generate(ModelRequest("", ()))).text


async def test_a_script_gives_its_replies_in_order_and_remembers_what_it_was_asked() -> None:
    model = ScriptedModel(["one", REPLY, lambda request: request.messages[0].text, lambda _: REPLY])
    replies = [await model.generate(asking()) for _ in range(4)]
    assert [reply.text for reply in replies] == ["one", "", "Hi", ""]
    assert replies[1] is replies[3] is REPLY
    assert model.requests == [asking()] * 4


async def test_a_script_that_runs_out_fails_loudly_and_may_fail_on_purpose() -> None:
    broken = ModelError("down", code="down", retryable=True)
    model = ScriptedModel([broken])
    assert await failure(model, asking()) is broken
    assert (await failure(model, asking())).code == "script_exhausted"


# -- cassettes ---------------------------------------------------------------------------------------------------


async def test_what_was_recorded_is_replayed_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "cassette.jsonl"
    recorder = Recorder(ScriptedModel(["one", REPLY, "later"]), path)
    assert recorder.name == "scripted:"
    for request in (asking("a"), asking("b"), asking("a")):
        await recorder.generate(request)
    recorded = RecordedModel(path)
    assert await recorded.generate(asking("b")) == REPLY
    assert (await recorded.generate(asking("a"))).text == "later"
    assert recorded.name == "recorded:cassette.jsonl"


async def test_a_request_that_was_not_recorded_is_an_error_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "cassette.jsonl"
    path.touch()
    error = await failure(RecordedModel(path), asking())
    assert (error.code, error.retryable) == ("recording_missing", False)
    assert request_digest(asking()) in str(error)


def test_a_request_is_identified_by_what_the_model_sees() -> None:
    tool = spec("a.b")
    same = [asking(tools=(tool,)), asking(tools=(spec("a.b", timeout_s=1.0, digest="other"),))]
    others = [
        asking(),
        asking("Ho"),
        asking(max_tokens=1),
        asking(output_schema={"type": "object"}),
        asking(tools=(spec("a.b", description="x"),)),
        asking(tools=(spec("a.b", input_schema={"type": "object"}),)),
        ModelRequest("", (ModelMessage("user", "Hi"),)),
        ModelRequest("Be brief.", (ModelMessage("assistant", "Hi"),)),
        ModelRequest("Be brief.", (ModelMessage("user", "Hi", calls=REPLY.calls),)),
        ModelRequest("Be brief.", (ModelMessage("user", "Hi", result_of="c"),)),
    ]
    assert len({request_digest(request) for request in same}) == 1
    assert len({request_digest(request) for request in [same[0], *others]}) == 11


def test_a_cassette_that_cannot_be_read_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "cassette.jsonl"
    for text, place in (('\n{"request":"a"}\n', f"{path}:2"), ("{", f"{path}:1")):
        path.write_text(text)
        with pytest.raises(Invalid) as caught:
            RecordedModel(path)
        assert (caught.value.code, caught.value.place) == ("cassette_invalid", place)
    with pytest.raises(Invalid, match="cannot be read"):
        RecordedModel(tmp_path / "none")


# -- by name -----------------------------------------------------------------------------------------------------


async def test_a_model_is_found_by_its_name(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(
        '{"text":"Let me see.","calls":[{"tool":"a.b","args":{"x":1}},{"tool":"a.c"}]}\n\n{"text":"Done."}\n'
    )
    model = resolve(f"scripted:{script}")
    reply = await model.generate(asking())
    assert [(call.id, call.tool, call.args) for call in reply.calls] == [
        ("call_0", "a.b", b'{"x":1}'),
        ("call_1", "a.c", b"{}"),
    ]
    assert (await model.generate(asking())).text == "Done."
    assert model.name == "scripted:script.jsonl"
    assert resolve("echo:").name == "echo:"
    (tmp_path / "c").touch()
    assert resolve(f"recorded:{tmp_path / 'c'}").name == "recorded:c"


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid) as caught:
        resolve("openmind:gpt-5")
    assert caught.value.code == "model_unknown"
    assert "echo, google, mistral" in caught.value.next_step


@pytest.mark.parametrize("name", ["", "gpt-5", ":gpt-5", "Open AI:gpt-5", "x" * 40 + ":y"])
def test_a_name_without_a_provider_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        resolve(name)
    assert caught.value.code == "model_unknown"


def test_a_script_that_cannot_be_read_is_refused_with_file_and_line(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"text":"a"}\n{"txt":"b"}\n')
    with pytest.raises(Invalid) as caught:
        resolve(f"scripted:{script}")
    assert (caught.value.code, caught.value.place) == ("script_invalid", f"{script}:2")


# -- scripted planner --------------------------------------------------------------------------------------------


async def test_a_scripted_planner_follows_its_script_in_every_run_and_keeps_the_plans_state() -> None:
    planner = scripted_planner([Plan(says=("a",), state=b"1/2"), lambda input: Plan(answer=input.state.decode())])
    first = await planner.plan(plan_input("x"))
    assert await planner.plan(plan_input("y")) == first
    second = await planner.plan(plan_input(reason="resume", state=first.state))
    assert second.answer == "1/2"
    with pytest.raises(AssertionError, match="2 plans"):
        await planner.plan(plan_input(reason="resume", state=second.state))
    assert msgspec.structs.replace(first, state=b"") == Plan(says=("a",))


# -- providers of other packages ---------------------------------------------------------------------------------

FAR = """
from lichen import ModelReply
from lichen.core.words.errors import Invalid

class Far:
    def __init__(self, model):
        if model == "none":
            raise Invalid("There is no such model.", code="model_unknown")
        if model == "late":
            raise OSError("nobody there")
        self.name = model if model == "echo:" else f"far:{model}"

    async def generate(self, request, deltas=None):
        return ModelReply("from afar", model=self.name)

def nothing(model):
    return None
"""


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"far": "far_models:Far", "nothing": "far_models:nothing", "gone": "far_gone:Far"}
    install(tmp_path / "site", "far-models", "1.0", "lichen.models", parts, {"far_models": FAR})
    on_path(tmp_path / "site", monkeypatch)
    monkeypatch.delitem(sys.modules, "far_models", raising=False)


@pytest.mark.req("LIC-47.4")
@pytest.mark.usefixtures("far")
async def test_a_provider_of_an_installed_package_is_named_as_ours_are() -> None:
    planner = LLMPlanner("far:small", instructions="Be brief.")
    assert planner.digest != LLMPlanner("far:large", instructions="Be brief.").digest
    model = resolve("far:small")
    assert (model.name, (await model.generate(asking())).text) == ("far:small", "from afar")
    with pytest.raises(Invalid) as caught:
        resolve("farther:small")
    assert "far, gone, google" in caught.value.next_step


@pytest.mark.req("LIC-47.4")
@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("far:late", "OSError: nobody there"),
        ("far:echo:", "does not begin with far:"),
        ("nothing:x", "what nothing makes is no Model"),
        ("gone:x", "ModuleNotFoundError"),
    ],
)
async def test_a_provider_that_does_not_work_fails_the_runs_that_ask_it_and_nothing_else(name: str, said: str) -> None:
    model = resolve(name)
    assert model.name == name
    error = await failure(model, asking())
    assert (error.code, error.retryable) == ("plugin_broken", False)
    assert said in str(error)


@pytest.mark.usefixtures("far")
def test_what_a_provider_says_of_a_name_is_told() -> None:
    with pytest.raises(Invalid, match="no such model"):
        resolve("far:none")
