"""Manifests as their authors write them: the vectors of their specification, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments
from lichen.core.words.errors import Invalid
from lichen.tools.clad.commands import planned, values, words
from lichen.tools.clad.loading import command_tool
from lichen.tools.clad.manifest import Argument, CustomType, read_manifest
from lichen.tools.clad.scope import in_network, is_internal, is_named, read_scope
from lichen.tools.clad.values import Unfit, target_of, typed, written

VECTORS = Path(__file__).parent / "vectors"
SCHEMA = '[output]\nformat = "text"\nschema = { type = "object" }'


def vectors(name: str) -> dict[str, Any]:
    return msgspec.json.decode((VECTORS / name).read_bytes())


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in vectors(name)["cases"]]


def argv(manifest: str, args: dict[str, Any]) -> list[str]:
    """The words that a manifest makes of arguments. Its output has the schema that each needs here."""
    said = manifest.replace('[output]\nformat = "text"', SCHEMA)
    plan = planned(read_manifest(said.encode(), "case"), {}, "case")
    return list(words(plan, values(plan, args), {}))


@pytest.mark.req("SYM-67.1")
@pytest.mark.parametrize("case", cases("execution_vectors.json"))
def test_the_words_of_a_command_are_those_of_the_vectors(case: Any) -> None:
    if case["error"]:
        with pytest.raises((Invalid, InvalidArguments)):
            argv(case["manifest"], case["args"])
    else:
        assert argv(case["manifest"], case["args"]) == case["expected_argv"]


def fits(argument: Argument, value: str) -> bool:
    try:
        return written(typed(argument, {}), value) == value
    except Unfit:
        return False


@pytest.mark.req("SYM-67.2")
def test_scopes_hold_what_the_vectors_say() -> None:
    found = vectors("scope_vectors.json")["vectors"]
    for kind in ("ipv4_in_cidr", "ipv6_in_cidr"):
        for each in found[kind]:
            assert in_network(each["ip"], each["cidr"]) is each["expected"]
    names = found["hostname_wildcard_match"]
    assert [is_named(each["hostname"], each["pattern"]) for each in names] == [each["expected"] for each in names]
    targets = found["scope_target_validation"]
    assert [fits(Argument("scope_target"), each["value"]) for each in targets] == [each["valid"] for each in targets]
    for each in found["url_scope_check"]:
        host = target_of(Argument("url"), each["url"])
        assert any(is_named(host, allowed) for allowed in each["allowed_hosts"]) is each["expected"]


@pytest.mark.req("SYM-67.2")
@pytest.mark.parametrize("case", cases("path_vectors.json"))
def test_paths_are_those_of_the_vectors(case: Any) -> None:
    assert fits(Argument("path"), case["value"]) is not case["error"]


@pytest.mark.req("SYM-67.2")
@pytest.mark.parametrize("case", cases("literal_text_vectors.json"))
def test_literal_texts_are_those_of_the_vectors(case: Any) -> None:
    argument = Argument("literal_text", pattern=case["pattern"] or "")
    assert fits(argument, case["value"] * case["repeat"]) is not case["error"]


VALUES: list[tuple[Argument, str, str | None]] = [
    (Argument("integer", min=1, max=64), "64", "64"),
    (Argument("integer", min=1, max=64), "65", None),
    (Argument("integer", min=1, max=64, clamp=True), "65", "64"),
    (Argument("integer"), "9223372036854775808", None),
    (Argument("integer"), "1.5", None),
    (Argument("number", min_float=0.5), "0.25", None),
    (Argument("number"), "nan", None),
    (Argument("port"), "0", None),
    (Argument("port"), "65535", "65535"),
    (Argument("boolean"), "yes", None),
    (Argument("enum", allowed=("a",)), "A", None),
    (Argument("string"), "a; b", None),
    (Argument("string"), "a\nb", None),
    (Argument("string", pattern="^[a-z]+$"), "ABC", None),
    (Argument("url"), "https://example.com/a?b=1", "https://example.com/a?b=1"),
    (Argument("url"), "javascript:alert", None),
    (Argument("url"), "https://user@example.com/", None),
    (Argument("url", schemes=("https",)), "http://example.com/", None),
    (Argument("ip_address"), "fe80::1%eth0", None),
    (Argument("cidr"), "10.0.0.0/33", None),
    (Argument("cidr"), "10.0.0.0", None),
    (Argument("scope_target"), "xn--pypal-4ve.com", None),
    (Argument("scope_target"), "раypal.com", None),
    (Argument("duration"), "1h30m", "1h30m"),
    (Argument("duration"), "soon", None),
    (Argument("msf_options"), "set THREADS 10; SSL true", "set THREADS 10; SSL true"),
    (Argument("msf_options"), "set RHOSTS $(id)", None),
    (Argument("regex_match", pattern="^[a-z/]+$"), "a/b", "a/b"),
]


@pytest.mark.req("SYM-67.2")
@pytest.mark.parametrize(("argument", "value", "word"), VALUES)
def test_a_value_is_a_word_of_its_type_or_refused(argument: Argument, value: str, word: str | None) -> None:
    if word is not None:
        assert written(typed(argument, {}), value) == word
        return
    with pytest.raises(Unfit) as refused:
        written(typed(argument, {}), value)
    assert value not in str(refused.value) or len(value) < 4


def test_a_type_of_the_project_is_a_built_in_one_that_is_narrower() -> None:
    types = {"severity": CustomType("enum", allowed=("low", "high")), "few": CustomType("integer", max=3)}
    assert written(typed(Argument("severity"), types), "low") == "low"
    with pytest.raises(Unfit):
        written(typed(Argument("few"), types), 4)
    with pytest.raises(Unfit):
        typed(Argument("nothing"), types)


@pytest.mark.req("SYM-67.2")
def test_a_scope_leaves_out_what_it_excludes_and_what_is_larger_than_it() -> None:
    scope = read_scope(
        b'[scope]\ntargets = ["10.0.1.0/24"]\ndomains = ["*.example.com"]\nexclude = ["10.0.1.1", "db.example.com"]',
        "s",
    )
    held = (
        "10.0.1.5",
        "10.0.1.128/25",
        "a.example.com",
        "10.0.1.1",
        "10.0.1.0/24",
        "10.0.0.0/8",
        "db.example.com",
        "b.org",
    )
    assert [scope.holds(each) for each in held] == [True, True, True, False, False, False, False, False]
    assert is_internal("169.254.169.254")
    assert is_internal("localhost")
    assert not is_internal("example.com")


BASE = """
[tool]
name = "find"
version = "1.0.0"
binary = "find"
description = "Finds."

[args.where]
type = "string"

[command]
exec = ["find", "{where}"]

[output]
schema = { type = "object" }
"""
WRONG = [
    (BASE + '[http]\nurl = "https://example.com"\n', "manifest_invalid", "several of"),
    (BASE + '[mcp]\nserver = "x"\ntool = "y"\n', "manifest_invalid", "several of"),
    (BASE + "[browser]\n", "manifest_unsupported", r"\[browser\]"),
    (BASE.replace('version = "1.0.0"', 'version = "1.0.0"\nmode = "session"'), "manifest_invalid", "go together"),
    (BASE.replace('exec = ["find", "{where}"]', 'executor = "x.sh"'), "manifest_unsupported", "executor"),
    (BASE.replace("schema =", 'parser = "x.py"\nschema ='), "manifest_unsupported", "parser"),
    (BASE.replace('{ type = "object" }', "{}"), "manifest_invalid", "output.schema"),
    (BASE.replace("{where}", "{there}"), "manifest_invalid", "nothing is called 'there'"),
    (BASE.replace('"find", "{where}"', '"{where}"'), "manifest_invalid", "not written out"),
    (BASE.replace('"find", "{where}"', '"sh", "{where}"'), "manifest_invalid", "another program"),
    (BASE.replace("{where}", "{_secret:key}"), "manifest_invalid", "no word of a command"),
    (BASE.replace('type = "string"', 'type = "string"\npattern = "(a+)+b"'), "manifest_invalid", "pattern"),
    (BASE.replace('type = "string"', 'type = "stringy"'), "manifest_invalid", "no type"),
    (BASE.replace('type = "string"', 'type = "string"\nsanitise = ["injection"]'), "manifest_invalid", "sanitise"),
    (BASE.replace('type = "string"', 'type = "cidr"'), "manifest_invalid", "scope"),
    (BASE + '[lichen]\nreads = ["../.."]\n', "manifest_invalid", "leads upwards"),
    (BASE + "[lichen]\nmemory_mb = 1\n", "manifest_invalid", "memory_mb"),
    ("[tool", "manifest_invalid", "TOML"),
]


@pytest.mark.req("SYM-67.3")
@pytest.mark.parametrize(("text", "code", "why"), WRONG)
def test_what_no_command_can_be_made_of_is_refused_by_its_name(tmp_path: Path, text: str, code: str, why: str) -> None:
    path = tmp_path / "find.clad.toml"
    path.write_text(text)
    with pytest.raises(Invalid, match=why) as refused:
        command_tool(path)
    assert refused.value.code == code


@pytest.mark.req("SYM-67.3")
def test_the_contract_follows_from_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "find.clad.toml"
    path.write_text(BASE.replace('binary = "find"', 'binary = "find"\nrisk_tier = "high"\nhuman_approval = true'))
    spec = command_tool(path).spec
    assert (spec.name, spec.effects, spec.origin) == ("command.find", "once", "third_party")
    assert (spec.confirm, spec.tags[:3]) == ("Run find?", ("command", "risk_high", "human_approval"))
    ours = '[lichen]\nname = "files.find"\neffects = "none"\nenv = { KEY = "secret:find.key" }\n'
    path.write_text(BASE + ours)
    spec = command_tool(path).spec
    assert (spec.name, spec.effects, spec.confirm, spec.secrets.call) == ("files.find", "none", "", ("find.key",))


@pytest.mark.req("SYM-67.2")
def test_no_value_becomes_an_option_unless_the_manifest_says_so() -> None:
    def made(text: str, value: str) -> list[str]:
        return argv(text.replace("[output]", '[output]\nformat = "text"', 1), {"where": value})

    base = BASE.replace('schema = { type = "object" }\n', "")
    with pytest.raises(InvalidArguments):
        made(base, "-delete")
    assert made(base.replace('"{where}"', '"--", "{where}"'), "-delete") == ["find", "--", "-delete"]
    assert made(base + '[lichen]\noptions = ["where"]\n', "-delete") == ["find", "-delete"]
