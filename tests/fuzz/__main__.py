"""`make fuzz`: gives each parser of strangers' bytes a minute of them, and walks flows that are made up for another.
Exit code 1 when anything was found."""

from __future__ import annotations

import argparse
import random
import sys

from rich.console import Console

from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.targets import TARGETS
from tests.fuzz.walks import walks

WALKS = "walks"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join((*TARGETS, WALKS))}; all if left out"
    )
    args = parser.parse_args()
    console = Console(highlight=False)
    console.print(f"seed {args.seed}")
    is_wrong = False
    for name, target in TARGETS.items():
        if not args.targets or name in args.targets:
            found = fuzzed(target, random.Random(f"{args.seed}/{name}"), seconds=args.seconds)
            is_wrong |= bool(found)
            console.print(f"{name}: {len(found)} found" if found else f"{name}: nothing found")
            for each in found:
                console.print(f"  {each.what}\n    {each.data[:400]!r}")
    if not args.targets or WALKS in args.targets:
        wrong = walks(random.Random(f"{args.seed}/{WALKS}"), seconds=args.seconds)
        is_wrong |= bool(wrong)
        console.print(f"{WALKS}: {len(wrong)} found" if wrong else f"{WALKS}: nothing found")
        for each in wrong:
            console.print(f"  {each.seed}: {each.what}")
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
