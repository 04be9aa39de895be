"""Commands as a user types them: what they print, and how they end."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lichen.cli.tree import COMMANDS, Named
from tests.cli.shop import STATUS, Shop

ESCAPE = "\x1b"


@pytest.mark.req("SYM-101.1")
def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    script = "import sys; sys.argv = ['lichen', '--help']\nfrom lichen.cli.app import main\ntry: main()\n"
    script += "finally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in ("demo", "init", "chat", "run", "runs", "approvals", "log", "policy", "keys", "stop", "doctor"):
        assert f"\n  {command} " in done.stdout
    loaded = set(done.stderr.split())
    heavy = {"rich", "starlette", "uvicorn", "pydantic", "msgspec", "cedarpy", "asyncio", "sqlite3", "http.client"}
    assert heavy & loaded == set()
    own = {name for name in loaded if name.startswith("lichen.") and not name.startswith("lichen.core")}
    assert own == {"lichen.cli", "lichen.cli.app", "lichen.cli.errors", "lichen.cli.tree"}


@pytest.mark.req("SYM-101.1")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_own_help(name: str) -> None:
    place, summary = COMMANDS[name]
    said = inspect.cleandoc(Named(name, place, summary).loaded().help)
    assert said.splitlines()[0] == summary


@pytest.mark.req("SYM-101.2")
@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "list"),
        ("approvals", "list"),
        ("keys", "list"),
        ("log", "show"),
        ("policy", "check"),
        ("doctor",),
    ],
)
def test_reading_commands_are_plain_in_a_pipe_and_json_for_programs(hosted: Shop, arguments: tuple[str, ...]) -> None:
    tenant = () if arguments == ("doctor",) else ("--tenant", "acme")
    plain = hosted.run(*arguments, *tenant)
    assert plain.code == 0, plain.err
    assert ESCAPE not in plain.out
    programs = hosted.run(*arguments, *tenant, "--json")
    lines = programs.out.splitlines() if arguments == ("log", "show") else [programs.out]
    assert all(json.loads(line) is not None for line in lines)
    assert programs.err == ""


@pytest.mark.req("SYM-101.2")
def test_columns_stay_where_they_are_in_a_pipe(hosted: Shop) -> None:
    head, *rows = hosted.run("runs", "list", "--tenant", "acme").out.splitlines()
    assert head.split() == ["ID", "RESULT", "WHO", "AGENT", "ASKED", "OUTCOME", "STARTED"]
    start = head.index("RESULT")
    assert {row[start : start + 7] for row in rows} == {"waiting"}


@pytest.mark.req("LIC-12.1")
def test_an_approval_is_shown_with_all_that_it_is_decided_on(hosted: Shop) -> None:
    wait = hosted.approvals()[0]
    shown = hosted.run("approvals", "show", wait["id"], "--tenant", "acme").out
    for part in (
        "payments.refund",
        "80.00 EUR",
        "price=120.00 EUR",
        "refunded_today=0.00 EUR",
        "More than 50 EUR",
        "customer:",
        wait["digest"],
    ):
        assert part in shown


@pytest.mark.req("SYM-101.3")
def test_a_run_says_why_it_does_not_move_also_without_its_tenant(hosted: Shop) -> None:
    run = hosted.approvals()[0]["run"]
    for tenant in ((), ("--tenant", "acme")):
        assert (
            "It waits for approval of payments.refund by operator." in hosted.run("runs", "explain", run, *tenant).out
        )
    assert hosted.run("runs", "show", run).out.startswith(f"{run}  shop.support  waiting")


@pytest.mark.req("SYM-101.4")
@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("runs", "list"), 2, "tenant_missing"),
        (("runs", "list", "--tenant", "nosuch"), 4, "tenant_unknown"),
        (("runs", "list", "--tenant", "acme", "--env", "prod"), 4, "env_unknown"),
        (("runs", "list", "--tenant", "acme", "--limit", "0"), 2, "query_invalid"),
        (("runs", "show", "run-1", "--tenant", "acme"), 4, "run_unknown"),
        (("runs", "show", "../keys", "--tenant", "acme"), 4, "path_unknown"),
        (("runs", "frobnicate"), 2, "usage"),
        (("runs", "list", "--key", "lk_wrong"), 5, "key_invalid"),
        (("approvals", "show", "nonsense", "--tenant", "acme"), 2, "wait_id_invalid"),
        (("approvals", "approve", "run-1.w1", "--tenant", "acme"), 2, "actor_missing"),
        (("approvals", "approve", "run-1.w1", "--tenant", "acme", "--as", "customer-7"), 4, "wait_unknown"),
        (("chat", "--tenant", "acme", "--as", "nobody"), 4, "actor_unknown"),
        (("chat", "--tenant", "acme", "--as", "customer-7", "--agent", "shop.nobody"), 4, "agent_unknown"),
        (("run", "--tenant", "acme", "--as", "customer-7"), 2, "agent_missing"),
        (("stop", "tool", "--tenant", "acme", "--as", "ops"), 2, "name_missing"),
        (("log", "erase", "customer-7", "--tenant", "acme", "--as", "ops"), 2, "not_confirmed"),
        (("run", "--stay"), 1, "data_dir_in_use"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_ends_with_its_code(
    hosted: Shop, arguments: tuple[str, ...], code: int, error: str
) -> None:
    ended = hosted.run(*arguments, "--json")
    assert (ended.code, ended.error, ended.out) == (code, error, "")


@pytest.mark.req("SYM-101.4")
def test_people_are_told_code_cause_and_next_step_in_one_line(hosted: Shop) -> None:
    ended = hosted.run("approvals", "approve", "run-1.w1", "--tenant", "acme")
    assert ended.err == (
        "lichen: actor_missing: The request names nobody who does this.  "
        "Name a declared actor with --as (Lichen-As), or use a key.\n"
    )


@pytest.mark.req("SYM-98.1")
def test_a_key_decides_alone_and_a_key_of_another_tenant_sees_nothing(hosted: Shop) -> None:
    run = hosted.approvals()[0]["run"]
    acme, globex = (hosted.run("keys", "create", "ops", "--tenant", t).out.strip() for t in ("acme", "globex"))
    assert [wait["run"] for wait in hosted.run("approvals", "list", "--json", LICHEN_KEY=acme).data] == [run]
    assert hosted.run("approvals", "list", "--key", acme, "--as", "ops", "--json").error == "key_decides"
    assert hosted.run("approvals", "list", "--key", globex, "--json").data == []
    assert hosted.run("runs", "show", run, "--key", globex, "--json").error == "run_unknown"
    crossing = hosted.run("runs", "list", "--key", globex, "--tenant", "acme", "--json")
    assert (crossing.code, crossing.error) == (5, "key_scope")
    for key in (acme, globex):
        tenant = "acme" if key == acme else "globex"
        assert hosted.run("keys", "revoke", key.split("_")[1], "--tenant", tenant).code == 0
    assert hosted.run("runs", "list", "--key", acme, "--json").error == "key_invalid"


@pytest.mark.req("GOA-48.1")
def test_an_agent_is_run_once(hosted: Shop) -> None:
    asked = ("run", "shop.support", "--tenant", "globex", "--as", "customer-7")
    assert hosted.run(*asked, STATUS).out == "Order 1042 (espresso machine) is shipped, arrives tomorrow.\n"
    assert hosted.run(*asked, "--json", text=STATUS).data["status"] == "completed"


def test_a_message_that_is_too_long_is_refused_and_nothing_is_taken(hosted: Shop) -> None:
    ended = hosted.run("chat", "--tenant", "globex", "--as", "customer-7", "--json", text="x" * 20_000)
    assert (ended.code, ended.error, ended.out) == (2, "message_too_large", "")


@pytest.mark.req("SYM-101.5")
@pytest.mark.parametrize(
    ("policy", "error", "place"),
    [
        ("permit(principal, action resource);", "policy_syntax", ":1:"),
        ("permit(principal, action, resource)\nwhen { context.nosuch };", "policy_schema", ":2:"),
    ],
)
def test_a_wrong_policy_is_named_with_file_line_and_column(
    hosted: Shop, tmp_path: Path, policy: str, error: str, place: str
) -> None:
    (tmp_path / "wrong.cedar").write_text(policy)
    ended = hosted.run("policy", "check", str(tmp_path))
    assert ended.code == 2
    assert ended.err.startswith(f"lichen: {error}: {tmp_path / 'wrong.cedar'}{place}")


def test_the_schema_that_policies_may_use_can_be_read(hosted: Shop) -> None:
    assert "payments.refund" in hosted.run("policy", "schema").out


@pytest.mark.req("SYM-101.6")
def test_a_project_is_made_in_an_empty_folder_and_works_there(shop: Shop, tmp_path: Path) -> None:
    assert "lichen.toml" in shop.run("init", str(tmp_path / "mine")).out.split()
    assert shop.run("init", str(tmp_path / "mine"), "--help").code == 0
    again = shop.run("init", str(tmp_path / "mine"))
    assert (again.code, "folder_not_empty" in again.err) == (3, True)
    mine = Shop(tmp_path / "elsewhere")
    mine.root = tmp_path / "mine"
    assert mine.run("policy", "check").code == 0


@pytest.mark.req("LIC-1.12")
def test_a_run_is_started_with_a_text_or_with_json_from_an_option_or_stdin(shop: Shop) -> None:
    where = ("--tenant", "acme", "--as", "customer-7")
    told = shop.run("runs", "start", "shop.support", STATUS, "--wait-s", "10", *where)
    assert (told.code, "1042" in told.out) == (0, True), told.err
    given = json.dumps({"text": STATUS})
    for arguments, text in ((("--json-input", given), ""), (("--json-input", "-"), given)):
        begun = shop.run("runs", "start", "shop.support", *arguments, *where, "--json", text=text)
        assert begun.data["id"].startswith("run-"), begun.err
    wrong = shop.run("runs", "start", "shop.support", "--json-input", "{", *where, "--json")
    assert (wrong.code, wrong.error) == (2, "input_invalid")


@pytest.mark.req("LIC-30.18")
def test_a_customer_who_wants_a_person_is_answered(hosted: Shop) -> None:
    tenant = ("--tenant", "globex", "--as")
    assert "asked a colleague" in hosted.run("chat", *tenant, "customer-7", text="I want to speak to a human\n").out
    listed = hosted.run("approvals", "list", "--tenant", "globex").out
    assert "a person" in listed
    assert "I want to speak to a human" in listed
    (wait,) = hosted.run("approvals", "list", "--tenant", "globex", "--json").data
    assert hosted.run("approvals", "reply", wait["id"], "Ada here.", *tenant, "ops", "--stay").out.endswith(": sent.\n")
    assert "Ada here." in hosted.run("chat", *tenant, "customer-7", text="").out
    (wait,) = hosted.run("approvals", "list", "--tenant", "globex", "--json").data
    assert hosted.run("approvals", "reply", wait["id"], *tenant, "ops").out.endswith(": closed.\n")
    assert hosted.run("approvals", "list", "--tenant", "globex", "--json").data == []


@pytest.mark.req("SYM-98.21")
def test_who_makes_a_key_must_be_allowed_to_and_is_told_of_a_role_that_means_nothing(hosted: Shop) -> None:
    refused = hosted.run(
        "keys", "create", "x", "--kind", "operator", "--tenant", "acme", "--as", "customer-7", "--json"
    )
    assert (refused.code, refused.error) == (5, "role_missing")
    made = hosted.run(
        "keys", "create", "x", "--kind", "operator", "--role", "nonsense", "--tenant", "acme", "--as", "ops"
    )
    assert made.code == 0
    assert "'nonsense' means nothing here" in made.err
    id = made.out.split("_")[1]
    revoked = hosted.run("keys", "revoke", id, "--tenant", "acme", "--as", "customer-7", "--json")
    assert (revoked.code, revoked.error) == (5, "role_missing")
