"""The files that start a demo or a bundle, read as the `lichen.toml` that stands for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lichen.core.words.errors import LichenError
from lichen.settings.bundles.finding import started_by, started_here
from lichen.settings.origins.origins import origins
from lichen.settings.reading import Read, read

DEMO = """\
tenant: acme
team: default
services:
  nats:
    enabled: true
    url: nats://127.0.0.1:4222
    spawn:
      enabled: true
      binary: nats-server
      args: ["-p", "4222", "-js"]
  gateway:
    listen_addr: 127.0.0.2
    port: 9090
  subscriptions:
    mode: universal_ops
    universal:
      renew_interval_seconds: 60
      renew_skew_minutes: 10
      desired: []
    msgraph:
      enabled: false
  events:
    enabled: auto
providers:
  messaging-webchat:
    pack: providers/messaging/messaging-webchat.gtpack
    setup_flow: setup_default
  messaging-telegram:
    pack: providers/messaging/messaging-telegram.gtpack
  fax: {}
"""
ROOT = """\
schema_version: 1
bundle_id: shop
bundle_name: The shop
locale: de
app_packs: [packs/desk.gtpack]
hooks: [hook.x]
telemetry:
  enabled: true
  exporter: otlp-grpc
  endpoint: http://127.0.0.1:4317
"""


def _written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _read(folder: Path, name: str, **environ: str) -> Read:
    return read(folder / name, environ=environ)


def _told(errors: tuple[LichenError, ...], folder: Path) -> list[tuple[str, str]]:
    return [(each.code, (each.place or "").removeprefix(f"{folder}/")) for each in errors]


@pytest.mark.req("GRE-71.1")
def test_a_demo_file_says_whom_is_served_where_and_on_which_channels(tmp_path: Path) -> None:
    _written(tmp_path, {"greentic.demo.yaml": DEMO, "packs/desk.gtpack": "", "packs/own/pack.yaml": ""})
    found = _read(tmp_path, "greentic.demo.yaml")
    assert found.errors == ()
    settings = found.settings
    assert settings is not None
    assert (settings.serve.host, settings.serve.port) == ("127.0.0.2", 9090)
    assert settings.parts.packs == ("packs/desk.gtpack", "packs/own")
    assert [(scope.tenant, scope.env) for scope in settings.scopes] == [("acme", "local")]
    webchat = settings.tenants["acme"].webchat
    assert webchat is not None
    assert webchat.env == "local"
    assert settings.packs.trust == ()
    assert settings.tenants["acme"].development == ()


@pytest.mark.req("GRE-71.1")
def test_what_stands_for_nothing_here_is_told_by_its_line(tmp_path: Path) -> None:
    _written(tmp_path, {"greentic.demo.yaml": DEMO, "greentic.yaml": "webchat:\n  notifier:\n    backend: redis\n"})
    _written(tmp_path, {"state/setup/telegram.json": "{}"})
    assert _told(_read(tmp_path, "greentic.demo.yaml").warnings, tmp_path) == [
        ("bundle_ignored", "greentic.demo.yaml:4:3#/services/nats"),
        ("bundle_ignored", "greentic.demo.yaml:14:3#/services/subscriptions"),
        ("bundle_ignored", "greentic.demo.yaml:22:3#/services/events"),
        ("bundle_provider_unset", "greentic.demo.yaml:28"),
        ("bundle_provider_unknown", "greentic.demo.yaml:30"),
        ("bundle_ignored", "greentic.yaml:2:3#/webchat/notifier"),
        ("bundle_setup_unused", "state/setup/telegram.json"),
    ]


@pytest.mark.req("GRE-71.2")
def test_every_mistake_in_a_demo_file_is_named_with_its_line(tmp_path: Path) -> None:
    text = DEMO.replace("port: 9090", "port: 99999").replace("tenant: acme", "tennant: acme")
    _written(tmp_path, {"greentic.demo.yaml": text.replace("mode: universal_ops", "mode: magic")})
    found = _read(tmp_path, "greentic.demo.yaml")
    assert ("bundle_words", "greentic.demo.yaml:1:1#/tennant") in _told(found.errors, tmp_path)
    assert ("bundle_words", "greentic.demo.yaml:13:5#/services/gateway/port") in _told(found.errors, tmp_path)
    assert ("bundle_words", "greentic.demo.yaml:15:5#/services/subscriptions/mode") in _told(found.errors, tmp_path)
    (wrong,) = (each for each in found.errors if "tennant" in each.message)
    assert "'tenant'" in wrong.next_step


@pytest.mark.req("GRE-71.3")
def test_files_are_looked_for_in_the_order_of_upstream(tmp_path: Path) -> None:
    names = ["greentic.demo.yaml", "greentic.operator.yaml", "demo/demo.yaml", "bundle.yaml"]
    _written(tmp_path, dict.fromkeys((*names, "resolved/a.yaml"), ""))
    for name in names:
        assert started_by(tmp_path) == tmp_path / name
        (tmp_path / name).unlink()
    assert started_by(tmp_path) is None
    _written(tmp_path, dict.fromkeys(names, ""))
    for name in ("demo/demo.yaml", "greentic.operator.yaml", "greentic.demo.yaml", "bundle.yaml"):
        assert started_here(tmp_path) == tmp_path / name
        (tmp_path / name).unlink()
    _written(tmp_path / "bare", {"bundle.yaml": ROOT})
    assert started_here(tmp_path / "bare") is None


@pytest.mark.req("GRE-71.3")
def test_the_folder_of_a_demo_is_where_its_packs_lie(tmp_path: Path) -> None:
    _written(tmp_path, {"demo/demo.yaml": "tenant: acme\n", "packs/desk.gtpack": ""})
    found = _read(tmp_path, "demo/demo.yaml")
    assert found.settings is not None
    assert (found.settings.root, found.settings.parts.packs) == (tmp_path, ("packs/desk.gtpack",))
    _written(tmp_path, {"demo/packs/own.gtpack": ""})
    inner = _read(tmp_path, "demo/demo.yaml")
    assert inner.settings is not None
    assert (inner.settings.root, inner.settings.parts.packs) == (tmp_path / "demo", ("packs/own.gtpack",))


@pytest.mark.req("GRE-71.1")
def test_a_bundle_serves_its_tenants_in_its_language(tmp_path: Path) -> None:
    files = {"bundle.yaml": ROOT, "packs/desk.gtpack": "", "tenants/acme/tenant.gmap": "_ = public\n"}
    _written(tmp_path, {**files, "tenants/bravo/tenant.gmap": "# all\n_ = public\ndesk = public\n"})
    found = _read(tmp_path, "bundle.yaml", GREENTIC_ENV="dev")
    assert found.errors == ()
    assert found.settings is not None
    assert list(found.settings.tenants) == ["acme", "bravo"]
    assert found.settings.tenants["bravo"].environments == ("dev",)
    assert found.settings.tenants["bravo"].languages == ("de", "en")
    assert _told(found.warnings, tmp_path) == [
        ("bundle_ignored", "bundle.yaml:6:1#/hooks"),
        ("bundle_ignored", "bundle.yaml:7:1#/telemetry"),
    ]


@pytest.mark.req("GRE-71.8")
def test_rules_of_tenants_and_teams_are_those_of_the_bundle(tmp_path: Path) -> None:
    rules = {"tenants/acme/tenant.gmap": "_ = forbidden\n", "tenants/acme/teams/sales/team.gmap": "desk = public\n"}
    text = ROOT.replace("hooks: [hook.x]", "tenant: acme\nteam: sales\nproviders: {webchat: {}}")
    _written(tmp_path / "shop", {"bundle.yaml": text, "packs/desk.gtpack": "", **rules})
    _written(tmp_path, {"lichen.toml": '[lichen]\nbundle = "shop"\n'})
    for folder, before in ((tmp_path / "shop", ""), (tmp_path, "shop/")):
        found = _read(folder, "bundle.yaml" if not before else "lichen.toml")
        assert found.errors == ()
        assert found.settings is not None
        acme = found.settings.tenants["acme"]
        assert (acme.access, list(acme.team)) == (f"{before}tenants/acme/tenant.gmap", ["sales"])
        assert acme.team["sales"].access == f"{before}tenants/acme/teams/sales/team.gmap"
        assert acme.webchat is not None
        assert acme.webchat.team == "sales"


@pytest.mark.req("GRE-71.4")
@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"tenants/acme/teams/No Team/team.gmap": "_ = forbidden\n"},
            ("settings_invalid", "tenants/acme/teams/No Team/team.gmap: tenants.acme.team"),
        ),
        (
            {"tenants/acme/packs/own.gtpack": "", "tenants/bravo/tenant.gmap": "_ = public"},
            ("bundle_pack_scoped", "tenants/acme/packs/own.gtpack"),
        ),
        ({"bundle.yaml": f"{ROOT}agent_packs: [1]\n"}, ("bundle_words", "bundle.yaml:11:1#/agent_packs")),
        (
            {"bundle.yaml": ROOT.replace("packs/desk.gtpack", "oci://r/gone:1")},
            ("bundle_pack_missing", "bundle.yaml:5:13#/app_packs/0"),
        ),
    ],
)
def test_what_would_let_somebody_do_more_or_be_left_out_is_refused(
    tmp_path: Path, files: Mapping[str, str], told: tuple[str, str]
) -> None:
    _written(tmp_path, {"bundle.yaml": ROOT, "packs/desk.gtpack": "", **files})
    assert told in _told(_read(tmp_path, "bundle.yaml").errors, tmp_path)


@pytest.mark.req("GRE-71.5")
def test_each_value_is_explained_with_the_line_that_it_stands_for(tmp_path: Path) -> None:
    _written(tmp_path, {"greentic.demo.yaml": DEMO})
    file = tmp_path / "greentic.demo.yaml"
    found = {each.key: each for each in origins(file, environ={"LICHEN_PORT": "1"})}
    assert (found["serve.host"].kind, found["serve.host"].place) == ("bundle", f"{file}:12")
    assert (found["serve.port"].value, found["serve.port"].place) == (1, "LICHEN_PORT")
    assert found["tenants.acme.webchat.env"].place == f"{file}:25"


@pytest.mark.req("GRE-71.6")
def test_a_lichen_toml_stands_above_the_bundle_that_it_names(tmp_path: Path) -> None:
    _written(tmp_path / "shop", {"greentic.demo.yaml": DEMO, "packs/desk.gtpack": ""})
    text = '[lichen]\nbundle = "shop"\n[serve]\nport = 7\n[tenants.acme]\ndevelopment = ["local"]\n'
    _written(tmp_path, {"lichen.toml": text})
    found = _read(tmp_path, "lichen.toml")
    assert found.errors == ()
    assert found.settings is not None
    assert (found.settings.serve.host, found.settings.serve.port) == ("127.0.0.2", 7)
    assert found.settings.parts.packs == ("shop/packs/desk.gtpack",)
    assert found.settings.tenants["acme"].development == ("local",)
    kinds = {each.key: each.place for each in origins(tmp_path / "lichen.toml", environ={})}
    assert kinds["serve.port"] == f"{tmp_path}/lichen.toml:4"
    assert kinds["serve.host"] == f"{tmp_path}/shop/greentic.demo.yaml:12"


@pytest.mark.req("GRE-71.6")
def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    _written(tmp_path, {"lichen.toml": '[lichen]\nagents = []\nbundle = "shop"\n[tenants.acme]\n'})
    (error,) = _read(tmp_path, "lichen.toml").errors
    assert (error.code, error.place) == ("bundle_missing", f"{tmp_path}/lichen.toml:3: lichen.bundle")
    (tmp_path / "shop").mkdir()
    (error,) = _read(tmp_path, "lichen.toml").errors
    assert error.code == "bundle_unopened"
