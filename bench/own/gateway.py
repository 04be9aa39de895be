"""The gateway that is measured: the shop's agent behind the web chat. Prints its port and a key, ends on SIGTERM.

On SIGUSR1 it says when all it accepted is answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path

from bench.figure import ROOT
from bench.own.shop import agents, policies
from lichen.core.words.quotas import Quotas
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import Bounds, listening
from lichen.serve.site import make_site
from lichen.settings import Settings, Tenant, WebChat
from lichen.settings.routes import Route

ENDLESS = Quotas(**dict.fromkeys(Quotas.__struct_fields__, 2**50))
WIDE = Bounds(connections_max=5_000, connections_each_max=5_000, sockets_max=5_000, sockets_each_max=5_000)
# One address is everybody here.


def hosted(root: Path) -> Project:
    """The project that is measured, over a folder for its data."""
    policies(root)
    route = Route("webchat", agent="bench.none")
    tenant = Tenant(policies="policies", routes=(route,), webchat=WebChat(), quotas=ENDLESS)
    return Project(Settings(root, root / "data", {"acme": tenant}), tuple(agents(1)))


async def main() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        async with (
            Runtime.of(hosted(Path(folder))) as runtime,
            listening(make_site(runtime), "127.0.0.1", 0, bounds=WIDE) as port,
        ):
            key = runtime.keyring.api_keys.issue("acme", "dev", actor_kind="service", actor_id="bench", roles=())
            telling: set[asyncio.Task[None]] = set()
            loop.add_signal_handler(signal.SIGUSR1, lambda: telling.add(asyncio.ensure_future(_tell_idle(runtime))))
            print(json.dumps({"port": port, "key": key, "pid": os.getpid()}), flush=True)
            await told.wait()


async def _tell_idle(runtime: Runtime) -> None:
    await runtime.idle()
    print(json.dumps({"idle": True}), flush=True)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
