"""`lichen component`: what a component is, how it is asked, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lichen.cli.show.screen import Screen
from lichen.core.words.errors import LichenError, NotFound

if TYPE_CHECKING:
    from lichen.cli.components.looking import Seen

app = typer.Typer(name="component", no_args_is_help=True, help="WASM components: seen and examined.")
FILES_MAX: Final = 1_000
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
File = Annotated[Path, typer.Argument(help="The component's .wasm file.", metavar="FILE")]


@app.callback()
def group() -> None:
    """WASM components: seen and examined."""


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
        is_ok = is_ok and is_good(held)
        findings = [{name: getattr(each, name) for name in each.__struct_fields__} for each in held.findings]
        told.append({"place": str(path), "ok": is_good(held), "family": held.family, "findings": findings})
        names = ", ".join(each.name for each in held.operations) or "no operation that it names"
        screen.line(f"{path}: {held.family or 'of no family that is known'}: {names}")
        _say(screen, held)
    screen.data({"ok": is_ok, "components": told})
    if not is_ok:
        raise typer.Exit(1)


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
