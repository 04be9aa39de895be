"""Kills of gateway, runner and egress under load: every acknowledged message has one reply or is in doubt."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from lichen.core.words.scope import Actor, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.channels.bus.server import Nats
from tests.channels.whatsapp.server import Meta
from tests.crash.apart.shop import NAMES, Name, Processes, environ, laid, notified
from tests.crash.rounds import Playing, all_of

SCOPE, OPS = Scope("acme", "dev"), Actor("operator", "ops", ("operator",))
SETTLED_S = 90.0
AGAIN_S, LOOK_S = 0.1, 0.01
CUSTOMERS, MESSAGES, KILLS = 20, 50, 12


class Load(NamedTuple):
    """How many customers write how many messages each, one after the other, and who is killed meanwhile, in turn.
    `points` are where the first lives of each die by themselves."""

    customers: int
    messages: int
    kills: Sequence[Name] = ()
    points: Mapping[Name, Sequence[str]] = {}


class Outcome(NamedTuple):
    """What came of a load: what is wrong, and how many deliveries are in doubt."""

    trouble: str
    doubts: int


async def killed(home: Path, load_of: Load, chance: random.Random) -> Outcome:
    """Bears a load while its processes are killed, and judges what customers and the log say then."""
    with Nats(home / "nats") as nats, Meta() as meta:
        file = laid(home / "shop", meta.url)
        texts = {
            str(16505550000 + i): [f"m-{i}-{j}" for j in range(load_of.messages)] for i in range(load_of.customers)
        }
        acknowledged: list[str] = []
        with Processes(home / "shop", nats.url) as processes:
            writing = [_write(processes.url, each, said, acknowledged) for each, said in texts.items()]
            total = load_of.customers * load_of.messages
            keeping = [_keep(processes, name, load_of.points.get(name, ())) for name in NAMES]
            await asyncio.gather(*writing, *keeping, _kill(processes, load_of.kills, acknowledged, total, chance))
            await _rest(meta, total)
        async with Runtime.of(load(file, environ=environ(nats.url))) as runtime:
            stuck = await runtime.letters.list(SCOPE, OPS, limit=10_000)
    return _judged(texts, meta, Counter(each.state for each in stuck))


async def _write(url: str, customer: str, texts: Sequence[str], acknowledged: list[str]) -> None:
    """Brings each message until it is acknowledged, as platforms do."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for text in texts:
            while True:
                try:
                    response = await client.post(**notified(customer, text))
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_S)
                    continue
                if response.status_code == 200:
                    acknowledged.append(text)
                    break
                assert response.status_code == 503, response.text
                await asyncio.sleep(AGAIN_S)


async def _keep(processes: Processes, name: Name, points: Sequence[str]) -> None:
    """Begins one again whenever it died, at each of the points once, and then for good."""
    for point in points:
        processes.begin(name, point)
        for _ in range(int(SETTLED_S / LOOK_S)):
            if processes.is_dead(name):
                break
            await asyncio.sleep(LOOK_S)
        assert processes.is_dead(name), f"{name} never passed {point}"
    processes.begin(name)


async def _kill(
    processes: Processes, kills: Sequence[Name], acknowledged: list[str], total: int, chance: random.Random
) -> None:
    """Kills each in turn, spread over the load, and begins it again."""
    for i, name in enumerate(kills):
        await _acknowledged(acknowledged, total * (i + 1) // (len(kills) + 1))
        await asyncio.sleep(chance.random() * 0.2)
        processes.kill(name)
        processes.begin(name)


async def _acknowledged(found: list[str], many: int) -> None:
    """Returns once so many are acknowledged."""
    for _ in range(int(SETTLED_S / LOOK_S)):
        if len(found) >= many:
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"only {len(found)} of {many} are acknowledged")


async def _rest(meta: Meta, total: int) -> None:
    """Returns once everything was shown, or nothing was for so long that nothing comes."""
    silent, seen = 0.0, -1
    while len(shown(meta)) < total and silent < SETTLED_S:
        silent = 0.0 if len(meta.posted) != seen else silent + AGAIN_S
        seen = len(meta.posted)
        await asyncio.sleep(AGAIN_S)


def shown(meta: Meta) -> dict[str, list[str]]:
    """What was posted, each text with whom it went to."""
    found: dict[str, list[str]] = {}
    for each in list(meta.posted):
        if each.get("type") == "text":
            found.setdefault(each["text"]["body"].removeprefix("Read "), []).append(each["to"])
    return found


def _judged(texts: dict[str, list[str]], meta: Meta, stuck: Counter[str]) -> Outcome:
    trouble: list[str] = []
    found = shown(meta)
    expected = {text: customer for customer, said in texts.items() for text in said}
    missing = [text for text in expected if text not in found]
    if len(missing) > stuck["in_doubt"]:
        trouble.append(f"{len(missing)} unanswered and {stuck['in_doubt']} in doubt: {missing[:3]}")
    if stuck["dead"] or stuck["failed"]:
        trouble.append(f"dead or failed: {stuck}")
    for text, to in found.items():
        if to != [expected.get(text)]:
            trouble.append(f"{text} went to {to}")
    for customer, said in texts.items():
        order = [text for text, to in found.items() if to[0] == customer]
        if order != [text for text in said if text in order]:
            trouble.append(f"{customer} read {order}")
    return Outcome("; ".join(trouble), stuck["in_doubt"])


def play(playing: Playing) -> bool:
    """Loads during which each of the three is killed several times. Whether anything is wrong."""
    seeds = [playing.chance.randrange(2**32) for _ in range(playing.rounds)]
    plan = [_bearing(seed) for seed in seeds]
    once = playing._replace(at_once=1)  # each is three processes and a server
    outcomes = all_of(plan, once, "apart")
    for seed, each in zip(seeds, outcomes, strict=True):
        if each.trouble:
            playing.console.print(f"[red]apart, seed {seed}: {each.trouble}")
    doubts = sum(each.doubts for each in outcomes)
    playing.console.print(f"{len(outcomes)} loads with {KILLS} kills each, {doubts} deliveries in doubt")
    return any(each.trouble for each in outcomes)


def _bearing(seed: int) -> Callable[[Path], Outcome]:
    chance = random.Random(seed)
    kills: list[Name] = [each for _ in range(KILLS // len(NAMES)) for each in chance.sample(NAMES, len(NAMES))]
    return lambda home: asyncio.run(killed(home, Load(CUSTOMERS, MESSAGES, kills), chance))
