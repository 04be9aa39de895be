"""`lichen component`: what a component is, what is wrong with it, and what it answers; begun and built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lichen.cli.components import authoring
from lichen.cli.components.setup import qa
from lichen.cli.show.screen import Screen
from lichen.cli.signing.files import read
from lichen.core.words.errors import Invalid, LichenError, NotFound

if TYPE_CHECKING:
    from lichen.cli.components.looking import Seen

app = typer.Typer(
    name="component", no_args_is_help=True, help="WASM components: begun, built, seen, examined and tried."
)
FILES_MAX: Final = 1_000
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
File = Annotated[Path, typer.Argument(help="The component's .wasm file.", metavar="FILE")]


@app.callback()
def group() -> None:
    """WASM components: begun, built, seen, examined and tried."""


app.command()(authoring.new)
app.command()(authoring.build)


@app.command()
def inspect(
    file: File,
    describe: Annotated[bool, typer.Option("--describe", help="Also the schemas of its operations.")] = False,
    as_json: Json = False,
) -> None:
    """Shows what a component is, and how it is asked."""
    from lichen.cli.components.looking import seen, told

    held = seen(file)
    screen = Screen(as_json=as_json)
    tree = told(held)
    if not describe:
        tree["operations"] = [each["name"] for each in tree["operations"]]
    if screen.data(tree):
        return
    screen.line(f"{tree['name'] or file.name} {tree['version']}".rstrip())
    screen.line(f"  sha256 {held.sha256}")
    screen.line(f"  blake3 {held.blake3}")
    screen.line(f"  asked as {held.family or 'nothing that is known'}{_others(held)}")
    for name, functions in held.exports.items():
        screen.line(f"  exports {name or 'in no interface'}: {', '.join(functions)}")
    for name in held.imports:
        screen.line(f"  imports {name}")
    for each in held.operations:
        screen.line(f"  operation {each.name}{f': {each.summary}' if each.summary else ''}")
        if describe:
            screen.line(f"    takes {_json(each.input_schema)}")
            screen.line(f"    gives {_json(each.output_schema)}")
    _say(screen, held)


@app.command()
def doctor(
    place: Annotated[Path, typer.Argument(help="A component's file, or a folder of them.", metavar="FILE|FOLDER")],
    as_json: Json = False,
) -> None:
    """Says what is wrong with components and what mends it; exit code 1 if there is a problem."""
    from lichen.cli.components.fitting import with_source
    from lichen.cli.components.looking import is_good, seen

    screen = Screen(as_json=as_json)
    told: list[dict[str, Any]] = []
    is_ok = True
    for path in _files(place):
        try:
            held = seen(path)
        except LichenError as error:
            if error.code == "extra_missing":
                raise
            is_ok = False
            told.append({"place": str(path), "ok": False, "findings": [_error(error)]})
            screen.line(f"{path}: problem: {error.code}: {error.message} {error.next_step}")
            continue
        held = with_source(held)
        is_ok = is_ok and is_good(held)
        findings = [{name: getattr(each, name) for name in each.__struct_fields__} for each in held.findings]
        told.append({"place": str(path), "ok": is_good(held), "family": held.family, "findings": findings})
        names = ", ".join(each.name for each in held.operations) or "no operation that it names"
        screen.line(f"{path}: {held.family or 'of no family that is known'}: {names}")
        _say(screen, held)
    screen.data({"ok": is_ok, "components": told})
    if not is_ok:
        raise typer.Exit(1)


app.command()(qa)


@app.command("test")
def ask_once(
    place: Annotated[Path, typer.Argument(help="A component's file, or its folder.", metavar="[FILE|DIR]")] = Path(),
    operation: Annotated[
        str | None, typer.Option("--op", help="Which operation of a file.", metavar="OPERATION")
    ] = None,
    given: Annotated[str, typer.Option("--input", help="What it is asked, JSON.", metavar="JSON")] = "{}",
    config: Annotated[str, typer.Option("--config", help="How it is configured, JSON.", metavar="JSON")] = "null",
    secrets: Annotated[
        Path | None, typer.Option("--secrets", help="A JSON file of the secrets it may read.", metavar="FILE")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write what came of a folder here, as JUnit's XML.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Asks a component once, with state in memory and no network; exit code 1 if it fails.

    With a folder it asks what stands in tests/*.test.toml of the component that was built there, and says what differs;
    the component has what its manifest declares, the secrets and answers over HTTP that a case says."""
    import msgspec

    from lichen.cli.components.trying import invocation, tried

    if operation is None and place.is_dir():
        _play(place, junit, Screen(as_json=as_json))
        return
    if operation is None:
        step = "Say --op OPERATION; `lichen component inspect FILE` lists them."
        raise Invalid("Which operation is not said.", code="operation_missing", next_step=step, place=str(place))
    values: dict[str, str] = {} if secrets is None else _parsed(read(secrets), "--secrets", dict[str, str])
    asked = invocation(operation, _parsed(given, "--input", object), _parsed(config, "--config", object))
    came = tried(_file(place), asked, values)
    screen = Screen(as_json=as_json)
    if not screen.data(msgspec.to_builtins(came)):
        screen.line(_json(msgspec.to_builtins(came.payload)))
        if came.failure is not None:
            screen.line(f"failed: {came.failure.code}: {came.failure.message}")
        for line in (*came.log.splitlines(), *came.refused):
            screen.line(f"  {line}")
    if not came.ok:
        raise typer.Exit(1)


def _play(folder: Path, junit: Path | None, screen: Screen) -> None:
    """The tests of a folder; exit code 1 if one does not go as expected."""
    import msgspec

    from lichen.cli.components.playing import junit as as_junit
    from lichen.cli.components.playing import played
    from lichen.cli.guests.source import manifest_in

    cases = played(folder, _file(folder), manifest_in(folder)[0].capabilities)
    is_met = not any(each.missed for each in cases)
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_bytes(as_junit(cases))
    if not screen.data({"ok": is_met, "cases": msgspec.to_builtins(cases)}):
        for case in cases:
            screen.line(f"{'no' if case.missed else 'ok'}  {case.name}")
            for line in case.missed:
                screen.line(f"      {line}")
        screen.line(f"{len(cases)} cases, {sum(1 for each in cases if each.missed)} not as expected.")
    if not is_met:
        raise typer.Exit(1)


def _file(place: Path) -> Path:
    """The component's file, of a folder the one that was built there."""
    from lichen.cli.guests.source import WASM

    return place / WASM if place.is_dir() else place


def _parsed(text: str | bytes, option: str, kind: Any) -> Any:
    """The JSON of an option. Raises Invalid (`input_invalid`)."""
    import msgspec

    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        step = f"Give {option} JSON of the right kind."
        raise Invalid(
            "This is not what is to be read here.", code="input_invalid", next_step=step, place=option
        ) from error


def _files(place: Path) -> list[Path]:
    """The components of a folder, however deep, or the one that is named. Raises NotFound (`file_missing`)."""
    if not place.is_dir():
        return [place]
    found = sorted(path for path in place.rglob("*.wasm") if path.is_file())[:FILES_MAX]
    if not found:
        step = "Name a folder that holds .wasm files."
        raise NotFound("There is no component.", code="file_missing", next_step=step, place=str(place))
    return found


def _others(held: Seen) -> str:
    return f" (also {', '.join(held.others)})" if held.others else ""


def _say(screen: Screen, held: Seen) -> None:
    for each in held.findings:
        screen.line(f"  {each.severity}: {each.code}: {each.message} {each.next_step}")


def _error(error: LichenError) -> dict[str, str]:
    return {
        "severity": "problem",
        "code": error.code,
        "message": error.message,
        "next_step": error.next_step,
    }


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
