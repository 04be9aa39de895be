"""Rollouts of packs: shares are exact, conversations stay where they are, and what is in force follows from the log."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.deciders import streams
from lichen.core.deciders.streams import TenantState
from lichen.core.rollouts import rollout
from lichen.core.rollouts.choice import at, chosen, place_of
from lichen.core.rollouts.rollout import WHOLE_BPS, Noted, Rollout, Share, Split
from lichen.core.words.ids import TENANT_STREAM

VERSIONS = ("1.0.0", "1.1.0", "2.0.0-rc.1+7")
PLACES = st.integers(0, WHOLE_BPS - 1)


@st.composite
def shared(draw: st.DrawFn) -> tuple[Share, ...]:
    """Shares of everything."""
    count = draw(st.integers(1, len(VERSIONS)))
    cuts = sorted(draw(st.sets(st.integers(1, WHOLE_BPS - 1), min_size=count - 1, max_size=count - 1)))
    ends = [*cuts, WHOLE_BPS]
    versions = draw(st.permutations(VERSIONS))
    return tuple(Share(v, end - start) for v, start, end in zip(versions, [0, *cuts], ends, strict=False))


def told(*noted: Noted) -> Rollout:
    """The rollout after each was noted, a microsecond apart, the first at 1."""
    found = streams.initial(TENANT_STREAM)
    for n, each in enumerate(noted):
        found = streams.evolve(found, e.Event(n, n + 1, e.Changed("pack", rollout.named(each), "d" * 64, f"c{n}")))
    assert isinstance(found, TenantState)
    return found.rollouts.get("shop.desk", Rollout())


def ready() -> list[Noted]:
    """Every version, staged and ready."""
    return [Noted(act, "shop.desk", version) for version in VERSIONS for act in ("staged", "ready")]


def traffic(act: rollout.Act, shares: tuple[Share, ...]) -> Noted:
    return Noted(act, "shop.desk", "", shares)


@pytest.mark.req("GRE-76.1")
@given(shared())
def test_of_ten_thousand_places_each_version_has_exactly_its_share(shares: tuple[Share, ...]) -> None:
    split = Split(0, shares)
    assert Counter(at(split, place) for place in range(WHOLE_BPS)) == dict(shares)


@pytest.mark.req("GRE-76.1")
@pytest.mark.parametrize(
    "shares",
    [
        (Share("1.0.0", 9_999),),
        (Share("1.0.0", 9_000), Share("1.1.0", 1_001)),
        (Share("1.0.0", 5_000), Share("1.0.0", 5_000)),
        (Share("1.0.0", 10_000), Share("1.1.0", 0)),
        (Share("1.0.0", 11_000), Share("1.1.0", -1_000)),
        tuple(Share(f"1.{n}.0", 1_000) for n in range(10)),
    ],
)
def test_shares_that_are_not_exactly_everything_are_none(shares: tuple[Share, ...]) -> None:
    assert not rollout.is_whole(shares)
    assert told(*ready(), traffic("traffic", shares)).shares == ()


@pytest.mark.req("GRE-76.1")
@given(st.lists(st.one_of(shared(), st.just(())), min_size=1, max_size=6))
def test_after_any_number_of_records_what_is_in_force_is_whole(splits: list[tuple[Share, ...]]) -> None:
    """So a process that dies between two records leaves a sharing of everything."""
    noted = [*ready(), *(traffic("traffic", each) for each in splits)]
    for length in range(len(noted) + 1):
        assert rollout.is_whole(told(*noted[:length]).shares)


@pytest.mark.req("GRE-76.2")
@given(shared(), st.lists(shared(), max_size=4), PLACES)
def test_a_conversation_stays_with_the_version_it_began_with(
    first: tuple[Share, ...], later: list[tuple[Share, ...]], place: int
) -> None:
    before = told(*ready(), traffic("traffic", first))
    began_us = len(VERSIONS) * 2 + 1
    after = told(*ready(), traffic("traffic", first), *(traffic("rollback", each) for each in later))
    assert chosen(after, place, began_us) == chosen(before, place, began_us) == chosen(before, place, None)
    assert chosen(after, place, None) == at(Split(0, later[-1] if later else first), place)


@pytest.mark.req("GRE-76.2")
@given(shared(), shared(), PLACES)
def test_a_conversation_that_is_recalled_has_what_new_ones_have(
    first: tuple[Share, ...], second: tuple[Share, ...], place: int
) -> None:
    now = told(*ready(), traffic("traffic", first), traffic("recall", second))
    assert chosen(now, place, 1) == chosen(now, place, None) == at(Split(0, second), place)


@pytest.mark.req("GRE-76.2")
@pytest.mark.parametrize("act", ["archived", "failed"])
def test_a_conversation_whose_version_is_gone_has_one_of_those_in_traffic(act: rollout.Act) -> None:
    moved = (Share("1.1.0", WHOLE_BPS),)
    noted = [*ready(), traffic("traffic", (Share("1.0.0", WHOLE_BPS),)), traffic("traffic", moved)]
    assert chosen(told(*noted), 5, 7) == "1.0.0"
    assert chosen(told(*noted, Noted(act, "shop.desk", "1.0.0")), 5, 7) == "1.1.0"
    gone = [Noted(act, "shop.desk", version) for version in ("1.0.0", "1.1.0")]
    assert chosen(told(*noted, *gone), 5, 7) == ""  # what the project itself names


@pytest.mark.req("GRE-76.2")
def test_draining_keeps_the_conversations_that_are_open_and_takes_no_new_ones() -> None:
    both, rest = (Share("1.0.0", 5_000), Share("1.1.0", 5_000)), (Share("1.1.0", WHOLE_BPS),)
    now = told(*ready(), traffic("traffic", both), Noted("draining", "shop.desk", "1.0.0", rest))
    assert now.revisions["1.0.0"].stage == "draining"
    assert (chosen(now, 17, 7), chosen(now, 17, None)) == ("1.0.0", "1.1.0")
    back = told(
        *ready(), traffic("traffic", both), Noted("draining", "shop.desk", "1.0.0", rest), traffic("rollback", both)
    )
    assert back.revisions["1.0.0"].stage == "ready"


@pytest.mark.req("GRE-76.3")
@given(st.sampled_from(("traffic", "rollback", "recall")), shared())
def test_what_is_noted_is_read_as_it_was_written(act: rollout.Act, shares: tuple[Share, ...]) -> None:
    for noted in (traffic(act, shares), Noted("draining", "shop.desk", "3.0.0", shares), *ready()):
        assert rollout.read(rollout.named(noted)) == noted


@pytest.mark.req("GRE-76.3")
@given(st.one_of(st.text(max_size=60), st.from_regex(r"[a-z]{5,9}:[a-z.]{1,9}:[0-9.=,]{0,20}", fullmatch=True)))
def test_a_name_that_says_nothing_of_a_rollout_moves_nothing(name: str) -> None:
    found = rollout.evolve({}, name, "", at_us=1, n=0)
    assert found == {} or rollout.read(name) is not None
    assert all(rollout.is_whole(each.shares) for each in found.values())


@pytest.mark.req("GRE-76.3")
@given(st.binary(min_size=16, max_size=16))
def test_a_place_follows_from_the_keyed_digest_alone(digest: bytes) -> None:
    assert 0 <= place_of(digest) < WHOLE_BPS
    assert place_of(digest) == place_of(bytes(digest))
