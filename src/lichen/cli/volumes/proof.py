"""`lichen log verify`: whether a log, or an export of it, is what was signed."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.entrance import entrance
from lichen.cli.volumes.moving import files
from lichen.core.words.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from lichen.log.audit.export import ExportReport

LONG_S = 3600.0
RUNS_SHOWN = 8

_LOG = re.compile(r"[a-z0-9-]+/[a-z0-9-]+/[0-9]+")


@calling
def verify(
    caller: Caller,
    export: Annotated[Path | None, typer.Argument(help="An export, instead of the data.", metavar="[EXPORT]")] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The log's public key as you know it, for an export.", metavar="HEX")
    ] = None,
    head: Annotated[
        Path | None, typer.Option(help="A signed head that you kept: the log must hold it.", metavar="FILE")
    ] = None,
) -> None:
    """Proves the log: every record, chain, tree, signature; rebuilds every view and compares.

    Without a tenant, every log of the data directory. When nobody owns the directory its files are read as they are,
    and nothing is changed. Exit code 1 when anything is wrong; the first wrong place is named.
    """
    if export is not None:
        _verify_export(caller, export, public_key)
        return
    kept = _bytes(head) if head is not None else None
    if kept is not None and not _LOG.fullmatch(_log_of(kept)):
        raise _foreign()
    reports = _asked(caller, kept) if caller.has_key or caller.client.connection.is_answered() else _read(caller, kept)
    is_one = caller.has_key or (caller.tenant is not None and len(reports) == 1)
    if not caller.screen.data(reports[0] if is_one else reports):
        for report in reports:
            _tell(caller, report)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


@calling
def head(
    caller: Caller,
    to: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file to write; stdout if left out.", metavar="FILE")
    ] = None,
) -> None:
    """Signs the log as it is now and shows the signed head. Keep it elsewhere: it proves everything before it."""
    from lichen.log.disk.files import write_new_file

    (found,) = caller.client.get("log/heads", limit=1)
    if to is None:
        if not caller.screen.data(found):
            caller.screen.line(found["checkpoint"].rstrip("\n"))
        return
    if to.exists():
        raise Conflict("The file exists already.", code="file_exists", next_step="Name another.", place=str(to))
    write_new_file(to, found["checkpoint"].encode())
    if not caller.screen.data({"file": str(to), "size": found["size"], "root": found["root"]}):
        caller.screen.line(f"{to}: signed at {found['size']} records. `lichen log verify --head {to}` compares.")


def _asked(caller: Caller, kept: bytes | None) -> list[dict[str, Any]]:
    """What the owner of the directory finds; of all logs, or of the one that a kept head is of."""
    body = {"heads": [] if kept is None else [kept.decode(errors="replace")]}
    if caller.tenant is not None or caller.has_key:
        return [caller.client.post("log/verify", body, answer_s=LONG_S)]
    scopes = [s for s in caller.client.get("scopes") if kept is None or f"{s['tenant']}/{s['env']}/0" == _log_of(kept)]
    if not scopes:
        raise _foreign()
    return [caller.client.within(s["tenant"], s["env"]).post("log/verify", body, answer_s=LONG_S) for s in scopes]


def _read(caller: Caller, kept: bytes | None) -> list[dict[str, Any]]:
    """What the files say of the named logs. Raises NotFound (`log_missing`), Invalid (`head_foreign`)."""
    connection = caller.client.connection
    with files(connection) as folder:
        everything = read(connection.workspace.home, () if kept is None else (kept,), folder)
    if kept is not None and _log_of(kept) not in [each["log"] for each in everything if _is_named(caller, each["log"])]:
        raise _foreign()
    found = [report for report in everything if _is_named(caller, report["log"])]
    if not found:
        raise NotFound("This tenant and environment has no log yet.", code="log_missing")
    return found


def read(home: Path, kept: tuple[bytes, ...] = (), folder: Path | None = None) -> list[dict[str, Any]]:
    """What the files of a data directory that nobody owns say of its logs, read by this process; nothing is changed.
    `folder` is where the logs lie as files, the directory itself if left out.

    One report for each log, or a single one without a log when the file as a whole is damaged. Raises NotFound.
    """
    import msgspec

    from lichen.log.audit.verify import verify as verify_files
    from lichen.log.keys.keyring import Keyring
    from lichen.runtime.views.tenant import verification

    folder = folder or home
    if not (folder / "lichen.sqlite").exists():
        raise NotFound("There is no log yet.", code="log_missing", place=str(home))
    with entrance(home), closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - none is drawn
        report = verify_files(folder, keyring=keyring, remembered=kept)
    ids = [log.id for log in report.logs] or ([] if report.is_sound else [""])
    return [msgspec.to_builtins(verification(report, id)) for id in ids]


def _is_named(caller: Caller, id: str) -> bool:
    if not id:
        return True
    tenant, env, _ = id.split("/")
    return caller.tenant in (None, tenant) and caller.env in (None, env)


def _tell(caller: Caller, report: dict[str, Any]) -> None:
    state = "verifies" if report["ok"] else "DOES NOT VERIFY"
    what = (
        f"{report['records']} records, {report['heads']} signed heads, {report['unsigned']} records newer than the last"
    )
    caller.screen.line(f"{report['log'] or 'the data'} {state}: {what}.", "green" if report["ok"] else "bold red")
    for finding in report["findings"]:
        caller.screen.line(f"  {finding}", "red")
    if report["unread"]:
        what = "streams hold records of types that this version does not know; they are as they were written"
        caller.screen.line(f"  {report['unread']} {what}.", "yellow")
    if not report["remembered"]:
        caller.screen.line("  No head was kept apart from it: the newest records could be missing unnoticed.", "yellow")


def _verify_export(caller: Caller, export: Path, public_key: str | None) -> None:
    from lichen.log.audit.export import verify_export

    report = verify_export(_bytes(export), _key(public_key))
    found = {
        "ok": True,
        "log": report.head.log_id,
        "records": len(report.records),
        "head": report.head.size,
        "public_key": report.public_key.hex(),
        "is_key_known": report.is_key_known,
        "positions": report.runs,
        "is_whole": report.is_whole,
    }
    if caller.screen.data(found):
        return
    caller.screen.line(f"{export} verifies: {found['records']} records of {found['log']}.", "green")
    caller.screen.line(f"  {_positions(report)}", "" if report.is_whole else "yellow")
    if not report.is_key_known:
        caller.screen.line(f"  Compare its key with the one you know: --public-key {found['public_key']}", "yellow")


def _log_of(head: bytes) -> str:
    """The log that a signed head says it is of."""
    return head.partition(b"\n")[0].decode(errors="replace")


def _foreign() -> Invalid:
    return Invalid(
        "The head that was kept is of none of these logs.",
        code="head_foreign",
        next_step="Name the log of its first line with --tenant and --env.",
        place="--head",
    )


def _positions(report: ExportReport) -> str:
    """Which part of the log an export is: what was left out is not found by proofs of what is there."""
    runs, size = report.runs, report.head.size
    if report.is_whole:
        return f"It is the whole log when it was signed: 1-{size} without a gap."
    shown = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs[:RUNS_SHOWN])
    more = f" and {len(runs) - RUNS_SHOWN} stretches more" if len(runs) > RUNS_SHOWN else ""
    return f"It is a part of the {size} records that were signed: {shown}{more}. The others are not in it."


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound(
            f"The export cannot be read ({error.strerror}).", code="export_missing", place=str(file)
        ) from None


def _key(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text is not None else None
    except ValueError:
        raise Invalid("A public key is 64 hexadecimal digits.", code="key_invalid", place="--public-key") from None


def signer(export: bytes) -> str:
    """The public key that an export was signed with, as people compare it."""
    import base64

    return base64.b64decode(json.loads(export)["public_key"]).hex()
