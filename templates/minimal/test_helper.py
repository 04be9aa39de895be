"""What customers hear. Run it with pytest."""

from pathlib import Path

import pytest

from lichen.testing.worlds import as_sync, project_world

PROJECT = Path(__file__).with_name("lichen.toml")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("How many miles are 10 km?", "10 km are 6.21 miles."),
        ("And 50000 km?", "No road is that long."),
        ("Hello", "I convert kilometres into miles. Try: how many miles are 10 km?"),
    ],
)
@as_sync
async def test_the_helper_converts_what_policy_lets_it(said: str, heard: str) -> None:
    async with project_world(PROJECT) as world:
        talk = await world.talk("customer-7")
        assert (await talk.say(said)).text == heard
