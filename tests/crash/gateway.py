"""One life of the gateway: serves the web chat until it is told to end, or dies at the named point.

`python -m tests.crash.gateway HOME [--point NAME] [--nth N]` prints the port once it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Conflict
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from lichen.settings import Settings, Tenant, WebChat
from lichen.settings.routes import Route
from tests.crash.life import OPS, SCOPE, install
from tests.crash.world import POLICY, SHOP_KEY, agents


def project_of(home: Path) -> Project:
    """One tenant whose web chat leads to the agent that does everything a run can do."""
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "crash.cedar").write_text(POLICY)
    tenant = Tenant(policies="policies", routes=(Route("webchat", agent="crash.main"),), webchat=WebChat())
    return Project(Settings(home, home, {"acme": tenant}), tuple(agents(has_probe=True)))


async def live(home: Path, point: str, nth: int) -> None:
    """From opening the data to SIGTERM."""
    install(point, nth, Counter())
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with Runtime.of(project_of(home)) as runtime, listening(make_site(runtime), "127.0.0.1", 0) as port:
        with suppress(Conflict):  # a life before this one gave it
            await runtime.secrets.set(SCOPE, "shop.key", Secret(SHOP_KEY), OPS)
        print(port, flush=True)
        await told.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    args = parser.parse_args()
    asyncio.run(live(args.home, args.point, args.nth))


if __name__ == "__main__":
    main()
