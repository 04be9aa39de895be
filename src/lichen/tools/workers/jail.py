"""A worker process in a jail, for one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lichen.tools.workers.frames import Answer, Job, ToolFailed, pack
from lichen.tools.workers.processes import WorkerProcess, search_path

if TYPE_CHECKING:  # what makes jails is loaded with the first of them
    from lichen.tools.cage.port import Caged


class Jail:
    """The process, told where its modules are."""

    def __init__(self, caged: Caged) -> None:
        self._caged = caged
        self._process = WorkerProcess(caged.process)
        self._process.introduce(search_path())

    @property
    def is_alive(self) -> bool:
        """Whether the process can take its call."""
        return self._process.is_alive

    async def ask(self, job: Job) -> Answer:
        """The answer to the one job of this process. Raises ToolFailed (`worker_crashed`) if it ends without one."""
        try:
            return await self._process.ask(pack(job))
        except ToolFailed as error:
            await self._caged.end()
            if self._caged.exceeded:
                message = f"The tool was ended, since it used more {self._caged.exceeded} than it may."
                step = "Grant it more with cage=, or let it do less."
                raise ToolFailed(message, code=error.code, next_step=step) from None
            raise

    async def end(self) -> None:
        """Kills it, and returns once everything in it is gone."""
        await self._caged.end()
