"""Policies load all or nothing, and every error says what, where, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from lichen.core.ports.policy import Approval, AtMost, Meter
from lichen.core.words.errors import Invalid
from lichen.gate.rules.policies import PolicySet, load_policies, policy_set
from tests.gate.shop import COUNTED, LOOKUP, MAIL, MAY_REFUND, REFUND, TOOLS

REFUND_SCOPE = 'permit(principal, action == Action::"payments.refund", resource)'


def refused(files: dict[str, str]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        policy_set(files, TOOLS)
    assert caught.value.next_step
    return caught.value


def loaded(cedar: str, **files: str) -> PolicySet:
    return policy_set({"a.cedar": cedar, **files}, TOOLS)


@pytest.mark.req("SYM-70.7")
@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (f"{MAY_REFUND}\n\n{REFUND_SCOPE}\n  when {{ context.x === 3 }};", "4:22", "unexpected token `=`"),
        ("permit(principal, action, resource) whn { true };", "1:37", "whn"),
        ("// é; \"\npermit(principal, action, resource) when { \"open };", "2:44", "invalid token"),
        (f"{REFUND_SCOPE}", "1:64", "unexpected end of input"),
        (f"{REFUND_SCOPE};\npermit(principal, action = resource);", "2:26", "not a valid operator"),
        ("permit(principal == \"anna\", action, resource);", "1:21", "expected an entity uid"),
        (";", "1:1", "unexpected token `;`"),
    ],
)  # fmt: skip
def test_a_syntax_error_is_found_at_its_file_line_and_column(text: str, place: str, said: str) -> None:
    error = refused({"a.cedar": text, "b.cedar": MAY_REFUND})
    assert (error.code, error.place) == ("policy_syntax", f"a.cedar:{place}")
    assert said in error.message


@pytest.mark.req("SYM-70.7")
def test_a_statement_that_is_not_finished_does_not_run_into_the_next_file() -> None:
    error = refused({"a.cedar": MAY_REFUND.rstrip(";"), "b.cedar": MAY_REFUND})
    assert error.place is not None
    assert error.place.startswith("a.cedar:1:")


@pytest.mark.req("SYM-70.7")
@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (f"{REFUND_SCOPE} when {{\n  context.args.amout > 3 }};", "2:16", "Policy a#1: attribute `args.amout`"),
        ('@id("x") permit(principal, action == Action::"payments.refnd", resource);', "1:46", "Policy x: unrecognized"),
        ('permit(principal is Custmer, action, resource);', "1:21", "unrecognized entity type `Custmer`"),
        (f"{REFUND_SCOPE} when {{ context.args.note == \"x\" }};", "1:86", "optional attribute `args.note`"),
        (f"{REFUND_SCOPE} when {{ context.args.amount == \"x\" }};", "1:1", "Long and String"),
        (f"{REFUND_SCOPE} when {{ context.args has amout }};", "1:90", "nothing it applies to has args.amout"),
    ],
)  # fmt: skip
def test_a_policy_that_does_not_fit_the_tools_is_refused_with_its_id_and_place(
    text: str, place: str, said: str
) -> None:
    error = refused({"a.cedar": text})
    assert (error.code, error.place) == ("policy_schema", f"a.cedar:{place}")
    assert said in error.message


@pytest.mark.req("SYM-70.8")
@pytest.mark.parametrize("condition", ["context.args.weight > 3", "context.args has weight && true"])
def test_a_policy_about_a_field_that_cedar_has_no_type_for_is_told_why(condition: str) -> None:
    error = refused({"a.cedar": f'forbid(principal, action == Action::"mail.send", resource) when {{ {condition} }};'})
    assert error.code == "policy_schema"
    assert "args.weight" in error.message
    assert "a number with a fraction" in error.message


@pytest.mark.req("SYM-70.9")
def test_two_policies_with_one_id_are_refused_also_across_files() -> None:
    error = refused({"a.cedar": MAY_REFUND, "b.cedar": f"\n{MAY_REFUND}"})
    assert (error.code, error.place) == ("policy_duplicate", "b.cedar:2:2")
    error = refused({"a.cedar": MAY_REFUND.replace('"may"', '"base.talk"')})
    assert error.code == "policy_duplicate"


@pytest.mark.req("SYM-69.8")
def test_a_policy_about_an_action_that_nobody_asks_for_is_refused() -> None:
    error = refused({"a.cedar": '@id("x") forbid(principal, action == Action::"log.rotate", resource);'})
    assert (error.code, error.place) == ("policy_schema", "a.cedar:1:46")
    assert "log.rotate" in error.message


def own(found: PolicySet) -> list[str]:
    """The policies of the files; those that are always in force are left out."""
    return [terms.id for terms in found.terms if not terms.id.startswith("lichen/")]


def test_policies_without_an_id_are_named_by_file_and_number() -> None:
    found = loaded(f"{REFUND_SCOPE};\n{REFUND_SCOPE};", **{"policy.toml": "base = false"})
    assert own(found) == ["a#1", "a#2"]


# -- annotations -------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-69.2")
def test_annotations_become_reasons_and_conditions() -> None:
    found = loaded(
        '@id("x") @public("Ask us.") @reason("because") @approval("manager") @expires("90s")'
        '@limit("refunds <= 3; refunded<=5000") @redact("email, receipt") @description("for readers")'
        + MAY_REFUND[10:],
        **{"meters.toml": COUNTED},
    )
    terms = found.terms[-1]
    assert (terms.id, terms.public, terms.reason) == ("x", "Ask us.", "because")
    assert terms.approval == Approval("manager", 90.0)
    assert terms.limits == (AtMost("refunds", 3), AtMost("refunded", 5000))
    assert terms.redact == ("email", "receipt")


@pytest.mark.req("SYM-69.7")
@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ('@limits("refunds <= 3")', "not known"),
        ('@limit("refunds < 3")', "no list of limits"),
        ('@limit("refunds <= 3;")', "no list of limits"),
        ('@limit("refunds <= -3")', "no list of limits"),
        ('@limit("refunds <= 99999999999999999999")', "no list of limits"),
        ('@limit("refnds <= 3")', "refnds, which is not declared"),
        ('@approval("")', "names no role"),
        ('@approval("a,b")', "names no role"),
        ('@approval("a") @expires("24")', "no duration"),
        ('@approval("a") @expires("0s")', "no duration"),
        ('@approval("a") @expires("366d")', "no duration"),
        ('@expires("24h")', "none is asked for"),
        ('@redact("")', "no list of field names"),
        ('@redact("emial")', "returns a field emial"),
        ('@id("")', "not a name"),
        ('@id("two words")', "not a name"),
    ],
)
def test_an_annotation_that_says_nothing_that_can_be_kept_is_refused_at_its_place(annotation: str, said: str) -> None:
    error = refused({"a.cedar": f"\n  {annotation} {REFUND_SCOPE};", "meters.toml": COUNTED})
    name = re.findall(r"@(\w+)", annotation)[-1]
    assert (error.code, error.place) == ("policy_annotation", f"a.cedar:2:{annotation.rindex('@' + name) + 4}")
    assert said in error.message


@pytest.mark.req("SYM-69.7")
@pytest.mark.parametrize("annotation", ['@approval("a")', '@limit("refunds <= 3")', '@redact("email")'])
def test_a_forbid_has_no_conditions(annotation: str) -> None:
    error = refused({"a.cedar": f"{annotation} forbid(principal, action, resource);", "meters.toml": COUNTED})
    assert error.code == "policy_annotation"
    assert "no meaning on a forbid" in error.message


@pytest.mark.req("SYM-69.7")
@pytest.mark.parametrize("annotation", ['@approval("a")', '@limit("refunds <= 3")', '@redact("email")'])
def test_only_tool_calls_have_conditions(annotation: str) -> None:
    text = f'{annotation} permit(principal, action in [Action::"message.send", Action::"session.open"], resource);'
    error = refused({"a.cedar": text, "meters.toml": COUNTED})
    assert (error.code, error.place) == ("policy_annotation", "a.cedar:1:1")
    assert loaded(f"{annotation} permit(principal, action, resource);", **{"meters.toml": COUNTED})


# -- meters.toml, policy.toml ------------------------------------------------------------------------------------


def test_meters_are_declared_in_a_file_of_their_own() -> None:
    assert loaded("", **{"meters.toml": COUNTED}).meters == (
        Meter("refunds", ("payments.refund",)),
        Meter("refunded", ("payments.refund",), "amount", "argument", "order_id"),
    )


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('\n[[meter]]\nname = "a"\ntools = ["no.tool"]', "2:1", "there is no tool no.tool"),
        (f'{COUNTED}\n[[meter]]\nname = "refunds"\ntools = ["mail.send"]', "13:1", "two meters refunds"),
        ('[[meter]]\nname = "a"\ntools = []', "1:1", "length >= 1"),
        ('[[meter]]\nname = "A-1"\ntools = ["mail.send"]', "1:1", "matching"),
        ('[[meter]]\nname = "a"\ntools = ["mail.send"]\nwindow = "week"', "1:1", "week"),
        ('[[meter]]\nname = "a"\ntools = ["mail.send"]\nlimit = 3', "1:1", "limit"),
        ('[[meter]]\nname = "a"\ntools = ["mail.send"]\namount = "weight"', "1:1", "weight of mail.send is no integer"),
        ('[[meter]]\nname = "a"\ntools = ["payments.refund"]\namount = "note"', "1:1", "note of payments.refund"),
        ('[[meter]]\nname = "a"\ntools = ["mail.send"]\nper = "argument"', "1:1", "come together"),
        ('[[meter]]\nname = "a"\ntools = ["mail.send"]\nper_argument = "to"', "1:1", "come together"),
        (
            '[[meter]]\nname = "a"\ntools = ["mail.send"]\nper = "argument"\nper_argument = "to"',
            "1:1",
            "to of mail.send",
        ),
        ('[[meter]]\nname = "a', "2:10", "Unterminated string"),
        ("[meters]", "1:1", "meters"),
    ],
)
def test_a_meter_that_could_not_count_is_refused_at_its_place(text: str, place: str, said: str) -> None:
    error = refused({"meters.toml": text})
    assert error.code == "meters_invalid"
    assert said in error.message
    assert error.place == f"meters.toml:{place}"


def test_settings_that_are_not_known_are_refused() -> None:
    assert refused({"policy.toml": "bases = true"}).code == "policy_settings"
    assert refused({"policy.toml": "base = 1"}).code == "policy_settings"
    assert refused({"policy.toml": "base ="}).place == "policy.toml:1:7"


# -- directories -------------------------------------------------------------------------------------------------


def test_a_directory_of_policies_is_one_set(tmp_path: Path) -> None:
    (tmp_path / "b.cedar").write_text(MAY_REFUND)
    (tmp_path / "a.cedar").write_text('@id("first") forbid(principal is Service, action, resource);')
    (tmp_path / "meters.toml").write_text(COUNTED)
    (tmp_path / "policy.toml").write_text("base = false")
    (tmp_path / "notes.md").write_text("not a policy")
    found = load_policies(tmp_path, TOOLS)
    assert own(found) == ["first", "may"]
    assert sorted(found.files) == ["a.cedar", "b.cedar", "meters.toml", "policy.toml"]


def test_a_missing_directory_and_a_file_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="policies_missing"):
        load_policies(tmp_path / "none", TOOLS)
    (tmp_path / "a.cedar").write_bytes(b"// one\n\xff\xfe")
    with pytest.raises(Invalid, match=r"policy_syntax at a\.cedar:2:1"):
        load_policies(tmp_path, TOOLS)


def test_the_digest_pins_names_and_contents_and_nothing_else() -> None:
    one = loaded(MAY_REFUND)
    assert one.digest == loaded(MAY_REFUND).digest == policy_set({"a.cedar": MAY_REFUND}, [REFUND, MAIL, LOOKUP]).digest
    others = {
        loaded(MAY_REFUND + "\n").digest,
        policy_set({"b.cedar": MAY_REFUND}, TOOLS).digest,
        loaded(MAY_REFUND, **{"meters.toml": COUNTED}).digest,
        loaded(MAY_REFUND, **{"policy.toml": "base = false"}).digest,
        policy_set({"a.cedar": MAY_REFUND, "b.cedar": ""}, TOOLS).digest,
    }
    assert len(others | {one.digest}) == 6


def test_two_agents_may_share_a_tool_but_not_a_name() -> None:
    assert policy_set({}, [REFUND, REFUND])
    with pytest.raises(Invalid, match="tool_twice"):
        policy_set({}, [REFUND, msgspec.structs.replace(REFUND, digest="2")])
    with pytest.raises(Invalid, match="tool_name_reserved"):
        policy_set({}, [msgspec.structs.replace(REFUND, name="tool.call.once")])


@pytest.mark.req("SYM-69.9")
def test_an_environment_has_the_shared_policies_and_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(MAY_REFUND)
    for env in ("dev", "prod"):
        (tmp_path / env).mkdir()
    (tmp_path / "prod" / "a.cedar").write_text(
        '@id("never") forbid(principal, action == Action::"run.cancel", resource);'
    )
    assert own(load_policies(tmp_path, TOOLS, env="prod")) == ["base.talk", *own(loaded(MAY_REFUND))[1:], "never"]
    assert own(load_policies(tmp_path, TOOLS, env="dev")) == own(loaded(MAY_REFUND))
    (tmp_path / "prod" / "b.cedar").write_text("permit(")
    with pytest.raises(Invalid, match=r"policy_syntax at prod/b\.cedar:1:"):
        load_policies(tmp_path, TOOLS, env="prod")
    assert load_policies(tmp_path, TOOLS, env="dev")


@pytest.mark.req("SYM-69.10")
def test_an_environment_has_the_shared_meters_and_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text("")
    (tmp_path / "meters.toml").write_text(COUNTED)
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "meters.toml").write_text('[[meter]]\nname = "mails"\ntools = ["mail.send"]\n')
    (tmp_path / "prod" / "few.cedar").write_text(
        'permit(principal is Agent, action == Action::"mail.send", resource) when { context.meters.mails < 3 };'
    )
    shared = [meter.name for meter in load_policies(tmp_path, TOOLS, env="dev").meters]
    assert [meter.name for meter in load_policies(tmp_path, TOOLS, env="prod").meters] == [*shared, "mails"]
    (tmp_path / "prod" / "meters.toml").write_text('\n[[meter]]\nname = "refunds"\ntools = ["mail.send"]\n')
    with pytest.raises(Invalid, match=r"meters_invalid at prod/meters\.toml:2:1.*two meters refunds"):
        load_policies(tmp_path, TOOLS, env="prod")
    assert load_policies(tmp_path, TOOLS, env="dev")


def test_meters_are_bounded_over_all_files(tmp_path: Path) -> None:
    def many(word: str) -> str:
        return "\n".join(f'[[meter]]\nname = "{word}{n}"\ntools = ["mail.send"]' for n in range(200))

    with pytest.raises(Invalid, match="more than 256 meters"):
        policy_set({"meters.toml": many("a"), "prod/meters.toml": many("b")}, TOOLS)
