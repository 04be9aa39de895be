"""Rules of access: how a `.gmap` file is read, and which of its rules decides."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import LichenError
from lichen.gate.access.parsing import FILE_BYTES_MAX, RULES_MAX, parse, path_of
from lichen.gate.access.rules import AccessRules, Path, Rules

UPSTREAM = """
            # comment

            _ = forbidden
            pack/flow = public
            """
PRECEDENCE = """
_ = forbidden
demo-pack/_ = forbidden
demo-pack/main = public
"""


def rules(text: str, file: str = "acme.gmap") -> Rules:
    parsed = parse(text.encode(), file)
    assert parsed.errors == ()
    return parsed.rules


def codes(text: str | bytes) -> list[tuple[str, str | None]]:
    parsed = parse(text if isinstance(text, bytes) else text.encode(), "acme.gmap")
    return [(error.code, error.place) for error in parsed.errors]


@pytest.mark.req("GRE-72.1")
def test_a_file_of_upstreams_test_is_read_as_it_is_there() -> None:
    found = rules(UPSTREAM).every
    assert [(rule.line, str(rule)) for rule in found] == [(4, "_ = forbidden"), (5, "pack/flow = public")]
    assert [str(path_of(text)) for text in ("_", "pack", "pack/_", "pack/flow", "pack//flow/node/")] == [
        "_", "pack", "pack/_", "pack/flow", "pack/flow/node",
    ]  # fmt: skip


@pytest.mark.req("GRE-72.1")
def test_every_mistake_of_a_file_is_told_with_its_column() -> None:
    wrong = "= public\npack =\na/b/c/d = public\n  pack = private\n\nfine = public\npack public\npack = public # no\n"
    assert codes(wrong) == [
        ("access_path", "acme.gmap:1:1"),
        ("access_verdict", "acme.gmap:2:7"),
        ("access_path", "acme.gmap:3:1"),
        ("access_verdict", "acme.gmap:4:10"),
        ("access_verdict", "acme.gmap:7:12"),
        ("access_verdict", "acme.gmap:8:8"),
    ]
    assert all(error.next_step for error in parse(wrong.encode(), "acme.gmap").errors)


@pytest.mark.req("GRE-72.1")
@pytest.mark.parametrize(
    "path",
    ["..", "pack/..", "./pack", "pack\\flow", "pack/*", "_/flow", "pack/_/node", "pack/flow/_", "pa ck", "pa\u200bck",
     "pack\u00a0", "cafe\u0301", "/", "a" * 257, "pack\x00"],
)  # fmt: skip
def test_a_path_that_is_not_what_it_looks_like_is_refused(path: str) -> None:
    assert codes(f"{path} = forbidden")[0][0] == "access_path"
    with pytest.raises(LichenError, match="access_path"):
        path_of(path)


@pytest.mark.req("GRE-72.1")
@pytest.mark.parametrize("word", ["Public", "PUBLIC", "allow", "forbidden;", "public = forbidden"])
def test_nothing_but_the_two_words_is_a_verdict(word: str) -> None:
    assert codes(f"pack = {word}") == [("access_verdict", "acme.gmap:1:8")]


@pytest.mark.req("GRE-72.1")
def test_a_file_has_bounds() -> None:
    assert codes(b"#" * (FILE_BYTES_MAX + 1)) == [("access_too_large", "acme.gmap")]
    assert codes("p=public\n" * RULES_MAX) == []
    assert codes("p=public\n" * (RULES_MAX + 1)) == [("access_too_large", f"acme.gmap:{RULES_MAX + 1}")]
    assert codes(b"p=public\n\xff") == [("access_invalid", "acme.gmap:2")]
    assert len(codes("wrong\n" * 1_000)) == 50


@pytest.mark.req("GRE-72.1")
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_is_read_or_refused(data: bytes) -> None:
    parsed = parse(data, "acme.gmap")
    assert all(error.code.startswith("access_") and error.place for error in parsed.errors)


# -- which rule decides ------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-72.2")
def test_the_closest_rule_decides_and_a_teams_stands_above_its_tenants() -> None:
    own, team = rules(PRECEDENCE), rules("demo-pack/main = forbidden\n", "team.gmap")
    main = path_of("demo-pack/main")
    assert AccessRules(own).decide(main).is_public
    found = AccessRules(own, {"sales": team}).decide(main, "sales")
    assert not found.is_public
    assert found.rule is not None
    assert found.rule.place == "team.gmap:1"
    assert AccessRules(own, {"sales": team}).decide(main).is_public
    above = AccessRules(rules("pack = forbidden"), {"sales": rules("_ = public")})
    assert above.decide(path_of("pack/flow/node"), "sales").is_public  # whatever the ranks


@pytest.mark.req("GRE-72.2")
def test_of_two_rules_of_one_rank_the_later_one_decides() -> None:
    found = AccessRules(rules("pack/flow = public\n_ = forbidden\npack/flow = forbidden\n"))
    assert not found.decide(path_of("pack/flow")).is_public
    assert AccessRules(rules("pack = public\npack/_ = forbidden\n")).decide(path_of("pack/flow")).is_public


@pytest.mark.req("GRE-72.3")
def test_without_rules_everything_is_open_and_with_some_what_none_is_about_is_not() -> None:
    assert AccessRules().decide(path_of("pack")).is_public
    assert not AccessRules(Rules()).decide(path_of("pack")).is_public
    assert not AccessRules(rules("other = public")).decide(path_of("pack")).is_public
    only_team = AccessRules(None, {"sales": rules("pack = public")})
    assert only_team.decide(path_of("other")).is_public
    assert not only_team.decide(path_of("other"), "sales").is_public


@pytest.mark.req("GRE-72.3")
@pytest.mark.parametrize(
    "asked",
    [("Pack", "flow"), ("pack", "Flow"), ("pаck", "flow"), ("ｐack", "flow"), ("pack", "flow "), ("pack/flow", "")],
)
def test_names_are_compared_sign_by_sign(asked: tuple[str, str]) -> None:
    found = AccessRules(rules("pack/flow = public"))
    assert found.decide(Path("pack", "flow")).is_public
    assert not found.decide(Path(*asked)).is_public


PACKS = ["a", "b", "A"]
FLOWS = [*((pack, flow, "") for pack in PACKS for flow in ("", "a", "b")), *((pack, "a", "b") for pack in PACKS)]
LINES = st.lists(
    st.tuples(st.sampled_from([("", "", ""), *((pack, "_", "") for pack in PACKS), *FLOWS]), st.booleans()), max_size=12
)
TARGETS = st.sampled_from([*FLOWS, ("a", "a", "a"), ("c", "a", "b")])


def oracle(lines: list[tuple[tuple[str, str, str], bool]], target: tuple[str, str, str]) -> bool | None:
    """What upstream's words say, rule by rule: of all that match the highest rank, of equals the later line."""
    best: tuple[int, int] | None = None
    verdict: bool | None = None
    for index, ((pack, flow, node), is_public) in enumerate(lines):
        if not pack:
            matches, rank = True, 0
        elif not flow:
            matches, rank = target[0] == pack, 3
        elif flow == "_":
            matches, rank = target[0] == pack, 2
        elif not node:
            matches, rank = target[:2] == (pack, flow), 4
        else:
            matches, rank = target == (pack, flow, node), 5
        if matches and (best is None or (rank, index) > best):
            best, verdict = (rank, index), is_public
    return verdict


@pytest.mark.req("GRE-72.2")
@given(LINES, LINES, TARGETS)
def test_the_index_decides_as_a_look_at_every_rule_does(
    tenant: list[tuple[tuple[str, str, str], bool]],
    team: list[tuple[tuple[str, str, str], bool]],
    target: tuple[str, str, str],
) -> None:
    def text(lines: list[tuple[tuple[str, str, str], bool]]) -> str:
        named = ("/".join(filter(None, path)) or "_" for path, _ in lines)
        return "".join(
            f"{path} = {'public' if is_public else 'forbidden'}\n"
            for path, (_, is_public) in zip(named, lines, strict=True)
        )

    found = AccessRules(rules(text(tenant)), {"sales": rules(text(team))})
    own = oracle(team, target)
    expected = own if own is not None else oracle(tenant, target)
    assert found.decide(Path(*target), "sales").is_public == bool(expected)
    assert found.decide(Path(*target)).is_public == bool(oracle(tenant, target))


@pytest.mark.req("GRE-72.4")
def test_a_decision_among_2048_rules_takes_microseconds() -> None:
    text = "_ = forbidden\n" + "".join(f"pack-{n}/flow-{n}/node-{n} = public\n" for n in range(2_048))
    found = AccessRules(rules(text))
    targets = [Path(f"pack-{n}", f"flow-{n}", f"node-{n}") for n in range(2_048)]
    best = min(_took(found, targets) for _ in range(5))
    assert best / len(targets) < 25e-6  # it takes two; the bound is for a busy machine


def _took(found: AccessRules, targets: list[Path]) -> float:
    began = time.perf_counter()
    assert all(found.decide(target).is_public for target in targets)
    return time.perf_counter() - began


@pytest.mark.req("GRE-72.2")
def test_the_digest_pins_what_the_rules_say_and_where() -> None:
    one = AccessRules(rules("a = public"))
    assert one.digest == AccessRules(rules("a = public")).digest
    assert len({one.digest, AccessRules(rules("\na = public")).digest, AccessRules(rules("a = forbidden")).digest}) == 3
    assert AccessRules(None, {"sales": rules("a = public")}).digest != one.digest
    assert AccessRules().digest == ""
