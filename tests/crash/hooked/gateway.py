"""One life of a gateway with a channel that a package brought: until it is told to end, or dies at the named point.

`python -m tests.crash.hooked.gateway HOME [--point NAME] [--nth N]` prints the port once it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Conflict
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from tests.channels.pager import SECRET, install_pager
from tests.crash.life import OPS, SCOPE, install
from tests.crash.world import POLICY, SHOP_KEY

PROJECT = """
[lichen]
agents = ["shop.py:main", "shop.py:payer"]
home = "data"

[tenants.acme]
agent = "crash.main"
policies = "policies"

[tenants.acme.quotas]
webhooks_per_second = 100_000
webhooks_burst = 100_000

[tenants.acme.pager]
env = "dev"
"""
SHOP = """
from tests.crash.world import agents

main, payer = agents(has_probe=True)
"""


def project_of(home: Path, exchange: str) -> Project:
    """A tenant whose customers have pagers, and talk to the agent that does everything a run can do."""
    site, policies = home / "site", home / "policies"
    if not site.exists():
        install_pager(site)
    policies.mkdir(exist_ok=True)
    (policies / "crash.cedar").write_text(POLICY)
    (home / "shop.py").write_text(SHOP)
    (home / "lichen.toml").write_text(PROJECT)
    sys.path.insert(0, str(site))
    os.environ.update(PAGER_SECRET=SECRET, PAGER_URL=exchange)
    return load(home / "lichen.toml", environ=os.environ)


async def live(home: Path, exchange: str, point: str, nth: int) -> None:
    """From opening the data to SIGTERM."""
    install(point, nth, Counter())
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    runtime = Runtime.of(project_of(home, exchange))
    async with runtime, listening(make_site(runtime), "127.0.0.1", 0) as port:
        with suppress(Conflict):  # a life before this one gave it
            await runtime.secrets.set(SCOPE, "shop.key", Secret(SHOP_KEY), OPS)
        print(port, flush=True)
        await told.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("exchange", help="where replies are posted")
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    args = parser.parse_args()
    asyncio.run(live(args.home, args.exchange, args.point, args.nth))


if __name__ == "__main__":
    main()
