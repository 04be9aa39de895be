"""What agents with models cost beside their peers: each measurement in a tiny size, and what is made of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench import asking, building, flying
from bench.building import Told
from bench.figure import PEER_PYTHON, ROOT, Figure, run_own, run_peer
from bench.messages import served
from bench.show import picture, readme
from bench.show.history import Run, latest

PEERS = [
    ("calls_openai.py", ("2",), ("openai",)),
    ("calls_pydantic_ai.py", ("2",), ("pydantic_ai",)),
    ("build_pydantic_ai.py", ("answered",), ("pydantic_ai",)),
    ("build_openai_agents.py", ("answered",), ("agents",)),
    ("build_langgraph.py", ("answered",), ("langchain", "langchain_openai")),
    ("flight_pydantic_ai.py", ("plain", "3", "4"), ("pydantic_ai",)),
    ("flight_pydantic_ai.py", ("dbos", "3", "4"), ("dbos",)),
    ("flight_langgraph.py", ("plain", "3", "4"), ("langchain", "aiosqlite")),
    ("flight_langgraph.py", ("sqlite", "3", "4"), ("langchain", "aiosqlite")),
]


@pytest.fixture(scope="module")
def environment() -> Generator[Mapping[str, str]]:
    """What leads to what plays the provider."""
    with served("-m", "bench.provider") as provider:
        url = f"http://127.0.0.1:{provider['port']}/v1"
        yield {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}


def python_with(packages: tuple[str, ...]) -> Path:
    """The interpreter of the peers where `make bench` has brought those of today; else this one, if it knows them."""
    made, lock = PEER_PYTHON.parents[1] / ".ready", ROOT / "bench" / "requirements.lock"
    if made.exists() and made.stat().st_mtime >= lock.stat().st_mtime:
        return PEER_PYTHON
    if not all(find_spec(package) for package in packages):
        pytest.skip("`make bench` brings the peers")
    return Path(sys.executable)


@pytest.mark.req("LIC-28.11")
@pytest.mark.parametrize(("script", "args", "packages"), PEERS, ids=lambda value: str(value))
def test_each_peer_does_the_same_and_says_what_it_took(
    environment: Mapping[str, str], script: str, args: tuple[str, ...], packages: tuple[str, ...]
) -> None:
    found = run_peer(script, *args, python=python_with(packages), env=environment)
    assert found["version"]
    assert all(each > 0 for each in measured(found))


@pytest.mark.req("LIC-28.11")
def test_ours_is_built_and_answers_over_the_network(environment: Mapping[str, str]) -> None:
    assert run_own("own.build", "-", "answered", env=environment)["version"]
    assert len(run_own("own.build", "-", "built", "2", env=environment)["times"]) == 2


@pytest.mark.req("LIC-28.11")
def test_a_request_and_a_run_of_ours_are_measured_whole_and_streamed(environment: Mapping[str, str]) -> None:
    taken = run_own("own.calls", "2", env=environment)["taken"]
    assert {name: len(each) for name, each in taken.items()} == dict.fromkeys(
        ("whole", "streamed", "agent whole", "agent streamed"), 2
    )


@pytest.mark.req("LIC-28.11")
def test_runs_of_ours_in_flight_are_counted_with_their_memory() -> None:
    assert all(each > 0 for each in measured(run_own("own.flight", "5", "10")) if each)


def measured(found: Mapping[str, Any]) -> list[float]:
    """Every figure in what a script printed; of a few runs the memory may be less than nothing."""
    taken = [seconds for each in found.get("taken", {}).values() for seconds, _ in each]
    return [*taken, *found.get("times", ()), *(found[name] for name in ("runs_per_s", "peak_mb") if name in found)]


# -- what is made of it ------------------------------------------------------------------------------------------


def the(key: str, figures: list[Figure], peer: str) -> Figure:
    """The one figure under this key beside this peer."""
    (found,) = (each for each in figures if each.key == key and each.peer is not None and each.peer.startswith(peer))
    return found


@pytest.mark.req("LIC-28.12")
def test_what_is_above_the_bare_client_is_the_median_of_the_medians_without_the_clients_own() -> None:
    def round_of(us: float, *more: str) -> dict[str, Any]:
        taken = [(us / 1e6, us / 2e6), (us / 1e6, us / 2e6), (1.0, us / 2e6)]  # one of them was held up
        return {"taken": dict.fromkeys(("whole", "streamed", *more), taken), "version": "1"}

    agent = ("agent whole", "agent streamed")
    found = asking.Found(
        bare=[round_of(us) for us in (900, 1_000, 5_000)],
        own=[round_of(us, *agent) for us in (1_500, 1_400, 1_300)],
        peer=[round_of(us, *agent) for us in (3_000, 1_800, 1_000)],
    )
    run = the("model run, streamed", asking.compared(found, 150.0), "Pydantic AI")
    assert (run.value, run.peer_value, run.ratio) == (400.0, 800.0, 2.0)
    assert run.cpu_us == 200.0
    assert run.is_met


@pytest.mark.req("LIC-28.12")
def test_an_agents_build_is_beside_every_peer_and_held_to_one() -> None:
    own = building.Found([Told(0.3, (0.02,), "1")], [Told(1.0, (), "1")])
    peer = building.Found([Told(0.6, (0.01,), "2")], [Told(0.9, (), "2")])
    figures = building.compared(own, dict.fromkeys(building.PEERS, peer))
    assert {each.peer for each in figures} == set(building.PEERS)
    assert the("build", figures, "Pydantic AI").is_met
    assert the("first answer", figures, "Pydantic AI").is_met is False
    assert the("build warm", figures, "LangGraph").ratio == 0.5


@pytest.mark.req("LIC-28.12")
def test_runs_in_flight_are_held_to_every_peer_and_say_how_many_there_could_be() -> None:
    def found(runs: float) -> list[dict[str, Any]]:
        return [{"runs_per_s": runs, "cpu_us": 2.0, "run_kb": 20.0, "peak_mb": 100.0, "version": "1"}]

    figures = flying.compared(found(400), {peer: found(200) for peer in flying.PEERS}, 500, 150.0)
    runs = [each for each in figures if each.key == "flight runs"]
    assert [(each.ratio, each.floor, each.is_met) for each in runs] == [(2.0, 12_500, True)] * len(flying.PEERS)


@pytest.mark.req("LIC-28.13")
def test_the_picture_shows_a_figure_that_older_runs_did_not_have() -> None:
    old = Run("aaaaaa1", "2026-01-01", [Figure("import", "import", 0.2, "s", "lower")])
    runs = Figure("flight runs", "runs", 400, "1/s", "higher")
    beside = [runs.beside(peer.name, "1", 100 + i) for i, peer in enumerate(flying.PEERS)]
    new = Run("bbbbbb2", "2026-01-02", [Figure("import", "import", 0.1, "s", "lower"), *beside])
    drawn = picture.draw([old, new])
    assert picture.FIGURES["flight runs"] in drawn
    assert all(name in drawn for name in ("Pydantic AI 100", "LangGraph 101", "LG + SQLite 102", "PAI + DBOS 103"))
    assert picture.FIGURES["build"] not in drawn


# -- README ------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOC-1.3")
def test_the_figures_in_the_readme_are_those_of_the_latest_recorded_run() -> None:
    _, _, rest = readme.README.read_text().partition(readme.BEGIN)
    assert rest.partition(readme.END)[0] == readme.drawn(latest())


@pytest.mark.req("DOC-1.3")
def test_a_figure_has_a_row_with_its_peers_once_it_was_measured() -> None:
    figure = Figure("flight runs", "runs", 512.4, "1/s", "higher").held_to(400)
    peers = [figure.beside(peer.name, "1", 100.0 + i) for i, peer in enumerate(flying.PEERS[:2])]
    request = Figure("model request, streamed", "a request", 1_234.5, "us", "lower").beside("Pydantic AI's", "1", 987.6)
    run = Run("abc1234", "2026-01-02T03:04", [*peers, request], versions={"python": "3"}, load=1.0, fsync_us_p50=150.0)
    drawn = readme.drawn(run)
    runs = "Pydantic AI, nothing stored: 100/s; LangGraph, nothing stored: 101/s"
    assert f"| runs with a tool, a model of 20 ms, 500 in flight | 512/s | {runs} |" in drawn
    assert "| 1.23 ms | Pydantic AI's model class, asked alone: 988 µs |" in drawn
    assert "2 of the 2 figures" in drawn
    assert "web chat" not in drawn
