"""How an agent's build is told to whoever measures it: a process that builds, builds again and again, or asks once.

The first argument is where a database may lie. With `built N` the process says when the agent is there, and then the
seconds of each of so many more builds; with `answered` it says when its model's first answer is there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def tell(build: Callable[[], Any], answer: Callable[[Any], str], version: str) -> None:
    """Does what the arguments say, and prints JSON."""
    agent = build()
    match sys.argv[2:]:
        case ["built", times]:
            _print({"version": version})
            _print({"times": [_timed(build) for _ in range(int(times))]})
        case ["answered"]:
            said = answer(agent)
            assert said.startswith("Order 1042"), said
            _print({"version": version})
        case _:
            raise SystemExit("usage: DATABASE built TIMES | answered")


def _timed(build: Callable[[], Any]) -> float:
    began = time.perf_counter()
    build()
    return time.perf_counter() - began


def _print(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)
