"""`lichen flow doctor` inside a project: a flow that names what is not there is told so before it is hosted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import Project
from tests.cli.shop import Ended

GOOD = """
    id: shop.status
    type: messaging
    nodes:
      ask:
        questions: {fields: [{id: order, prompt: "Which order?"}]}
        routing: [{to: look}]
      look:
        orders.lookup: {order_id: "{{slots.order}}"}
        routing: [{to: hand}]
      hand:
        agent.shop.support: {message: "{{look.result.status}}"}
        routing: out
"""


def wrong(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def doctor(tmp_path: Path, text: str, *words: str) -> Ended:
    return Project(tmp_path, {"status.ygtc": text}).run("flow", "doctor", "status.ygtc", *words)


def found(tmp_path: Path, text: str) -> dict[str, Any]:
    told = doctor(tmp_path, text, "--json")
    return {error["code"]: error for error in told.data["errors"]}


@pytest.mark.req("GRE-5.20")
def test_a_flow_that_its_project_can_host_is_ok(tmp_path: Path) -> None:
    told = doctor(tmp_path, GOOD)
    assert told.code == 0, told.out + told.err


@pytest.mark.req("GRE-5.20")
@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("orders.lookup:", "orders.lokup:"), "tool_unknown", "Did you mean 'orders.lookup'?"),
        (("agent.shop.support:", "agent.shop.suport:"), "agent_unknown", "Did you mean 'shop.support'?"),
        (("order_id: ", "order: "), "argument_unknown", "Did you mean 'order_id'?"),
        (("slots.order}}", "slots.ordre}}"), "slot_unknown", "Did you mean 'order'?"),
    ],
)
def test_what_a_flow_names_that_the_project_has_not_is_found_with_its_line(
    tmp_path: Path, change: tuple[str, str], code: str, said: str
) -> None:
    errors = found(tmp_path, wrong(change))
    assert said in errors[code]["next_step"]
    line = wrong(change).splitlines().index(next(line for line in wrong(change).splitlines() if change[1] in line))
    assert 0 <= line - errors[code]["line"] <= 1  # at the node it stands in
    assert doctor(tmp_path, wrong(change)).code == 2


@pytest.mark.req("GRE-5.20")
def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    named = (("orders.lookup:", "orders.lokup:"), ("agent.shop.support:", "agent.shop.x:"))
    errors = found(tmp_path, wrong(*named, ("slots.order}}", "slots.x}}")))
    assert {"tool_unknown", "agent_unknown", "slot_unknown"} <= errors.keys()


@pytest.mark.req("GRE-5.20")
def test_without_a_project_and_with_one_of_a_stranger_the_file_alone_is_looked_at(tmp_path: Path) -> None:
    project = Project(tmp_path, {"status.ygtc": wrong(("orders.lookup:", "orders.lokup:"))})
    (tmp_path / "lichen.toml").chmod(0o666)
    told = project.run("flow", "doctor", "status.ygtc")
    assert (told.code, "project_untrusted" in told.err) == (0, True)
    (tmp_path / "lichen.toml").unlink()
    told = project.run("flow", "doctor", "status.ygtc")
    assert (told.code, told.err) == (0, "")
