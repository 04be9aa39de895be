"""Subjects: as greentic-messaging spells them, and never another tenant's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.channels.bus import subjects
from lichen.channels.bus.subjects import Way
from lichen.core.words.errors import Invalid


@pytest.mark.req("GRE-49.1")
def test_subjects_are_spelt_as_those_of_greentic() -> None:
    # greentic-messaging, the two vectors of its subject tests
    assert subjects.ingress("dev", "acme", "team", "slack") == "greentic.messaging.ingress.dev.acme.team.slack"
    spelt = subjects.egress(" dev ", "acme", "team a", "web chat")
    assert spelt == "greentic.messaging.egress.dev.acme.team-a.web-chat"
    assert subjects.ingress("", "a*b", "x>y", "a/b") == "greentic.messaging.ingress.unknown.a-b.x-y.a-b"


@pytest.mark.req("GRE-49.2")
@pytest.mark.parametrize("word", ["a.b", ".", "acme.default.slack", "a\x00b", "a\x7fb", "a\u2028b"])
def test_a_dot_and_what_cannot_be_printed_are_refused(word: str) -> None:
    with pytest.raises(Invalid) as refused:
        subjects.token(word)
    assert refused.value.code == "bus_subject_invalid"


@pytest.mark.req("GRE-49.2")
@given(st.tuples(st.text(), st.text(), st.text(), st.text()))
def test_whatever_a_channel_is_called_it_is_one_level_of_a_subject(words: tuple[str, str, str, str]) -> None:
    try:
        spelt = Way(*words).ingress
    except Invalid:
        return
    assert spelt.count(".") == 6
    assert not set(spelt) & set("*> \t\r\n")
    found = subjects.way(spelt)
    assert found.ingress == spelt


@pytest.mark.req("GRE-49.2")
@pytest.mark.parametrize(
    "subject",
    [
        "greentic.messaging.ingress.dev.acme.team",
        "greentic.messaging.ingress.dev.acme.team.slack.more",
        "greentic.messaging.other.dev.acme.team.slack",
        "greentic.messaging.ingress.dev.a*.team.slack",
        "x.y.z.dev.acme.team.slack",
    ],
)
def test_a_subject_that_names_no_channel_is_refused(subject: str) -> None:
    with pytest.raises(Invalid):
        subjects.way(subject)
