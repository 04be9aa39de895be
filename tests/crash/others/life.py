"""One life of a kind: plays its story to the end and judges what came of it, or dies at the named point.

`python -m tests.crash.others.life HOME KIND [--point NAME] [--nth N]`. Each step of a story asks first how things
stand, or bears a key, so a later life goes on where the last one died.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.crash.life import install
from tests.crash.others import asking, platform, timed
from tests.crash.others.sabotage import SABOTAGES

DEADLINE_S = 40.0
Story = Callable[[Path], Awaitable[None]]

STORIES: Final[dict[str, Story]] = {"platform": platform.live, "timed": timed.live, "asking": asking.live}


async def live(story: Story, home: Path, point: str, nth: int) -> Counter[str]:
    """One life from opening the data to closing it."""
    seen = Counter[str]()
    install(point, nth, seen)
    async with asyncio.timeout(DEADLINE_S):
        await story(home)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("kind", choices=STORIES)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=0, help="lives before this one")
    parser.add_argument("--lost", type=int, default=0, help="attempts that asked models: there are none here")
    parser.add_argument("--seen", type=Path, help="write how often each point was passed, as JSON")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break a promise")
    args = parser.parse_args()
    if args.sabotage:
        SABOTAGES[args.sabotage]()
    seen = asyncio.run(live(STORIES[args.kind], args.home, args.point, args.nth))
    if args.seen:
        args.seen.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
