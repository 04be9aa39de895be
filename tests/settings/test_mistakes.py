"""Mistakes in a project: every one at once, each with its line and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import Invalid
from lichen.runtime.project.loading import examine, load
from lichen.runtime.project.project import Project as Loaded
from lichen.settings.places import line_of
from tests.cli.projects import SETTINGS, Project

FLOW = """
    id: shop.voucher
    type: messaging
    nodes:
      issue:
        vouchers.issue: {amount: 500}
        routing: out
"""
VOUCHERS = '''
    from lichen import tool


    @tool(name="vouchers.issue", effects="none", runs="loop")
    async def issue(amount: int) -> dict[str, int]:
        """Issues a voucher."""
        return {"amount": amount}
'''


def found(project: Project) -> list[tuple[str, str]]:
    """Place, relative to the project, and message of every mistake."""
    _, errors = examine(project.root / "lichen.toml", environ={})
    return [((error.place or "").removeprefix(f"{project.root}/"), error.message) for error in errors]


def loaded_of(project: Project) -> Loaded:
    return load(project.root / "lichen.toml", environ={})


@pytest.mark.req("LIC-29.1")
def test_every_mistake_is_found_at_once_each_with_its_line(tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        {
            "lichen.toml": """
                [lichen]
                agents = ["shop.py:support", "shp.py:support", "shop.py:suport"]
                agentz = []
                flows = ["nothing.ygtc"]

                [tenants.acme]
                actors = [
                    {id = "ops", kind = "operator"},
                    {id = "customer-7", kind = "custommer"},
                ]

                [[tenants.acme.routes]]
                channel = "webchat"
                agent = "shop.nobody"
            """
        },
    )
    assert [place for place, _ in found(project)] == [
        "lichen.toml:3: lichen.agentz",
        "lichen.toml:9: tenants.acme.actors[1].kind",
        "shp.py",
        "shop.py",
        "lichen.toml:4: lichen.flows[0]",
        "lichen.toml:12: tenants.acme.routes[0]",
    ]


@pytest.mark.req("LIC-29.2")
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('agents = ["shop.py:support"]\n    agentz = []', "Did you mean 'agents'?"),
        ('agents = ["shp.py:support"]', "Write it as 'shop.py:support'"),
        ('agents = ["shop.py:suport"]', "Write it as 'shop.py:support'"),
        ('agents = ["shop.py"]', "Write it as 'shop.py:NAME'"),
    ],
)
def test_what_was_probably_meant_is_said(tmp_path: Path, wrong: str, right: str) -> None:
    project = Project(tmp_path, {"lichen.toml": SETTINGS.replace('agents = ["shop.py:support"]', wrong)})
    with pytest.raises(Invalid) as refused:
        loaded_of(project)
    assert right in refused.value.next_step


@pytest.mark.req("LIC-29.2")
def test_the_kinds_of_actors_are_named_where_one_is_wrong(tmp_path: Path) -> None:
    project = Project(tmp_path, {"lichen.toml": SETTINGS.replace('"customer"}', '"custommer"}')})
    with pytest.raises(Invalid) as refused:
        loaded_of(project)
    assert "Did you mean 'customer'?" in refused.value.next_step
    assert "operator" in refused.value.next_step


@pytest.mark.req("LIC-29.2")
def test_adding_actors_under_a_list_that_is_written_out_says_how(tmp_path: Path) -> None:
    added = f'{SETTINGS}\n    [[tenants.acme.actors]]\n    id = "eve"\n    kind = "customer"\n'
    with pytest.raises(Invalid) as refused:
        loaded_of(Project(tmp_path, {"lichen.toml": added}))
    assert "put it inside the brackets" in refused.value.next_step


@pytest.mark.req("LIC-29.1")
def test_a_mistake_in_an_agent_file_has_its_line(tmp_path: Path) -> None:
    agent = """
        name = "shop.clerk"

        [rules]
        fallback = "Ask me."

        [[rules.intents]]
        name = "one"
        phrases = ["one"]
        answer = "{nothing}"
    """
    files = {"clerk.toml": agent, "lichen.toml": SETTINGS.replace('"shop.py:support"', '"clerk.toml"')}
    assert found(Project(tmp_path, files))[0][0] == "clerk.toml:9:1: /rules/intents/0/answer"


@pytest.mark.req("LIC-29.1")
def test_a_flow_that_is_wrong_hides_no_other(tmp_path: Path) -> None:
    other = FLOW.replace("shop.voucher", "shop.other").replace("vouchers.issue", "vouchers.burn")
    parts = SETTINGS.replace("[lichen]", '[lichen]\n    flows = ["*.ygtc"]')
    project = Project(tmp_path, {"lichen.toml": parts, "a.ygtc": FLOW, "b.ygtc": other})
    assert [place for place, _ in found(project)] == ["a.ygtc:4:3", "b.ygtc:4:3"]


@pytest.mark.req("LIC-29.3")
def test_a_tool_for_flows_alone_is_listed_without_giving_it_to_an_agent(tmp_path: Path) -> None:
    parts = SETTINGS.replace("[lichen]", '[lichen]\n    tools = ["vouchers.py:issue"]\n    flows = ["a.ygtc"]')
    loaded = loaded_of(Project(tmp_path, {"lichen.toml": parts, "a.ygtc": FLOW, "vouchers.py": VOUCHERS}))
    tools = {agent.name: sorted(agent.tools) for agent in loaded.agents}
    assert tools == {"shop.support": ["orders.lookup"], "shop.voucher": ["vouchers.issue"]}


@pytest.mark.req("LIC-29.3")
def test_an_agent_file_is_an_agent_with_the_tools_that_the_project_lists(tmp_path: Path) -> None:
    agent = 'name = "shop.clerk"\ntools = ["vouchers.issue"]\n[llm]\nmodel = "echo:echo"\n'
    parts = SETTINGS.replace(
        'agents = ["shop.py:support"]', 'agents = ["clerk.toml"]\n    tools = ["vouchers.py:issue"]'
    )
    loaded = loaded_of(Project(tmp_path, {"lichen.toml": parts, "clerk.toml": agent, "vouchers.py": VOUCHERS}))
    assert [(agent.name, list(agent.tools)) for agent in loaded.agents] == [("shop.clerk", ["vouchers.issue"])]


@pytest.mark.req("LIC-29.3")
def test_a_tool_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    parts = SETTINGS.replace("[lichen]", '[lichen]\n    tools = ["shop.py:planner"]')
    assert found(Project(tmp_path, {"lichen.toml": parts}))[0][1] == (
        "shop.py has no tool, or list of them, named 'planner'."
    )


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        (("a",), 1),
        (("a", "b"), 2),
        (("a", "c", 1, "d"), 5),
        (("l", 0, "x"), 9),
        (("l", 1), 10),
        (("l", 1, "m", 0, "y"), 13),
        (("l", 1, "missing"), 10),
        (("missing",), None),
        (("quoted.key",), None),
        (("t", "quoted.key"), 15),
        (("t", "after"), 19),
    ],
)
def test_the_line_of_anything_in_a_toml_text(steps: tuple[str | int, ...], line: int | None) -> None:
    text = (
        "[a]\n"
        'b = "[x] # no comment"  # a comment\n'
        "c = [  # begins\n"
        "  {d = 1},\n"
        "  {d = 2, e = [1, 2]},\n"
        "]\n"
        "\n"
        "[[l]]\n"
        "x = 1\n"
        "[[l]]\n"
        "x = 2\n"
        "[[l.m]]\n"
        "y = 3\n"
        "[t]\n"
        '"quoted.key" = """\n'
        "[a]\n"
        "z = 1\n"
        '"""\n'
        "after = 1\n"
    )
    assert line_of(text, steps) == line


@pytest.mark.req("GRE-55.3")
def test_two_tenants_cannot_be_reached_by_one_host_and_both_places_are_named(tmp_path: Path) -> None:
    files = {
        "lichen.toml": """
            [lichen]
            agents = ["echo.toml"]
            [tenants.acme]
            hosts = ["bots.example", "acme.example"]
            [tenants.globex]
            hosts = [
                "globex.example",
                "acme.example",
            ]
        """,
        "echo.toml": 'name = "shop.echo"\n[llm]\nmodel = "echo:"\n',
    }
    _, (error,) = examine(Project(tmp_path, files).root / "lichen.toml", environ={})
    text = (tmp_path / "lichen.toml").read_text()
    first, second = (n for n, line in enumerate(text.splitlines(), 1) if "acme.example" in line)
    assert (error.code, f"lichen.toml:{second}: tenants.globex.hosts[1]" in (error.place or "")) == ("host_taken", True)
    assert f"lichen.toml:{first}: tenants.acme.hosts[1]" in error.message
