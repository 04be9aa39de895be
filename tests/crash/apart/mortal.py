"""A `lichen` that dies as it passes a point for the first time: `python -m tests.crash.apart.mortal POINT serve …`."""

from __future__ import annotations

import os
import signal
import sys

from lichen.cli.app import main
from lichen.core.words import faults


def dies_at(point: str) -> None:
    """Has this process killed at a point, as by somebody else."""

    def die(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    faults.install(die)


if __name__ == "__main__":
    dies_at(sys.argv.pop(1))
    main()
