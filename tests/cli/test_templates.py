"""What `lichen init` begins a project with: each template loads, talks, and passes the test it brings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lichen.cli.serving.init import TEMPLATES, files_of
from tests.cli.shop import LICHEN, Ended
from tests.forge import FORGE

SAID = {
    "demo": (("chat", "--tenant", "acme", "--as", "customer-7"), "Where is order 1042?", "arrives tomorrow"),
    "minimal": (("chat", "--as", "customer-7"), "How many miles are 10 km?", "10 km are 6.21 miles."),
    "shop": (("chat", "--as", "customer-7"), "I want a refund of 80 EUR for order 1002.", "needs a colleague"),
}
LINES_MAX = 100


def run(folder: Path, *arguments: str, text: str = "", environ: Mapping[str, str] = {}) -> Ended:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LICHEN_", "PYTEST_"))}
    environ = {**kept, **environ}
    if arguments[: len(LICHEN)] == LICHEN:
        return Ended(*FORGE.run(arguments[len(LICHEN) :], folder, environ, text=text))
    done = subprocess.run(
        arguments, input=text, capture_output=True, text=True, timeout=120, check=False, cwd=folder, env=environ
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.req("LIC-46.3")
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_project_that_is_well_and_talks(tmp_path: Path, template: str) -> None:
    begun = run(tmp_path, *LICHEN, "init", "mine", "--template", template)
    assert begun.code == 0, begun.err
    assert TEMPLATES[template].first in begun.out
    words, said, heard = SAID[template]
    assert said in TEMPLATES[template].first
    examined = run(tmp_path / "mine", *LICHEN, "doctor", "--json")
    told = [(finding["state"], finding["what"]) for finding in examined.data if finding["state"] != "ok"]
    of_own_pack = ("warning", "pack: Nobody signed it. (pack_unsigned)")  # it is a folder now, to be worked on
    assert told == ([of_own_pack] if template == "demo" else [])
    assert heard in run(tmp_path / "mine", *LICHEN, *words, text=f"{said}\n").out


@pytest.mark.req("LIC-46.13")
def test_who_names_nobody_talks_as_the_first_customer_of_a_project_that_is_developed(tmp_path: Path) -> None:
    run(tmp_path, *LICHEN, "init", "mine", "--template", "shop")
    told = run(tmp_path / "mine", *LICHEN, "chat", text="Where is order 1001?\n")
    assert told.out == "Order 1001, your tea pot, is on its way.\n"
    assert "customer-7 of shop" in told.err
    settings = tmp_path / "mine" / "lichen.toml"
    production = settings.read_text().replace('development = ["dev"]\n', "").replace('signed_in = ["customer-7"]\n', "")
    settings.write_text(production)
    refused = run(tmp_path / "mine", *LICHEN, "chat", text="Where is order 1001?\n")
    assert refused.code != 0
    assert refused.out == ""


@pytest.mark.req("LIC-46.14")
def test_a_model_of_the_environment_is_the_demos_support_agent_with_its_tools_and_policies(tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text(
        '{"calls": [{"tool": "payments.refund", "args": {"order_id": "1052", "amount": 2000}}]}\n'
        '{"text": "That order is not yours."}\n'
    )
    run(tmp_path, *LICHEN, "init", "mine")
    environ = {"LICHEN_MODEL": f"scripted:{script}"}
    told = run(tmp_path / "mine", *LICHEN, "chat", text="20 EUR back for order 1052!\n", environ=environ)
    assert told.out == "That order is not yours.\n"
    runs = run(tmp_path / "mine", *LICHEN, "runs", "list", "--tenant", "acme", "--json", environ=environ).data
    shown = run(tmp_path / "mine", *LICHEN, "runs", "show", runs[0]["id"], "--tenant", "acme", environ=environ).out
    assert "denied" in shown


@pytest.mark.req("LIC-46.14")
def test_a_model_of_the_environment_takes_the_place_of_the_one_that_a_project_was_begun_with(tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text('{"text": "I am the script."}\n')
    run(tmp_path, *LICHEN, "init", "mine", "--model", "openai:gpt-5")
    told = run(tmp_path / "mine", *LICHEN, "chat", text="Hi\n", environ={"LICHEN_MODEL": f"scripted:{script}"})
    assert told.out == "I am the script.\n"
    wrong = run(tmp_path / "mine", *LICHEN, "chat", text="Hi\n", environ={"LICHEN_MODEL": "nope"})
    assert (wrong.code, "LICHEN_MODEL" in wrong.err) == (2, True)


@pytest.mark.req("LIC-46.14")
def test_a_model_of_the_environment_that_is_none_is_blamed_on_its_variable(tmp_path: Path) -> None:
    run(tmp_path, *LICHEN, "init", "mine")
    told = run(tmp_path / "mine", *LICHEN, "chat", text="Hi\n", environ={"LICHEN_MODEL": "nope"})
    assert told.code == 2
    assert "model_unknown: LICHEN_MODEL: 'nope' is not a model name." in told.err


@pytest.mark.req("LIC-46.16")
def test_what_to_do_next_is_a_line_that_a_shell_takes_as_it_stands(tmp_path: Path) -> None:
    assert "cd 'we ird' && lichen chat" in run(tmp_path, *LICHEN, "init", "we ird", "--model", "echo:").out


@pytest.mark.req("LIC-46.17")
def test_a_project_with_a_model_speaks_of_one_unit_of_money_and_says_how_to_get_its_test_run(tmp_path: Path) -> None:
    begun(tmp_path, "openai:gpt-5")
    texts = {path.name: path.read_text() for path in (tmp_path / "shop").iterdir() if path.is_file()}
    for name in ("README.md", "support.toml", "test_shop.py", "shop.py"):
        assert "in cents" in texts[name], name
        assert "in euros" not in texts[name]
    assert "pip install pytest" in texts["README.md"]


def begun(folder: Path, model: str, *more: str) -> Ended:
    return run(folder, *LICHEN, "init", "shop", "--model", model, *more)


@pytest.mark.req("LIC-46.15")
@pytest.mark.parametrize(
    ("model", "needs"),
    [
        ("openai:gpt-5", "`openai` (in a clone: pip install '.[openai]') and OPENAI_API_KEY."),
        ("anthropic:claude-sonnet-5", "`anthropic` (in a clone: pip install '.[anthropic]') and ANTHROPIC_API_KEY."),
        ("azure:mine", "pip install '.[azure]') and AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT."),
        ("echo:", "echo: needs no key."),
    ],
)
def test_a_project_begins_with_a_model_and_says_what_it_needs(tmp_path: Path, model: str, needs: str) -> None:
    made = begun(tmp_path, model)
    assert made.code == 0, made.err
    assert needs in made.out
    readme = (tmp_path / "shop" / "README.md").read_text()
    assert needs in readme
    assert len(readme.splitlines()) == 5
    assert f'model = "{model}"' in (tmp_path / "shop" / "support.toml").read_text()


@pytest.mark.req("LIC-46.15")
def test_a_project_with_a_model_passes_its_test_without_a_key_and_says_which_is_missing(tmp_path: Path) -> None:
    begun(tmp_path, "openai:gpt-5")
    mine = tmp_path / "shop"
    keyless = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    pytested = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")
    tested = run(mine, *pytested, environ=keyless)
    assert tested.code == 0, tested.out
    assert "3 passed" in tested.out
    told = run(mine, *LICHEN, "chat", text="Where is order 1001?\n", environ=keyless)
    assert "OPENAI_API_KEY" not in told.out  # the customer's
    assert "Set OPENAI_API_KEY, or say" in told.err  # the developer's


@pytest.mark.req("LIC-46.15")
@pytest.mark.parametrize(
    ("model", "more", "code"),
    [("nobody:x", (), "model_unknown"), ("gpt-5", (), "model_unknown"), ("openai:", (), "model_unknown"),
     ("openai:gpt-5", ("--template", "minimal"), "template_unmodelled")],
)  # fmt: skip
def test_no_project_begins_with_a_model_that_cannot_be(
    tmp_path: Path, model: str, more: tuple[str, ...], code: str
) -> None:
    told = begun(tmp_path, model, *more)
    assert (told.code, code in told.err) == (2, True)
    assert not (tmp_path / "shop").exists()


@pytest.mark.req("LIC-46.4")
@pytest.mark.parametrize("template", [name for name in TEMPLATES if name != "demo"])
def test_a_small_template_brings_a_test_that_passes_and_files_that_are_read_at_a_glance(
    tmp_path: Path, template: str
) -> None:
    assert run(tmp_path, *LICHEN, "init", "mine", "--template", template).code == 0
    tested = run(tmp_path / "mine", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")
    assert tested.code == 0, tested.out
    assert " passed" in tested.out
    sizes = {path.name: len(path.read_text().splitlines()) for path in files_of(template).rglob("*.*")}
    assert max(sizes.values()) <= LINES_MAX, sizes


@pytest.mark.req("LIC-46.4")
def test_the_test_of_the_shop_fails_when_large_refunds_need_nobody(tmp_path: Path) -> None:
    run(tmp_path, *LICHEN, "init", "mine", "--template", "shop")
    policies = tmp_path / "mine" / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text().replace('@approval("operator")\n@expires("24h")\n', ""))
    tested = run(tmp_path / "mine", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")
    assert tested.code == 1
    assert "2 failed, 1 passed" in tested.out


@pytest.mark.req("LIC-46.3")
def test_a_template_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    told = run(tmp_path, *LICHEN, "init", "mine", "--template", "banking")
    assert told.code == 4
    assert "template_unknown" in told.err
    assert all(f"{name}: " in told.err for name in TEMPLATES)
    assert not (tmp_path / "mine").exists()


@pytest.mark.req("LIC-46.18")
@pytest.mark.parametrize("words", [("chat",), ("chat", "--tenant", "shop", "--as", "customer-7"), ("ask",)])
def test_a_run_that_failed_ends_the_command_with_one_and_its_log_is_for_who_asks(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    keyless = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    begun(tmp_path, "openai:gpt-5")
    mine = tmp_path / "shop"
    told = run(mine, *LICHEN, *words, text="Where is order 1001?\n", environ=keyless)
    assert told.code == 1, told.err
    assert told.out or words == ("ask",)
    assert "code=" not in told.err
    assert "at=" not in told.err
    loud = run(mine, *LICHEN, *words, "--verbose", text="Where is order 1001?\n", environ=keyless)
    assert (loud.code, "failed code=model_key_missing exception=ModelError" in loud.err) == (1, True)
    newest = run(mine, *LICHEN, "runs", "list", "--json", environ=keyless).data[0]["id"]
    explained = run(mine, *LICHEN, "runs", "explain", newest, environ=keyless).out
    assert "ModelError" in explained
    for inside in ("Traceback", ".py", "site-packages"):
        assert inside not in explained + loud.err


@pytest.mark.req("LIC-46.18")
def test_a_chat_whose_runs_completed_ends_with_zero(tmp_path: Path) -> None:
    begun(tmp_path, "echo:")
    assert run(tmp_path / "shop", *LICHEN, "chat", text="Hi\n").code == 0
