"""Projects whose components are guests of the families in use, and whose flows ask them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lichen.core.deciders import events as e
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.wait import WaitView
from tests.cli.projects import Project
from tests.runtime.world import until
from tests.tools.wasm.families.guests import Interfaces
from tests.tools.wasm.families.shapes import guest
from tests.tools.wasm.guests import binary

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
POLICY = '@id("operate") permit (principal, action, resource);'
SETTINGS = """
[lichen]
agents = []
flows = ["*.ygtc"]

[tenants.acme]
policies = "policies"
agent = "flows.main"
actors = [{id = "ops", kind = "operator", roles = ["operator"]}]
"""


def project(root: Path, flows: Mapping[str, str], components: Mapping[str, str | Interfaces], **more: str) -> Project:
    """A project of these flows and components, each a guest or the text of one; `more` stands in their tables."""
    tables = "".join(
        f'\n[[component]]\nname = "{name}"\nfile = "{name}.wasm"\n{more.get(name, "")}\n' for name in components
    )
    files = {"lichen.toml": SETTINGS + tables, "policies/shop.cedar": POLICY}
    made = Project(root, {**files, **{f"{name}.ygtc": text for name, text in flows.items()}})
    for name, held in components.items():
        (root / f"{name}.wasm").write_bytes(binary(held if isinstance(held, str) else guest(held)))
    return made


class Asked:
    """A runtime of such a project."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def begin(self, flow: str = "main", text: str = "hi") -> RunId:
        return await self.runtime.runs.start(SCOPE, f"flows.{flow}", text, OPS)

    async def __call__(self, flow: str = "main", text: str = "hi") -> str:
        """What a run of a flow answers."""
        return await self.runtime.runs.result(SCOPE, await self.begin(flow, text), OPS)

    async def failure(self, flow: str = "main", text: str = "hi") -> str:
        """The code with which a run of a flow fails."""
        run = await self.begin(flow, text)
        with suppress(LichenError):
            await self.runtime.runs.result(SCOPE, run, OPS)
        return next(each.code for each in self.records(run) if isinstance(each, e.RunFinished))

    def questions(self) -> tuple[WaitView, ...]:
        """The questions that are open."""
        return self.runtime.waits.list(SCOPE, OPS, kinds=("clarification",))

    async def question(self) -> WaitView:
        """The one question that is open, once there is one."""
        await until(self.questions)
        (wait,) = self.questions()
        return wait

    def records(self, run: RunId) -> list[Any]:
        """What was noted of a run."""
        log = self.runtime.engine.journal(SCOPE).log
        return [each.control for each in log.records(run_stream(run))]


@asynccontextmanager
async def opened(project: Project) -> AsyncGenerator[Asked]:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        yield Asked(runtime)
