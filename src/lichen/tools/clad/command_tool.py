"""A command of a manifest, as the engine executes it."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.ports.call import (
    RESULT_BYTES_MAX,
    Arguments,
    CallMeta,
    CannotTell,
    InvalidArguments,
    Issue,
    NotDone,
    Probe,
    Resources,
    ToolSpec,
)
from lichen.tools.arguments.described import canonical, read
from lichen.tools.clad.commands import EVIDENCE, OUTPUT_FILE, SCAN_ID, Plan, values, words
from lichen.tools.clad.manifest import Manifest
from lichen.tools.clad.output import Unreadable, read_output
from lichen.tools.clad.runner import OUTPUT_BYTES_MAX, Commands, Job, Said
from lichen.tools.clad.scope import Scope, is_internal
from lichen.tools.clad.values import target_of

STDERR_CHARS_MAX: Final = 4_000
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SCOPED: Final = ("scope_target", "cidr", "ip_address")


class CommandFailed(Exception):
    """The command ended badly after it was started: what it did by then is not known."""


class CommandTool:
    """One manifest. `root` is the folder that it lies in, `scope` where it may be pointed at."""

    def __init__(
        self, spec: ToolSpec, manifest: Manifest, plan: Plan, scope: Scope | None, root: Path,
        commands: Commands | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._manifest, self._plan, self._scope, self._root = manifest, plan, scope, root
        self._commands = commands or Commands()

    def bound(self, resources: Resources) -> CommandTool:
        """The tool with the jail of a runtime."""
        return CommandTool(self.spec, self._manifest, self._plan, self._scope, self._root, resources.made(Commands))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments that are words of the command, within the scope. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        found = values(self._plan, fields)
        outside = tuple(self._outside(found))
        if outside:
            raise InvalidArguments(outside)
        words(self._plan, found, {})
        return canonical(fields)

    def _outside(self, found: Mapping[str, str]) -> Iterator[Issue]:
        """What points somewhere that the command may not be pointed at."""
        for name, argument in self._plan.arguments.items():
            if not (text := found[name]):
                continue
            target = target_of(argument, text)
            if argument.block_internal and is_internal(target):
                yield Issue(f"/{name}", "invalid_enum_value", "must be none of our own network.")
            elif (argument.type in SCOPED or argument.scope_check) and not (self._scope or Scope()).holds(target):
                yield Issue(f"/{name}", "invalid_enum_value", "must lie within the scope.")

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
        took_ms = round((asyncio.get_running_loop().time() - began_s) * 1_000)
        envelope = {
            "scan_id": id,
            "tool": self._manifest.tool.name,
            "command": shlex.join(job.words),
            "duration_ms": took_ms,
            "timestamp": datetime.fromtimestamp(began_us / 1e6, UTC).isoformat(),
        }
        return await asyncio.to_thread(self._result, said, envelope)  # it may have said much

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

    def _result(self, said: Said, envelope: dict[str, Any]) -> bytes:
        """The result of a command that ended. Raises NotDone, CommandFailed."""
        output = self._manifest.output
        assert output is not None, "a manifest that was read has an output"
        results, fault = None, self._fault(said)
        if not fault:
            try:
                results = read_output(output, said.stdout)
                fault = self._misfit(results)
            except Unreadable as error:
                fault = str(error)
        stderr = said.stderr.decode(errors="replace")[:STDERR_CHARS_MAX]
        if fault and self.spec.effects == "none":
            message = f"{fault} {stderr}".strip()
            raise NotDone(message, code="command_failed", retryable=False, recovery="replan")
        if fault and not output.envelope:
            raise CommandFailed(fault)
        wrapped = {
            "status": "error" if fault else "success",
            **envelope,
            "exit_code": said.exit_code,
            "stderr": stderr,
            "output_file": "",
            "output_hash": f"sha256:{hashlib.sha256(said.stdout).hexdigest()}",
            "results": None if fault else results,
        }
        data = msgspec.json.encode(wrapped if output.envelope else results)
        if len(data) > RESULT_BYTES_MAX:
            raise CommandFailed(f"It said more than {RESULT_BYTES_MAX} bytes.")
        return data

    def _fault(self, said: Said) -> str:
        if said.exceeded:
            return f"It was ended, since it used more {said.exceeded} than it may."
        if said.exit_code not in self._manifest.lichen.exit_codes:
            return f"It ended with {said.exit_code}."
        return f"It said more than {OUTPUT_BYTES_MAX} bytes." if said.is_cut else ""

    def _misfit(self, results: Any) -> str:
        from lichen.tools.arguments import bounded  # no process needs it to start

        output = self._manifest.output
        assert output is not None, "a manifest that was read has an output"
        problem = bounded.misfit(output.schema, results)
        return "" if problem is None else f"{problem.place or '/'}: what it said does not fit its schema."

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
