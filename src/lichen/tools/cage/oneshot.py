"""One command, from its start to its end: what it said and what became of it, each with a bound."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader

import msgspec

from lichen.core.cage.grant import Grant
from lichen.tools.cage.port import Cage, Caged, Command, Exceeded

OUTPUT_BYTES_MAX = 10 * 1024 * 1024


class Ran(msgspec.Struct, frozen=True):
    """What a command said and how it ended. A killed one has the negative number of the signal, and in `exceeded` the
    bound that it was killed for; what was cut off of its output is not kept.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    exceeded: Exceeded = ""
    is_stdout_cut: bool = False
    is_stderr_cut: bool = False


async def run(
    cage: Cage,
    command: Command,
    grant: Grant,
    *,
    timeout_s: float,
    stdin: bytes = b"",
    output_bytes_max: int = OUTPUT_BYTES_MAX,
) -> Ran:
    """What becomes of a command that is given `stdin`. It is killed at its timeout, and when this is cancelled.

    Raises as `Cage.start`.
    """
    caged = await cage.start(command, grant)
    outputs = asyncio.gather(*(_said(each, output_bytes_max) for each in (caged.process.stdout, caged.process.stderr)))
    exceeded: Exceeded = ""
    try:
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(_told(caged, stdin), caged.process.wait())
        except TimeoutError:
            exceeded = "wall"
            caged.kill()
        (stdout, is_stdout_cut), (stderr, is_stderr_cut) = await outputs
    finally:
        outputs.cancel()
        await caged.end()
    code = caged.process.returncode
    assert code is not None
    return Ran(code, stdout, stderr, caged.exceeded or exceeded, is_stdout_cut, is_stderr_cut)


async def _told(caged: Caged, stdin: bytes) -> None:
    assert caged.process.stdin is not None
    try:
        caged.process.stdin.write(stdin)
        await caged.process.stdin.drain()
        caged.process.stdin.close()
    except (ConnectionError, RuntimeError):  # it does not want to know; RuntimeError: uvloop, of one that ended
        return


async def _said(stream: StreamReader | None, bytes_max: int) -> tuple[bytes, bool]:
    """What comes out until the end; the beginning of it where it is more than `bytes_max`."""
    assert stream is not None
    kept = bytearray()
    is_cut = False
    while data := await stream.read(65_536):
        is_cut = is_cut or len(kept) + len(data) > bytes_max
        kept += data[: bytes_max - len(kept)]
    return bytes(kept), is_cut
