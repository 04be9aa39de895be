"""The demo shop as a target: two tenants, people with keys, and something of acme's that nobody else may see."""

from __future__ import annotations

import base64
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope, Service
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime

DEMO = Path(__file__).parents[2] / "demo"
ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
OWNER = Customer("customer-7")
MARK = "purple-elephant"  # in what acme's customer says, and nowhere else
LARGE = f"I want a refund of 80 EUR for order 1042. {MARK}"
FILE = f"data:text/plain;base64,{base64.b64encode(MARK.encode()).decode()}"
STATUS = f"Where is order 1042? {MARK}"


class Treasure(NamedTuple):
    """What acme has: ids of things of its customer, and every text by which they would be recognised elsewhere."""

    session: str
    run: str  # finished
    held: str  # waits for approval
    wait: str
    message: str
    pseudonym: str

    @property
    def parts(self) -> Mapping[str, str]:
        """Values for the parts of a path, by their names."""
        return {
            "session": self.session, "run": self.run, "wait": self.wait, "message": self.message,
            "agent": "shop.support", "name": "shop.support", "id": "00000000", "eval": "eval-0",
            "tool": "files.read", "letter": "letter-1",
            "n": "1", "i": "0",
        }  # fmt: skip

    @property
    def signs(self) -> tuple[str, ...]:
        """What must not be seen by strangers."""
        return (MARK, self.session, self.run, self.held, self.pseudonym)


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncGenerator[Runtime]:
    """The shop in a folder, which is made."""
    root = folder / "shop"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    async with Runtime.of(load(root / "lichen.toml", environ={"LICHEN_HOME": str(folder / "home")})) as runtime:
        yield runtime


async def bury(runtime: Runtime) -> Treasure:
    """Two conversations of acme's customer: one that is answered, and one that waits for an approval."""
    session = await runtime.sessions.open(ACME, OWNER, agent="shop.support", key="one")
    turn = await session.say(STATUS, data={"attachments": [{"contentUrl": FILE}]})
    run = await turn.run()
    await turn.result()
    other = await runtime.sessions.open(ACME, OWNER, agent="shop.support", key="two")
    asked = await other.say(LARGE)
    held = await asked.run()
    await asked.result()
    await runtime.idle()
    ops = Operator("ops", ("operator",))
    wait = next(each.id for each in runtime.waits.list(ACME, ops) if each.kind == "approval")
    return Treasure(session.id, run, held, wait, "o1", runtime.log(ACME).name(OWNER))


async def key_of(runtime: Runtime, scope: Scope, actor: Actor) -> str:
    """A key for somebody."""
    return await runtime.keys.issue(scope, actor, SYSTEM)


PEOPLE: Mapping[str, tuple[Scope, Actor]] = {
    "another customer": (ACME, Customer("customer-8")),
    "a service": (ACME, Service("shop-backend")),
    "an operator": (ACME, Operator("ops", ("operator",))),
    "another tenant's customer": (GLOBEX, Customer("customer-7")),
    "another tenant's service": (GLOBEX, Service("shop-backend")),
    "another tenant's operator": (GLOBEX, Operator("ops", ("operator",))),
}
