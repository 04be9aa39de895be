"""`make attack`: tries every section at full size and prints a line for each. Exit code 1 when anything was found."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.attack.section import Outcome, sections

LISTED_MAX = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections())}; all if left out")
    args = parser.parse_args()
    console = Console(highlight=False)
    console.print(f"seed {args.seed}")
    is_wrong = False
    for name, attack in sections().items():
        if not args.sections or name in args.sections:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="lichen-attack-") as folder:
                outcome = attack(args.size, random.Random(f"{args.seed}/{name}"), Path(folder))
            is_wrong |= bool(outcome.found)
            _tell(console, name, outcome, time.monotonic() - began)
    return 1 if is_wrong else 0


def _tell(console: Console, name: str, outcome: Outcome, seconds: float) -> None:
    style = "bold red" if outcome.found else "green"
    console.print(
        f"{name:<10} {outcome.tried}; found {len(outcome.found)}; {seconds:.1f} s", style=style, soft_wrap=True
    )
    for found in outcome.found[:LISTED_MAX]:
        console.print(f"  {found}", style="red", markup=False)
    if len(outcome.found) > LISTED_MAX:
        console.print(f"  and {len(outcome.found) - LISTED_MAX} more", style="red")


if __name__ == "__main__":
    sys.exit(main())
