"""A command of a manifest, as the engine executes it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Resources, ToolSpec
from lichen.tools.arguments.described import canonical, read
from lichen.tools.clad.commands import EVIDENCE, OUTPUT_FILE, SCAN_ID, values, words
from lichen.tools.clad.envelope import Asked, CommandFailed, encoded, results_of
from lichen.tools.clad.inputs import Inputs
from lichen.tools.clad.manifest import Manifest
from lichen.tools.clad.output import Unreadable
from lichen.tools.clad.runner import OUTPUT_BYTES_MAX, Commands, Job, Said

STDERR_CHARS_MAX: Final = 4_000
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandTool:
    """One manifest with `[command]`. `root` is the folder that it lies in."""

    def __init__(
        self, spec: ToolSpec, manifest: Manifest, inputs: Inputs, root: Path, commands: Commands | None = None
    ) -> None:
        self.spec = spec
        self._manifest, self._inputs, self._plan, self._root = manifest, inputs, inputs.plan, root
        self._commands = commands or Commands()

    def bound(self, resources: Resources) -> CommandTool:
        """The tool with the jail of a runtime."""
        return CommandTool(self.spec, self._manifest, self._inputs, self._root, resources.made(Commands))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments that are words of the command, within the scope. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        words(self._plan, self._inputs.of(fields), {})
        return canonical(fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a command vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What the command said, in its envelope if the manifest wants one.

        Raises NotDone where it was not started, or failed and changes nothing; CommandFailed, TimeoutError.
        """
        found = values(self._plan, args.fields)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="lichen-command-"))
        try:
            return await self._run(found, meta, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _run(self, found: Mapping[str, str], meta: CallMeta, folder: Path) -> bytes:
        file = folder / f"out.{self._manifest.output.format if self._manifest.output else 'text'}"
        id = f"{meta.run}-{meta.call}"
        given = {OUTPUT_FILE: str(file), SCAN_ID: id, EVIDENCE: str(folder)}
        job = self._job(words(self._plan, found, given), meta, folder)
        began_us, began_s = self._commands.clock(), asyncio.get_running_loop().time()
        said = await self._commands.run(job, max(meta.timeout_s, 0.001))
        if said.exceeded == "wall":
            raise TimeoutError
        if self._plan.uses_file:
            said = msgspec.structs.replace(said, stdout=await asyncio.to_thread(_read, file) or said.stdout)
        asked = Asked(self._manifest, meta, shlex.join(job.words), began_us, began_s)
        now_s = asyncio.get_running_loop().time()
        return await asyncio.to_thread(self._result, said, asked, now_s)  # it may have said much

    def _job(self, of: tuple[str, ...], meta: CallMeta, folder: Path) -> Job:
        ours = self._manifest.lichen
        reads = tuple(str(self._root / path) for path in ours.reads)
        env = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}
        for name, value in ours.env.items():
            before, is_secret, secret = value.partition("secret:")
            env[name] = before + meta.secrets[secret].reveal() if is_secret else value
        return Job(
            of,
            reads[0] if reads else str(folder),
            env,
            reads=reads,
            writes=(str(folder),),
            network=ours.network,
            memory_mb=ours.memory_mb,
            cpu_s=ours.cpu_s,
            processes=ours.processes,
            hides=self._commands.hides,
        )

    def _result(self, said: Said, asked: Asked, now_s: float) -> bytes:
        """The result of a command that ended. Raises NotDone, CommandFailed."""
        output = self._manifest.output
        assert output is not None, "a manifest that was read has an output"
        results, fault = None, self._fault(said)
        if not fault:
            try:
                results = results_of(output, said.stdout)
            except Unreadable as error:
                fault = str(error)
        stderr = said.stderr.decode(errors="replace")[:STDERR_CHARS_MAX]
        if fault and self.spec.effects == "none":
            message = f"{fault} {stderr}".strip()
            raise NotDone(message, code="command_failed", retryable=False, recovery="replan")
        if fault and not output.envelope:
            raise CommandFailed(fault)
        envelope = asked.envelope(
            said.stdout, now_s, status="error" if fault else "success", exit_code=said.exit_code, stderr=stderr
        )
        return encoded(output, envelope, results)

    def _fault(self, said: Said) -> str:
        if said.exceeded:
            return f"It was ended, since it used more {said.exceeded} than it may."
        if said.exit_code not in self._manifest.lichen.exit_codes:
            return f"It ended with {said.exit_code}."
        return f"It said more than {OUTPUT_BYTES_MAX} bytes." if said.is_cut else ""

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: a command says nothing of an earlier one."""
        return CannotTell()


def _read(file: Path) -> bytes:
    """What a command wrote where it was told to; nothing where it wrote a link, or too much."""
    if file.is_symlink() or not file.is_file():
        return b""
    with file.open("rb") as opened:
        data = opened.read(OUTPUT_BYTES_MAX + 1)
    return data if len(data) <= OUTPUT_BYTES_MAX else b""
