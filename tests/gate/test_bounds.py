"""Policies that would end the process: refused with their place, before a parser sees them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid
from lichen.core.words.scope import SYSTEM, Operator, Scope
from lichen.gate.rules.bounds import NESTING_MAX, OPERATORS_MAX, check_bounds
from lichen.gate.rules.policies import load_policies, policy_set
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from tests.serve.asgi import Door

DEMO = Path(__file__).parents[2] / "demo"
ACME = Scope("acme", "dev")
N = 20_000
DEADLY = {
    "parentheses": "(" * N + "true" + ")" * N,
    "or": " || ".join(["true"] * N),
    "and": " && ".join(["true"] * N),
    "sum": " + ".join(["1"] * N) + " == 1",
    "product": " * ".join(["1"] * N) + " == 1",
    "sets": "[" * N + "1" + "]" * N + " == [1]",
    "records": "{a:" * N + "1" + "}" * N + " == {a: 1}",
    "members": "context" + ".a" * N + " == 1",
    "indexes": "context" + '["a"]' * N + " == 1",
    "else": "if true then true else " * N + "true",
    "conditions": "if " * N + "true" + " then true else true" * N,
    "nots": "!" * N + "true",
    "negations": "-" * N + "1 == 1",
    "calls": "[1].contains(" * N + "1" + ")" * N,
    "methods": "[1]" + ".contains(1)" * N,
    "names": "principal is " + "A::" * N + "B",
    "behind a comment": "// hidden \r" + "(" * N + "true" + ")" * N,
}


def policy(condition: str) -> str:
    return f"// a policy\npermit(principal, action, resource) when {{ {condition} }};\n"


@pytest.mark.req("LIC-13.14")
@pytest.mark.parametrize("shape", DEADLY)
def test_a_condition_that_would_end_the_process_is_refused_at_its_place(shape: str) -> None:
    with pytest.raises(Invalid) as refused:
        policy_set({"deep.cedar": policy(DEADLY[shape])}, [])
    assert refused.value.code == "policy_too_deep"
    assert str(refused.value.place).startswith("deep.cedar:2:")


def test_what_a_person_writes_is_below_the_bounds() -> None:
    check_bounds("a.cedar", policy(" || ".join(["true"] * OPERATORS_MAX)))
    check_bounds("a.cedar", policy("(" * (NESTING_MAX - 1) + "true" + ")" * (NESTING_MAX - 1)))
    check_bounds("a.cedar", policy(f"context.x in [{', '.join(['1'] * 10_000)}]"))
    check_bounds("a.cedar", policy(f'"{"(" * 1_000}" == "\\"((("') * 100)


@given(st.lists(st.sampled_from(["(", ")", "[", "]", "{", "}", "||", '"', "\\", "//", "\r", "\n", ";", "a", "!", "1"])))
def test_whatever_the_text_the_scan_ends_with_an_answer(words: list[str]) -> None:
    check_bounds("a.cedar", " ".join(words))


@pytest.mark.req("LIC-13.14")
async def test_reload_check_and_start_survive_a_deadly_file_of_one_tenant(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    settings = load(root / "lichen.toml", environ={"LICHEN_HOME": str(tmp_path / "home")})
    deadly = root / "policies" / "acme" / "deadly.cedar"
    async with Runtime.of(settings) as runtime:
        before = await runtime.policies.reload(ACME, SYSTEM)
        deadly.write_text(policy(DEADLY["or"]))
        door = Door(make_app(runtime, identify=by_owner(runtime)))
        refused = await door.of("acme", "ops").post("policies/check")
        assert (refused.status, refused.code) == (400, "policy_too_deep")
        assert str(deadly) in refused.data["error"]["place"]
        with pytest.raises(Invalid):
            await runtime.policies.reload(ACME, Operator("ops", ("operator",)))
        assert runtime.engine.services.policy_digest(ACME) == before, "the old ones stay in force"
    with pytest.raises(Invalid) as stopped:
        async with Runtime.of(settings):
            pass
    assert stopped.value.code == "policy_too_deep"
    deadly.unlink()
    async with Runtime.of(settings) as runtime:
        assert runtime.engine.services.policy_digest(ACME) == before


@pytest.mark.req("LIC-13.14")
def test_what_is_no_file_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "endless.cedar").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "silent.cedar")
    assert load_policies(tmp_path, []).files == {}


@pytest.mark.req("LIC-13.14")
def test_declarations_that_nest_too_deep_are_refused() -> None:
    with pytest.raises(Invalid):
        policy_set({"meters.toml": "a = " + "[" * N + "]" * N}, [])
