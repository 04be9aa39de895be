"""`lichen log verify`: whether a log, or an export of it, is what was signed."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.caller import Caller, calling
from lichen.cli.entrance import entrance
from lichen.core.errors import Invalid, NotFound

LONG_S = 3600.0


@calling
def verify(
    caller: Caller,
    export: Annotated[Path | None, typer.Argument(help="An export, instead of the data.", metavar="[EXPORT]")] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The log's public key as you know it, for an export.", metavar="HEX")
    ] = None,
) -> None:
    """Proves the log: every record, chain, tree, signature; rebuilds every view and compares.

    Without a tenant, every log of the data directory. When nobody owns the directory its files are read as they are,
    and nothing is changed. Exit code 1 when anything is wrong; the first wrong place is named.
    """
    if export is not None:
        _verify_export(caller, export, public_key)
        return
    reports = _asked(caller) if caller.has_key or caller.client.door.is_answered() else _read(caller)
    is_one = caller.has_key or (caller.tenant is not None and len(reports) == 1)
    if not caller.screen.data(reports[0] if is_one else reports):
        for report in reports:
            _tell(caller, report)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


def _asked(caller: Caller) -> list[dict[str, Any]]:
    """What the owner of the directory finds."""
    if caller.tenant is not None or caller.has_key:
        return [caller.client.post("log/verify", answer_s=LONG_S)]
    scopes = caller.client.get("scopes")
    return [caller.client.within(s["tenant"], s["env"]).post("log/verify", answer_s=LONG_S) for s in scopes]


def _read(caller: Caller) -> list[dict[str, Any]]:
    """What the files say of the named logs. Raises NotFound (`log_missing`)."""
    found = [report for report in read(caller.client.door.project.home) if _is_named(caller, report["log"])]
    if not found:
        raise NotFound("This tenant and environment has no log yet.", code="log_missing")
    return found


def read(home: Path) -> list[dict[str, Any]]:
    """What the files of a data directory that nobody owns say of its logs, read by this process; nothing is changed.

    One report for each log, or a single one without a log when the file as a whole is damaged. Raises NotFound.
    """
    import msgspec

    from lichen.log.keys import Keyring
    from lichen.log.verify import verify as verify_files
    from lichen.runtime.proof import verification

    if not (home / "lichen.sqlite").exists():
        raise NotFound("There is no log yet.", code="log_missing", place=str(home))
    with entrance(home), closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - none is drawn
        report = verify_files(home, keyring=keyring)
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
    if not report["remembered"]:
        caller.screen.line("  No head was kept apart from it: the newest records could be missing unnoticed.", "yellow")


def _verify_export(caller: Caller, export: Path, public_key: str | None) -> None:
    from lichen.log.export import verify_export

    report = verify_export(_bytes(export), _key(public_key))
    found = {
        "ok": True,
        "log": report.head.log_id,
        "records": len(report.records),
        "head": report.head.size,
        "public_key": report.public_key.hex(),
        "is_key_known": report.is_key_known,
    }
    if caller.screen.data(found):
        return
    caller.screen.line(f"{export} verifies: {found['records']} records of {found['log']}.", "green")
    if not report.is_key_known:
        caller.screen.line(f"  Compare its key with the one you know: --public-key {found['public_key']}", "yellow")


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
