"""One kind of line that may be said to a program, as a tool: each is a call of its own, which the gate is asked about.

Source: ToolClad, session mode.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.patterns.pattern import TEXT_CHARS_MAX, PatternError, compiled
from lichen.core.ports.call import (
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
from lichen.tools.clad.command_tool import PATH
from lichen.tools.clad.envelope import Asked, answered
from lichen.tools.clad.manifest import Manifest, SessionCommand, SessionTable, invalid
from lichen.tools.clad.runner import Commands, Job
from lichen.tools.clad.scope import HOSTNAME, Scope, is_network
from lichen.tools.clad.sessions.sessions import Key, Opening, Sessions
from lichen.tools.clad.sessions.terminal import LINE_BYTES_MAX, RELAY, Ended, Said
from lichen.tools.clad.values import INJECTION

ARGUMENT: Final = "command"
_SYSTEM: Final = ("/usr/", "/bin/", "/sbin/")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:/-]+")


class SessionFailed(Exception):
    """The program ended after the line was said to it: what that did is not known."""


class Line(NamedTuple):
    """What may be said: the lines that fit a pattern, and what is looked at in them."""

    command: SessionCommand
    pattern: re.Pattern[str]
    is_sanitized: bool
    scope: Scope | None

    def check(self, text: str) -> None:
        """Raises InvalidArguments for a line that may not be said."""
        why = next(self._faults(text), "")
        if why:
            raise InvalidArguments((Issue(f"/{ARGUMENT}", "invalid_pattern", why),))

    def _faults(self, text: str) -> Iterator[str]:
        if not text.isprintable() or len(text.encode("utf-8", "surrogatepass")) > min(LINE_BYTES_MAX, TEXT_CHARS_MAX):
            yield "must be one line that is not too long, without letters that steer a terminal."
        elif self.is_sanitized and set(text) & INJECTION:
            yield "must hold none of the letters that shells act on."
        elif not self.pattern.fullmatch(text):
            yield "must fit the pattern of this command."
        elif self.command.extract_target:
            targets = tuple(self._targets(text))
            if not targets or not all((self.scope or Scope()).holds(each) for each in targets):
                yield "must name hosts within the scope, and no others."

    def _targets(self, text: str) -> Iterator[str]:
        """What a line points at: its group `target`, else each word that is a host, an address or a network."""
        found = self.pattern.fullmatch(text)
        named = found.groupdict() if found is not None else {}
        if "target" in named:
            yield named["target"] or ""
            return
        for word in _HOST.findall(text):
            plain = re.sub(r"^[a-z]+://", "", word)
            if not is_network(plain):
                host = plain.partition("/")[0]
                plain = host.rpartition(":")[0] or host
            if is_network(plain) or ("." in plain and HOSTNAME.fullmatch(plain)):
                yield plain


def opening_of(manifest: Manifest, place: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The pattern of the prompt, and the words of the program. Raises Invalid (`manifest_invalid`)."""
    table = manifest.session
    assert table is not None, "it was looked at"
    try:
        ready, words = _compiled(table.ready_pattern), tuple(shlex.split(table.startup_command))
    except (PatternError, ValueError) as error:
        raise invalid(f"[session]: {error}.", place) from None
    if not words or (manifest.tool.binary and words[0].rpartition("/")[2] != manifest.tool.binary.rpartition("/")[2]):
        raise invalid("[session] startup_command begins another program than `binary`, or none.", place)
    return ready, words


def line_of(command: SessionCommand, table: SessionTable, scope: Scope | None, place: str) -> Line:
    """What a table of `[session.commands]` lets be said. Raises Invalid (`manifest_invalid`)."""
    try:
        pattern = _compiled(command.pattern)
    except PatternError as error:
        raise invalid(f"[session.commands]: its pattern cannot be used: {error}.", place) from None
    if command.extract_target and scope is None:
        raise invalid("It is pointed at hosts: name the file of their scope under [lichen] scope.", place)
    return Line(command, pattern, "injection" in table.interaction.input_sanitize, scope)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(compiled(pattern).pattern)  # with the case that was written


class SessionTool:
    """One command of one manifest. `root` is the folder that the manifest lies in."""

    def __init__(
        self, spec: ToolSpec, manifest: Manifest, line: Line, ready: re.Pattern[str], words: tuple[str, ...],
        pin: str, root: Path, sessions: Sessions | None = None, commands: Commands | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._manifest, self._line, self._ready, self._words = manifest, line, ready, words
        self._pin, self._root = pin, root
        self._sessions, self._commands = sessions or Sessions(), commands or Commands()

    def bound(self, resources: Resources) -> SessionTool:
        """The tool over the sessions of a runtime."""
        return SessionTool(
            self.spec, self._manifest, self._line, self._ready, self._words, self._pin, self._root,
            resources.made(Sessions), resources.made(Commands),
        )  # fmt: skip

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments with a line that may be said. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        self._line.check(fields[ARGUMENT])
        return canonical(fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a program vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What the program answers, in its envelope if the manifest wants one.

        Raises NotDone where nothing was said to it, or it changes nothing; SessionFailed, TimeoutError.
        """
        table, output = self._manifest.session, self._manifest.output
        assert table is not None, "it was looked at"
        assert output is not None, "a manifest that was read has an output"
        text, acts, loop = str(args.fields[ARGUMENT]), self.spec.effects != "none", asyncio.get_running_loop()
        asked = Asked(self._manifest, meta, text, self._commands.clock(), loop.time())

        def job(folder: Path) -> Job:
            return self._job(folder, meta)

        opening = Opening(table, self._ready, job)
        session = self._sessions.of(Key(meta.scope, meta.run, self._pin), opening)
        wait_ms = table.interaction.output_wait_ms
        wait_s = max(meta.timeout_s if wait_ms is None else min(meta.timeout_s, wait_ms / 1_000), 0.001)
        try:
            said = await session.say(text, wait_s)
        except Ended:
            if acts:
                raise SessionFailed("The program ended before it answered.") from None
            message = "The program ended before it answered."
            raise NotDone(message, code="command_failed", retryable=False, recovery="replan") from None
        as_json = msgspec.structs.replace(output, format="json", parser="")
        data = msgspec.json.encode(_results(said, session.count))
        return await asyncio.to_thread(answered, asked, as_json, data, loop.time(), acts=acts)

    def _job(self, folder: Path, meta: CallMeta) -> Job:
        ours = self._manifest.lichen
        found = shutil.which(self._words[0], path=PATH)
        if found is None:
            raise NotDone(f"There is no program {self._words[0]!r}.", code="program_unknown", retryable=False)
        reads = [str(self._root / path) for path in ours.reads]
        env = {"PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb", "HOME": str(folder), "TMPDIR": str(folder)}
        for name, value in ours.env.items():
            before, is_secret, secret = value.partition("secret:")
            env[name] = before + meta.secrets[secret].reveal() if is_secret else value
        return Job(
            (sys.executable, "-I", "-S", "-c", RELAY, found, *self._words[1:]),
            reads[0] if reads else str(folder),
            env,
            reads=(*reads, *(() if found.startswith(_SYSTEM) else (found,))),
            writes=(str(folder),),
            network=ours.network,
            memory_mb=ours.memory_mb,
            cpu_s=ours.cpu_s,
            processes=ours.processes,
            hides=self._sessions.hides,
        )

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: a program says nothing of an earlier line."""
        return CannotTell()


def _results(said: Said, count: int) -> Mapping[str, Any]:
    cut = {"truncated": True} if said.is_cut else {}
    return {
        "prompt": said.prompt.strip(),
        "output": said.output,
        "session_state": said.state,
        "interaction_count": count,
        **cut,
    }
