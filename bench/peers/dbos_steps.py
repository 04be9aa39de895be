"""Durable steps per second of DBOS on SQLite: `total` workflows, `runs` at once, ten steps each. Prints JSON."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from dbos import DBOS, DBOSConfig

STEPS = 10


def main(path: str, runs: int, total: int) -> None:
    DBOS(
        config=DBOSConfig(
            name="bench", system_database_url=f"sqlite:///{path}", run_admin_server=False, log_level="ERROR"
        )
    )

    @DBOS.step()
    def step(i: int) -> int:
        return i

    @DBOS.workflow()
    def workflow() -> int:
        return sum(step(i) for i in range(STEPS))

    DBOS.launch()
    workflow()
    with ThreadPoolExecutor(min(runs, 32)) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: workflow(), range(total)))
        seconds = time.perf_counter() - began
    DBOS.destroy()
    print(json.dumps({"steps_per_s": total * STEPS / seconds, "version": version("dbos")}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
