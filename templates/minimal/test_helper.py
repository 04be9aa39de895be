"""What customers hear. Run it with pytest."""

import asyncio
from pathlib import Path

import pytest

from lichen import Customer, Runtime, Scope
from lichen.settings import load

PROJECT = Path(__file__).with_name("lichen.toml")


async def reply(home: Path, text: str) -> str:
    async with Runtime.of(load(PROJECT, environ={"LICHEN_HOME": str(home)})) as runtime:
        session = await runtime.sessions.open(Scope("mine", "dev"), Customer("customer-1"))
        return (await (await session.say(text)).result()).text


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("How many miles are 10 km?", "10 km are 6.21 miles."),
        ("And 50000 km?", "No road is that long."),
        ("Hello", "I convert kilometres into miles. Try: how many miles are 10 km?"),
    ],
)
def test_the_helper_converts_what_policy_lets_it(tmp_path: Path, said: str, heard: str) -> None:
    assert asyncio.run(reply(tmp_path, said)) == heard
