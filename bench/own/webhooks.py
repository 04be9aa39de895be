"""The door of webhooks that is measured: two tenants whose systems post deliveries and are posted answers.

Prints its port, ends on SIGTERM. On SIGUSR1 it says when all it accepted is answered. Argument: where answers go.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from bench.figure import ROOT
from bench.own.gateway import WIDE
from bench.own.shop import policies
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site

TENANTS = ("acme", "globex")
KEY_VARIABLE, ANSWER_VARIABLE = "BENCH_WEBHOOK_KEY", "BENCH_ANSWER_KEY"
KEY, ANSWER_KEY = "between us", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

MANY = 1_000_000_000
BOUNDS = (
    "messages_per_minute",
    "messages_per_minute_address",
    "messages_per_minute_tenant",
    "bytes_per_day",
    "bytes_per_day_address",
    "webhooks_per_second",
    "webhooks_burst",
    "webhook_bytes_per_minute",
)

TENANT = """
[tenants.{name}]
policies = "policies"
development = ["dev"]
agent = "bench.none"

[tenants.{name}.quotas]
{quotas}

[tenants.{name}.webhook]
scheme = "hmac"
secrets = ["env:{key}"]
text = "/text"
conversation = "/conversation"
id = "/id"
{out}
"""


def written(root: Path, answers: str) -> Path:
    """The project that is measured, as somebody would write it."""
    policies(root)
    (root / "shop_agents.py").write_text("from bench.own.shop import agents\n\nNONE, ONCE = agents(1)\n")
    quotas = "\n".join(f"{name} = {MANY}" for name in BOUNDS)
    out = f'url = "{answers}"\nurl_secret = "env:{ANSWER_VARIABLE}"' if answers else ""
    tenants = "".join(TENANT.format(name=each, quotas=quotas, key=KEY_VARIABLE, out=out) for each in TENANTS)
    path = root / "lichen.toml"
    path.write_text(f'[lichen]\nagents = ["shop_agents.py:NONE"]\nhome = "data"\n{tenants}')
    return path


async def main(answers: str) -> None:
    os.environ |= {KEY_VARIABLE: KEY, ANSWER_VARIABLE: ANSWER_KEY}
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        project = load(written(Path(folder), answers), environ=os.environ)
        async with (
            Runtime.of(project) as runtime,
            listening(make_site(runtime), "127.0.0.1", 0, bounds=WIDE) as port,
        ):
            telling: set[asyncio.Task[None]] = set()
            loop.add_signal_handler(signal.SIGUSR1, lambda: telling.add(asyncio.ensure_future(_tell_idle(runtime))))
            print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)
            await told.wait()


async def _tell_idle(runtime: Runtime) -> None:
    await runtime.idle()
    print(json.dumps({"idle": True}), flush=True)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main(*sys.argv[1:2] or [""]))
    except ImportError:
        asyncio.run(main(*sys.argv[1:2] or [""]))
