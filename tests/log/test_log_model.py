"""Random appends against a model of three lines: a list of bodies per stream, and positions in the order of landing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.words.content import Content
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import RunId, StreamId, run_stream
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Appended, Log, LogOptions, Stale
from lichen.log.volume import VolumeOptions
from lichen.testing.log_conformance import started
from tests.log.homes import SCOPE, Home, stored

STREAMS = [run_stream(RunId(f"run-{number}")) for number in range(3)]
SMALL = LogOptions(streams_max=2, contents_bytes_max=2_000)


class Append(NamedTuple):
    """Parts of (stream, how far the expectation is off, names of drafts); a name is key and body at once."""

    parts: list[tuple[int, int, list[int]]]


class Other(NamedTuple):
    """Something that may happen between two appends."""

    what: str
    stream: int


parts = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 0, -1, 1]), st.lists(st.integers(0, 9), max_size=3)),
    min_size=1,
    max_size=2,
    unique_by=lambda part: part[0],
)
steps = st.lists(
    st.one_of(
        st.builds(Append, parts),
        st.builds(Other, st.sampled_from(["durable", "park", "reopen", "tick"]), st.integers(0, 2)),
    ),
    max_size=30,
)


def draft(log: Log, name: int) -> e.Draft:
    """Names 0-4 have a key of their own; names 5-9 are other bodies under the same keys. Even keys begin a record."""
    body = (Content("input", "customer_1", f"{name}".encode() * 100),)
    key = name % 5
    return e.Draft(e.Planned(1, key, "resume", error="no") if key % 2 else e.Signal("input", f"{key}"), body)


class Model:
    """What must be true."""

    def __init__(self) -> None:
        self.streams: dict[StreamId, list[int]] = {stream: [] for stream in STREAMS}

    def expect(self, append: Append) -> str:
        """What an append must do: land, repeat, be stale, or conflict."""
        drafts = [(STREAMS[s], off, names) for s, off, names in append.parts]
        if any(len({name % 5 for name in names}) != len(names) for _, _, names in drafts):
            return "conflict or stale"
        there = [set(names) <= set(self.streams[stream]) for stream, _, names in drafts]
        used = [bool({n % 5 for n in names} & {n % 5 for n in self.streams[stream]}) for stream, _, names in drafts]
        is_stale = any(off for _, off, _ in drafts)
        guards_hold = all(names or not off for _, off, names in drafts)
        if (is_stale or any(used)) and all(there) and guards_hold and any(names for *_, names in drafts):
            return "repeated"
        if is_stale:
            return "stale"
        return "conflict" if any(used) else "landed"

    def land(self, append: Append) -> None:
        for stream, _, names in append.parts:
            self.streams[STREAMS[stream]] += names


def perform(log: Log, model: Model, append: Append) -> None:
    expected = model.expect(append)
    wanted = [
        e.Part(STREAMS[s], max(0, log.state(STREAMS[s]).n + off), tuple(draft(log, name) for name in names))
        for s, off, names in append.parts
    ]
    try:
        answer = log.append(*wanted)
    except Conflict:
        assert expected.startswith("conflict")
        return
    match answer:
        case Stale():
            assert expected.endswith("stale")
        case Appended(repeated=True):
            assert expected == "repeated"
        case Appended():
            assert expected == "landed"
            model.land(append)


def agree(log: Log, model: Model) -> None:
    for stream, names in model.streams.items():
        assert log.state(stream).n == len(names) + 1
        assert [log.contents(stream, n + 1)["input"] for n in range(len(names))] == [
            f"{name}".encode() * 100 for name in names
        ]


async def play(home: Home, history: list[Append | Other]) -> None:
    small = VolumeOptions(commit_rows_max=3, log=SMALL)
    log, model = (await home.open(small)).log(SCOPE), Model()
    for stream in STREAMS:
        log.append(e.Part(stream, 0, (started(log),)))
    for step in history:
        match step:
            case Append():
                perform(log, model, step)
            case Other("durable", _):
                await log.durable()
            case Other("park", stream):
                log.park(STREAMS[stream])
            case Other("tick", _):
                home.clock.tick(1.5)
            case Other():
                await home.close()
                log = (await home.open(small)).log(SCOPE)
        agree(log, model)
    await home.close()
    keyring = Keyring.open(home.keys, home.random)
    report = verify(home.logs, keyring=keyring)
    keyring.close()
    assert report.findings == ()


@pytest.mark.req("LIC-2.25")
@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking waits for the disk
@given(history=steps, together=st.booleans())
def test_any_history_of_appends_is_as_the_model_says_and_verifies(
    history: list[Append | Other], together: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory, stored(together=together):
        asyncio.run(play(Home(Path(directory)), history))
