"""Who says a setting: a default gives way to the user's file, that to the project's, that to a variable."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import lichen
from lichen.core.words.errors import Invalid
from lichen.settings.layers.user import ALLOWED, user_file
from lichen.settings.layers.variables import VARIABLES
from lichen.settings.origins.origins import Origin, origins
from lichen.settings.reading import Read, read
from tests.cli.projects import Project

PROJECT = """\
[lichen]
agents = []

[serve]
sockets = 9

[tenants.acme]
"""
USER = """\
[serve]
port = 8123
sockets = 8
connections = 7
"""


class Machine:
    """A project, and the user's own file beside it."""

    def __init__(self, root: Path) -> None:
        self.project, self.own = root / "lichen.toml", root / "config/lichen/config.toml"
        self.project.write_text(PROJECT)
        self.own.parent.mkdir(parents=True)
        self.own.write_text(USER)
        self.own.chmod(0o600)
        self.environ = {"XDG_CONFIG_HOME": str(root / "config")}

    def read(self, **environ: str) -> Read:
        return read(self.project, environ={**self.environ, **environ})

    def origins(self, **environ: str) -> dict[str, Origin]:
        found = origins(self.project, environ={**self.environ, **environ})
        return {each.key: each for each in found}

    def refused(self, **environ: str) -> Invalid:
        (error,) = self.read(**environ).errors
        return error


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.req("GRE-70.5")
def test_each_layer_is_over_the_one_below_and_says_where_it_is(machine: Machine) -> None:
    found = machine.origins(LICHEN_CONNECTIONS="5")
    assert found["serve.metrics_port"] == Origin("serve.metrics_port", None, "default")
    assert found["serve.port"] == Origin("serve.port", 8123, "user", f"{machine.own}:2")
    assert found["serve.sockets"] == Origin("serve.sockets", 9, "file", f"{machine.project}:5")
    assert found["serve.connections"] == Origin("serve.connections", 5, "variable", "LICHEN_CONNECTIONS")
    settings = machine.read(LICHEN_CONNECTIONS="5").settings
    assert settings is not None
    assert (settings.serve.port, settings.serve.sockets, settings.serve.connections) == (8123, 9, 5)


@pytest.mark.req("GRE-70.5")
def test_a_mistake_is_named_where_it_stands(machine: Machine) -> None:
    assert machine.refused(LICHEN_PORT="many").place == "LICHEN_PORT: serve.port"
    machine.own.write_text("[serve]\n\nport = 70000\n")
    assert machine.refused().place == f"{machine.own}:3: serve.port"
    machine.own.write_text("[serve\n")
    assert machine.refused().code == "settings_invalid"


@pytest.mark.req("GRE-70.6")
@pytest.mark.parametrize(
    "text",
    [
        '[tenants.evil]\npolicies = "mine"\n',
        '[[packs.trust]]\nname = "me"\nkey = "me.pem"\n',
        '[lichen]\ntools = ["evil.py:tool"]\n',
        '[serve]\ntrusted_proxies = ["0.0.0.0/0"]\n',
        '[serve.mcp]\nallow = ["runs"]\n',
        "x = 1\n",
    ],
)
def test_what_is_of_a_project_is_not_the_users_to_say(machine: Machine, text: str) -> None:
    machine.own.write_text(text)
    error = machine.refused()
    assert error.code == "user_setting_refused"
    assert error.place is not None
    assert error.place.startswith(f"{machine.own}:")


@pytest.mark.req("GRE-70.6")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_believed(machine: Machine, mode: int) -> None:
    machine.own.chmod(mode)
    assert machine.refused().code == "user_settings_unsafe"


@pytest.mark.req("GRE-70.6")
def test_a_file_of_somebody_else_is_not_believed(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives a file away")
    os.chown(machine.own, 12_345, 12_345)
    assert machine.refused().code == "user_settings_unsafe"


@pytest.mark.req("GRE-70.6")
def test_the_file_lies_where_the_specification_says(tmp_path: Path) -> None:
    assert user_file({}) is None
    assert user_file({"HOME": "/home/ann"}) == Path("/home/ann/.config/lichen/config.toml")
    assert user_file({"HOME": "/home/ann", "XDG_CONFIG_HOME": "relative"}) == Path(
        "/home/ann/.config/lichen/config.toml"
    )
    assert user_file({"HOME": "/home/ann", "XDG_CONFIG_HOME": "/etc/ann"}) == Path("/etc/ann/lichen/config.toml")
    (tmp_path / "lichen.toml").write_text(PROJECT)
    assert read(tmp_path / "lichen.toml", environ={"HOME": str(tmp_path)}).errors == ()


@pytest.mark.req("GRE-70.7")
def test_every_variable_that_the_code_names_is_in_the_table() -> None:
    known = {each.name for each in VARIABLES}
    source = Path(lichen.__file__).parent
    named = {
        name
        for each in source.rglob("*.py")
        for name in re.findall(r"(?<![A-Z_^])(?:LICHEN|GREENTIC)_[A-Z_]*[A-Z]\b", each.read_text(encoding="utf-8"))
    }
    assert named == {name for name in known if name.startswith(("LICHEN_", "GREENTIC_"))}


@pytest.mark.req("GRE-70.7")
def test_every_variable_of_a_setting_says_it(machine: Machine) -> None:
    given = {"LICHEN_HOME": "/data", "LICHEN_TOOLS_FLOOR": "jail", "LICHEN_HOST": "::1"}
    given |= {"LICHEN_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "LICHEN_BUNDLE": str(machine.project.parent / "shop")}
    _ = (machine.project.parent / "shop/tenants/acme").mkdir(parents=True)
    (machine.project.parent / "shop/bundle.yaml").write_text("bundle_id: shop\nbundle_name: Shop\n")
    given |= {each.name: "77" for each in VARIABLES if each.steps and each.name not in given}
    found = machine.origins(**given)
    assert {found[each.key].place for each in VARIABLES if each.steps} == set(given)
    assert found["serve.trusted_proxies"].value == ["10.0.0.0/8", "::1"]


@pytest.mark.req("GRE-70.6")
def test_the_file_may_say_only_settings_that_there_are(machine: Machine) -> None:
    known = set(machine.origins())
    assert {f"{table}.{name}" for table, names in ALLOWED.items() for name in names} <= known


@pytest.mark.req("GRE-70.5")
def test_the_command_explains_all_of_them(tmp_path: Path) -> None:
    machine, project = Machine(tmp_path), Project(tmp_path, {})
    told = project.run("config", "explain", "serve.port", XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert told.out.strip() == f"serve.port = 8123  ({machine.own}:2)"
