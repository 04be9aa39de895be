"""A channel is added, changed and removed from the terminal; nothing is half done, and no secret is seen again."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lichen.cli.app import app
from lichen.cli.channels.doctor import arrived, skew_of
from lichen.cli.channels.writing import Draft
from lichen.cli.here.client import Client
from lichen.cli.here.connection import Connection
from lichen.cli.here.workspace import locate
from lichen.core.words.errors import Unavailable
from tests.channels.setup.beacon import TOKEN, WRONG
from tests.cli.channels.commands import FILE, Harbour, harbour
from tests.cli.shop import LICHEN
from tests.serve.widget import DEADLINE_S

URL = "https://bots.example"
WEBHOOK = f"{URL}/v1/messaging/ingress/beacon/acme"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harbour:
    return harbour(tmp_path, monkeypatch)


def tables(shop: Harbour) -> dict[str, Any]:
    return tomllib.loads(shop.file.read_text())["tenants"]["acme"]


def everything(shop: Harbour) -> bytes:
    """All that lies in the project's folder."""
    return b"".join(path.read_bytes() for path in sorted(shop.root.rglob("*")) if path.is_file())


@pytest.mark.req("GRE-64.4")
def test_a_channel_is_added_from_answers_its_secret_kept_and_its_platform_told(shop: Harbour) -> None:
    done = shop.add("beacon", "--public-url", URL, "--json", harbour="kiel", secret=TOKEN)
    assert (done.error, done.code) == (None, 0)
    assert done.data["webhook"] == WEBHOOK
    assert (done.data["said"], done.data["steps"], done.data["in_force"]) == ("The beacon points at us.", [], True)
    assert tables(shop)["beacon"] == {"harbour": "kiel"}
    assert shop.platform == {"webhook": WEBHOOK}
    assert shop.run("test", "beacon", "--json").data["said"] == "harbour kiel"
    sent = shop.run("test", "beacon", "--to", "reef", "--json")
    assert (sent.data["tried"]["outcome"], sent.data["tried"]["code"], sent.code) == ("failed", "aground", 1)
    assert "test message: delivered" in shop.run("test", "beacon", "--to", "ann").out


@pytest.mark.req("GRE-64.5")
def test_the_persons_file_stays_letter_for_letter_around_the_table(shop: Harbour) -> None:
    shop.file.chmod(0o640)
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    assert shop.file.read_text() == f'{FILE}\n[tenants.acme.beacon]\nharbour = "kiel"\n'
    assert stat.S_IMODE(shop.file.stat().st_mode) == 0o640
    shop.run("update", "beacon", "--answers", "-", text='{"harbour": "bremen", "colour": "red"}')
    assert shop.file.read_text() == f'{FILE}\n[tenants.acme.beacon]\nharbour = "bremen"\ncolour = "red"\n'
    with shop.file.open("a") as file:
        file.write("# the old ones\n[tenants.old]\n")
    assert shop.run("remove", "beacon", "--yes").error is None
    assert shop.file.read_text() == f"{FILE}\n# the old ones\n[tenants.old]\n"


@pytest.mark.req("GRE-64.6")
def test_a_secret_stands_in_no_file_and_is_not_said_again(shop: Harbour) -> None:
    done = shop.add("beacon", "--public-url", URL, "--emit-answers", "given.json", harbour="kiel", secret=TOKEN)
    more = [
        shop.run(*words) for words in (["list"], ["doctor"], ["test", "beacon"], ["update", "beacon", "--answers", "-"])
    ]
    told = "".join(each.out + each.err + str(each.error) for each in (done, *more))
    assert TOKEN not in told
    assert TOKEN.encode() not in everything(shop)
    assert json.loads((shop.root / "given.json").read_text())["secret"] == "secret:beacon-secret"
    assert stat.S_IMODE((shop.root / "given.json").stat().st_mode) == 0o600


@pytest.mark.req("GRE-64.7")
def test_adding_it_again_changes_nothing_and_another_of_its_name_is_refused(shop: Harbour) -> None:
    shop.add("beacon", "--public-url", URL, harbour="kiel", secret=TOKEN)
    before = shop.file.read_text()
    again = shop.add("beacon", "--public-url", URL, "--json", harbour="kiel", secret=TOKEN)
    assert (again.error, again.data["changed"], shop.file.read_text()) == (None, False, before)
    shop.file.write_text(before := before.replace('"kiel"', '"kiel"\nenv = "dev"  # as if it said so'))
    assert shop.add("beacon", harbour="kiel", secret=TOKEN).error is None
    assert shop.file.read_text() == before
    other = shop.add("beacon", harbour="bremen", secret=TOKEN)
    assert other.error is not None
    assert (other.error.code, other.code, shop.file.read_text()) == ("channel_exists", 3, before)
    assert shop.add("beacon", "--name", "north", harbour="bremen", secret=TOKEN).error is None
    assert tables(shop)["north"] == {"kind": "beacon", "harbour": "bremen", "secret": "secret:north-secret"}


@pytest.mark.req("GRE-64.8")
@pytest.mark.parametrize(
    ("answers", "code", "place"),
    [
        ({"secret": TOKEN}, "answer_missing", "/harbour"),
        ({"harbour": "Kiel!", "secret": TOKEN}, "answer_wrong", "/harbour"),
        ({"harbour": "kiel", "secret": "not a token of the harbour master"}, "answer_wrong", "/secret"),
        ({"harbour": "kiel", "secret": TOKEN, "colour": "green"}, "answer_wrong", "/colour"),
        ({"harbour": ["kiel", "bremen"], "secret": TOKEN}, "answer_wrong", "/harbour"),
        ({"harbour": "kiel", "secret": TOKEN, "seconds": "1234"}, "answer_wrong", "/seconds"),
        ({"harbour": "kiel", "secret": TOKEN, "api_base_url": 7}, "answer_wrong", "/api_base_url"),
        ({"harbour": "kiel", "secret": TOKEN, "a/b~c": "x"}, "answer_unknown", "/a~1b~0c"),
        ({"harbour": "kiel", "secret": TOKEN, "env": "prod"}, "answer_unknown", "/env"),
        ({"harbour": "kiel", "secret": TOKEN, "public_base_url": "http://x"}, "answer_wrong", "/public_base_url"),
    ],
)
def test_a_wrong_answer_is_named_by_its_json_pointer_and_nothing_is_changed(
    shop: Harbour, answers: dict[str, Any], code: str, place: str
) -> None:
    done = shop.add("beacon", **answers)
    assert done.error is not None
    assert (done.error.code, done.error.place, done.code) == (code, place, 2)
    assert "of the harbour master" not in f"{done.error} {done.error.next_step}{done.out}{done.err}"
    assert shop.file.read_text() == FILE
    assert not (shop.root / ".lichen").exists()


@pytest.mark.req("GRE-64.8")
@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100_000, json.dumps({"harbour": "k" * 70_000})])
def test_a_document_that_is_none_is_refused(shop: Harbour, text: str) -> None:
    done = shop.run("add", "beacon", "--answers", "-", text=text)
    assert done.error is not None
    assert done.error.code == "answers_invalid"


@pytest.mark.req("GRE-64.15")
def test_a_platform_that_refuses_what_is_added_leaves_nothing_unless_it_is_added_anyway(shop: Harbour) -> None:
    done = shop.add("beacon", "--public-url", URL, harbour="kiel", secret=WRONG)
    assert done.error is not None
    assert (done.error.code, shop.file.read_text(), shop.platform) == ("credentials_refused", FILE, None)
    assert "Nothing was changed; --anyway" in done.error.next_step
    assert WRONG not in f"{done.out}{done.err}{done.error}"
    assert "beacon-secret" not in kept(shop)
    late = shop.add("beacon", "--anyway", harbour="kiel", secret=WRONG)
    assert (late.error, "credentials_refused" in late.err, "beacon" in tables(shop)) == (None, True, True)


@pytest.mark.req("GRE-64.15")
def test_what_the_platform_does_not_take_replaces_nothing_that_works(shop: Harbour) -> None:
    shop.add("beacon", "--public-url", URL, harbour="kiel", secret=TOKEN)
    before = kept(shop)
    for answers in ({"secret": WRONG}, {"secret": WRONG, "harbour": "bremen"}, {"secret": "secret:nobody"}):
        done = shop.run("update", "beacon", "--answers", "-", text=json.dumps(answers))
        assert done.error is not None
        assert done.error.code in ("credentials_refused", "channel_secret_missing")
        assert (tables(shop)["beacon"], kept(shop)) == ({"harbour": "kiel"}, before)
        assert shop.run("test", "beacon", "--json").data["said"] == "harbour kiel"
    assert shop.run("update", "beacon", "--answers", "-", "--anyway", text=json.dumps({"secret": WRONG})).error is None
    assert shop.run("test", "beacon").error is not None


def kept(shop: Harbour) -> dict[str, str]:
    """The version of every secret that is kept."""
    done = CliRunner().invoke(app, ["secrets", "list", "--json", "--tenant", "acme", "--env", "dev"])
    return {each["name"]: each["version"] for each in json.loads(done.stdout) if each["version"]}


class Killed(BaseException):
    """Stands for the death of the process."""


@pytest.mark.req("GRE-64.16")
@pytest.mark.parametrize("dies_at", [3, 4, 5, 6, 7, 99])  # before each secret, the file, what follows; and never
def test_an_update_is_in_force_whole_or_not_at_all_wherever_it_is_ended(
    shop: Harbour, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    spare, owner = "beacon-5a5a", Connection(locate()).own()
    try:
        updated_but_ended(shop, monkeypatch, dies_at, spare)
    finally:
        owner.leave()


def updated_but_ended(shop: Harbour, monkeypatch: pytest.MonkeyPatch, dies_at: int, spare: str) -> None:
    shop.add("beacon", "--public-url", URL, harbour="kiel", secret=TOKEN, secrets=spare)
    old = referred(shop)
    answers = {"harbour": "bremen", "secret": f"{TOKEN}00", "secrets": f"{spare}00"}
    with monkeypatch.context() as patched:
        steps = dying(patched, dies_at)
        try:
            shop.run("update", "beacon", "--answers", "-", text=json.dumps(answers))
        except Killed:
            assert len(steps) == dies_at
        else:
            assert steps == ["mark", "mark", "candidate", "secrets", "secrets", "put", "reload", "remove", "remove"]
    now = referred(shop)
    if now["harbour"] == "kiel":
        assert now == old
    else:
        assert now["harbour"] == "bremen"
        assert all(now[key] and now[key] != old[key] for key in ("secret", "secrets"))
    assert shop.run("test", "beacon").error is None
    needed, found = {now["names"], now["more"]}, set(kept(shop))
    told = [each["mend"] for each in shop.run("doctor", "--json").data if each["state"] == "warning"]
    assert all(any(f"remove {name} " in each for each in told) for name in found - needed)
    again = shop.run("update", "beacon", "--answers", "-", text=json.dumps(answers))
    assert (again.error, tables(shop)["beacon"]["harbour"]) == (None, "bremen")


def referred(shop: Harbour) -> dict[str, str]:
    """What the table says, and the versions of the secrets that it refers to."""
    table, found = tables(shop)["beacon"], kept(shop)
    names = table.get("secret", "secret:beacon-secret"), table["secrets"][0]
    first, more = (each.removeprefix("secret:") for each in names)
    return {"harbour": table["harbour"], "secret": found[first], "secrets": found[more], "names": first, "more": more}


def dying(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Has the process die before the step of this number: of what it asks of the runtime, and of the file's change."""
    steps: list[str] = []

    def step(do: Any) -> Any:
        def done(self: Any, *given: Any) -> Any:
            if len(steps) == at:
                raise Killed
            steps.append(given[0].rpartition("/")[2] if given else "put")
            return do(self, *given)

        return done

    monkeypatch.setattr(Client, "post", step(Client.post))
    monkeypatch.setattr(Draft, "put", step(Draft.put))
    return steps


@pytest.mark.req("GRE-64.16")
def test_a_new_file_that_a_death_left_beside_the_old_one_is_told_and_in_nobodys_way(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    (shop.root / ".lichen.toml.new").write_text("half of")
    assert any(".lichen.toml.new" in each["what"] for each in shop.run("doctor", "--json").data)
    assert shop.run("update", "beacon", "--answers", "-", text='{"harbour": "bremen"}').error is None
    assert not (shop.root / ".lichen.toml.new").exists()


@pytest.mark.req("GRE-64.17")
def test_a_secret_that_is_kept_already_is_not_replaced_unasked(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    before = kept(shop)
    other = shop.add("lamp", harbour="kiel", secret="secret:beacon-secret")  # the same one
    assert other.error is None
    shop.run("remove", "beacon", "--yes")
    done = shop.add("beacon", harbour="kiel", secret=f"{TOKEN}00")
    assert done.error is not None
    assert (done.error.code, "beacon" in tables(shop), kept(shop)) == ("secret_exists", False, before)
    assert "lamp would be handed the new one" in done.error.message
    assert ('"secret:beacon-secret"' in done.error.next_step, "--yes" in done.error.next_step) == (True, True)
    assert TOKEN not in f"{done.out}{done.err}{done.error}{done.error.next_step}"
    assert shop.add("beacon", harbour="kiel", secret=TOKEN).error is None  # the same value is no other
    assert kept(shop) == before
    shop.run("remove", "beacon", "--yes")
    agreed = shop.add("beacon", "--yes", harbour="kiel", secret=f"{TOKEN}00")
    assert (agreed.error, "lamp is handed beacon-secret, too" in agreed.err) == (None, True)
    assert "secret beacon-secret is replaced" in agreed.out
    assert kept(shop) != before


@pytest.mark.req("GRE-64.9")
def test_removing_names_the_routes_that_nothing_comes_by_any_more(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    with shop.file.open("a") as file:
        file.write('[[tenants.acme.routes]]\nchannel = "beacon"\nagent = "shop.echo"\n')
    at = shop.file.read_text().splitlines().index('channel = "beacon"')
    done = shop.run("remove", "beacon", "--yes")
    assert f"lichen.toml:{at}: tenants.acme.routes[0]" in done.err
    assert "its secrets are kept still: beacon-secret" in done.out


@pytest.mark.req("GRE-64.18")
def test_a_list_says_what_is_wrong_with_the_file_and_where(shop: Harbour) -> None:
    shop.add("dummy", secret="between us")
    with shop.file.open("a") as file:
        file.write('[tenants.acme.beacon]\nharbour = "Kiel!"\n[tenants.acme.beacn]\n')
    lines = shop.file.read_text().splitlines()
    done = shop.run("list", "--json")
    assert {each["name"]: each["state"] for each in done.data} == {
        "dummy": "not asked",
        "beacon": "settings_invalid",
        "beacn": "channel_unknown",
    }
    said = "".join(done.err.split())
    wrong = lines.index('harbour = "Kiel!"') + 1
    assert f"lichen.toml:{wrong}:tenants.acme.beacon.harbour" in said
    assert f"lichen.toml:{lines.index('[tenants.acme.beacn]') + 1}:tenants.acme.beacn" in said
    assert done.code == 1


@pytest.mark.req("GRE-64.7")
def test_a_secret_that_cannot_be_kept_leaves_the_file_as_it_was(shop: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    post = Client.post

    def refusing(self: Client, path: str, *given: Any, **more: Any) -> Any:
        if path.startswith("secrets"):
            raise Unavailable("The store is away.", code="secret_store_unavailable")
        return post(self, path, *given, **more)

    monkeypatch.setattr(Client, "post", refusing)
    done = shop.add("beacon", harbour="kiel", secret=TOKEN)
    assert done.error is not None
    assert (done.error.code, shop.file.read_text(), "done:" in done.err) == ("secret_store_unavailable", FILE, False)


@pytest.mark.req("GRE-64.9")
def test_removing_tells_the_platform_and_says_which_secrets_stay(shop: Harbour) -> None:
    shop.add("beacon", "--public-url", URL, harbour="kiel", secret=TOKEN)
    asked = shop.run("remove", "beacon")
    assert asked.error is not None
    assert (asked.error.code, "beacon" in tables(shop)) == ("answers_needed", True)
    done = shop.run("remove", "beacon", "--yes", "--json")
    assert (done.data["said"], "beacon-secret" in done.data["kept"]) == (["The beacon points nowhere."], True)
    assert (shop.file.read_text(), shop.platform) == (FILE, None)
    shop.add("beacon", harbour="kiel", secret="secret:beacon-secret")  # which is still there
    assert shop.run("test", "beacon").error is None
    forgotten = shop.run("remove", "beacon", "--yes", "--with-secrets", "--json")
    assert "beacon-secret" in forgotten.data["forgotten"]
    shop.add("beacon", harbour="kiel", secret="secret:beacon-secret")
    gone = shop.run("test", "beacon").error
    assert gone is not None
    assert gone.code == "channel_secret_missing"


@pytest.mark.req("GRE-64.9")
def test_a_secret_that_another_channel_uses_is_not_forgotten_with_this_one(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    shop.add("beacon", "--name", "north", harbour="kiel", secret="secret:beacon-secret")
    done = shop.run("remove", "north", "--yes", "--with-secrets", "--json")
    assert "beacon-secret" not in (*done.data["forgotten"], *done.data["kept"])
    assert shop.run("test", "beacon").error is None


@pytest.mark.req("GRE-64.9")
def test_a_platform_that_cannot_be_told_keeps_its_channel_unless_it_is_removed_anyway(shop: Harbour) -> None:
    shop.add("beacon", "--anyway", harbour="kiel", secret=WRONG)
    done = shop.run("remove", "beacon", "--yes")
    assert done.error is not None
    assert (done.error.code, "beacon" in tables(shop)) == ("credentials_refused", True)
    assert shop.run("remove", "beacon", "--yes", "--anyway").error is None
    assert shop.file.read_text() == FILE


@pytest.mark.req("GRE-64.4")
def test_what_a_person_has_to_click_is_said_with_the_address(shop: Harbour) -> None:
    done = shop.add("dummy", "--public-url", URL, secret="between us of nobody else")
    assert f"1. Post signed JSON to {URL}/v1/messaging/ingress/dummy/acme." in done.out
    assert "of nobody else" not in done.out + done.err


@pytest.mark.req("GRE-64.4")
def test_a_dry_run_says_what_it_would_do_and_does_nothing(shop: Harbour) -> None:
    done = shop.add("beacon", "--public-url", URL, "--dry-run", harbour="kiel", secret=TOKEN, colour="red")
    assert '[tenants.acme.beacon]\nharbour = "kiel"\ncolour = "red"' in done.out
    assert "secret beacon-secret would be kept" in done.out
    assert (shop.file.read_text(), shop.platform, (shop.root / ".lichen").exists()) == (FILE, None, False)


@pytest.mark.req("GRE-64.10")
def test_doctor_names_the_secret_that_is_missing_and_what_the_platform_refuses(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret="secret:other")
    shop.add("dummy", secret="between us")
    done = shop.run("doctor", "--json")
    assert done.code == 1
    mends = [each["mend"] for each in done.data if each["channel"] == "acme/beacon"]
    assert "lichen secrets set other --tenant acme --env dev" in mends
    assert [each["state"] for each in done.data if each["channel"] == "acme/dummy"] == ["ok"]
    whole = [each for each in examined_whole(shop) if each["check"] == "channels"]
    assert [each["state"] for each in whole] == ["problem", "ok"]
    assert whole[0]["mend"] == "lichen secrets set other --tenant acme --env dev"
    shop.file.write_text(shop.file.read_text() + "[tenants.acme.beacn]\n")
    assert any("beacn" in each["what"] for each in shop.run("doctor", "--json").data)


def examined_whole(shop: Harbour) -> list[dict[str, str]]:
    """What `lichen doctor` finds."""
    return json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)


@pytest.mark.req("GRE-64.10")
@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        (401, b'{"error": {"code": "signature_missing"}}', "ok", "reaches us"),
        (404, b'{"error": {"code": "channel_unknown"}}', "problem", "does not have this channel"),
        (502, b"<html>Bad gateway</html>", "problem", "answered by something else (status 502)"),
        (200, b"[" * 100_000, "problem", "answered by something else"),
        (200, b'{"error": "no"}', "problem", "answered by something else"),
    ],
)
def test_doctor_knows_from_an_answer_whether_the_world_reaches_us(
    status: int, body: bytes, state: str, words: str
) -> None:
    found = arrived("acme/beacon", WEBHOOK, status, body)
    assert (found.state, words in found.what) == (state, True)


@pytest.mark.req("GRE-64.19")
def test_doctor_names_a_platform_that_sends_nowhere_elsewhere_or_in_vain(shop: Harbour) -> None:
    shop.add("beacon", harbour="kiel", secret=TOKEN)
    mend = "lichen channel update beacon --public-url https://HOST"
    for known, words in (
        (None, "sends nowhere"),
        ({"webhook": "https://old.example/hook"}, f"sends to https://old.example/hook, which is not {WEBHOOK[20:]}"),
        ({"webhook": WEBHOOK, "trouble": ["Wrong response: 403 Forbidden"]}, "says: Wrong response: 403 Forbidden"),
        ({"webhook": WEBHOOK}, ""),
    ):
        if known is not None:
            (shop.root / "platform.json").write_text(json.dumps(known))
        found = [each for each in shop.run("doctor", "--json").data if each["state"] == "problem"]
        assert [(words in each["what"], each["mend"]) for each in found] == [(True, mend)] * bool(words)


@pytest.mark.req("GRE-64.10")
def test_doctor_tells_how_far_two_clocks_are_apart() -> None:
    assert skew_of("Thu, 01 Jan 1970 00:10:00 GMT", 590.0) == 10.0
    assert skew_of("Thu, 01 Jan 1970 00:10:00 GMT", 1_000.0) == 400.0
    assert skew_of("yesterday", 5.0) == 0.0


@pytest.mark.req("GRE-64.11")
@pytest.mark.parametrize(
    "words", [["add", "pigeon"], ["add", "webchat"], ["test", "beacon"], ["update", "beacon"], ["remove", "beacon"]]
)
def test_what_is_not_there_is_said_to_be_not_there(shop: Harbour, words: list[str]) -> None:
    done = shop.run(*words)
    assert done.error is not None
    assert done.code == 4
    assert shop.run("add", "beacon").error.code == "answers_needed"  # type: ignore[union-attr]


# -- at a terminal, and over a running server --------------------------------------------------------------------


@pytest.mark.req("GRE-64.13")
def test_a_person_is_asked_again_after_a_wrong_answer_and_what_is_secret_is_typed_unseen(shop: Harbour) -> None:
    typed = ["Kiel 5", "kiel", "beacon-WRONG", TOKEN, "", "", ""]
    shown, code = at_terminal(shop, ["channel", "add", "beacon", "--public-url", URL], typed)
    assert code == 0, shown
    assert "As the harbour master spells it." in shown
    assert shown.count("does not look like that") == 2
    assert TOKEN not in shown
    assert tables(shop)["beacon"] == {"harbour": "kiel"}
    assert shop.platform == {"webhook": WEBHOOK}
    shown, code = at_terminal(shop, ["channel", "update", "beacon", "harbour"], ["bremen"])
    assert (code, "(kiel)" in shown) == (0, True), shown
    assert tables(shop)["beacon"] == {"harbour": "bremen"}
    shown, code = at_terminal(shop, ["channel", "add", "beacon", "--name", "beacon"], ["bremen", "", "", "", ""])
    assert (code, "Token (Enter leaves it as it is)" in shown) == (0, True), shown
    shown, code = at_terminal(shop, ["channel", "remove", "beacon"], ["n"])
    assert (code, "beacon" in tables(shop)) == (1, True)


def at_terminal(shop: Harbour, words: list[str], typed: list[str]) -> tuple[str, int]:
    """A command at a terminal of its own, each line typed once it waits for one; what the terminal shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shop.root)
        environ = {**os.environ, "PYTHONPATH": str(shop.root.parent / "site"), "TERM": "dumb", "NO_COLOR": "1"}
        os.execve(LICHEN[0], [*LICHEN, *words], environ)
    shown, left = b"", list(typed)
    try:
        while chunk := _read(terminal, shown):
            shown += chunk
            if left and shown.rstrip(b" ").endswith(b":"):
                os.write(terminal, f"{left.pop(0)}\n".encode())
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return shown.decode(), os.waitstatus_to_exitcode(status)


def _read(terminal: int, shown: bytes) -> bytes:
    ready, _, _ = select.select([terminal], [], [], DEADLINE_S)
    assert ready, shown.decode()
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is gone
        return b""


@pytest.mark.req("GRE-64.14")
def test_over_a_running_server_a_channel_is_added_in_force_at_once_and_removed(shop: Harbour) -> None:
    owner = Connection(locate()).own()
    try:
        done = shop.add("beacon", "--public-url", URL, "--json", harbour="kiel", secret=TOKEN)
        assert (done.error, done.data["in_force"], shop.platform) == (None, True, {"webhook": WEBHOOK})
        assert shop.run("list", "--json").data[0]["state"] == "ok"
        late = shop.add("lamp", harbour="kiel", secret=TOKEN)
        assert "only when it is started again" in late.err
        states = {each["name"]: each["state"] for each in shop.run("list", "--json").data}
        assert states == {"beacon": "ok", "lamp": "after a restart"}
        assert shop.run("remove", "beacon", "--yes").error is None
        assert shop.platform is None
    finally:
        owner.leave()
