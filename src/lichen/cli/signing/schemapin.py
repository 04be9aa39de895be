"""`lichen schemapin`: a key of one's own, signed schemas, and which keys signed before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.show.screen import Screen
from lichen.cli.signing import files
from lichen.cli.signing.files import PINS, Days, Domain, Json, Key, Known, Pins

if TYPE_CHECKING:
    from lichen.tools.pins.result import Verified

app = typer.Typer(name="schemapin", no_args_is_help=True, help="Schemas of tools, signed by the key of a domain.")

MISMATCH = 2
Signed = Annotated[Path, typer.Argument(metavar="SIGNED.json", help="A signed schema.")]
Tool = Annotated[str, typer.Option("--tool", help="What the tool is called among the pins; else its own name.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file.")]


@app.callback()
def group() -> None:
    """Schemas of tools, signed by the key of a domain."""


@app.command()
def keygen(
    out: Annotated[Path, typer.Argument(help="The file of the private key; nothing is written over.")],
    developer: Annotated[str, typer.Option(help="Who you are, for people.")] = "",
) -> None:
    """Makes a key, and prints what the domain serves at /.well-known/schemapin.json."""
    from lichen.tools.pins.keys import new_key, public_pem

    key = new_key()
    files.write_key(out, key)
    told = {"schema_version": "1.2", "developer_name": developer, "public_key_pem": public_pem(key.public_key())}
    typer.echo(files.written({**told, "revoked_keys": []}, None), nl=False)


@app.command()
def sign(
    schema: Annotated[Path, typer.Argument(metavar="SCHEMA.json", help="The schema, or the tool's whole definition.")],
    key: Key,
    days: Days = None,
    out: Out = None,
) -> None:
    """Signs a schema; the signature goes into `_meta.schemapin` of an MCP tool, or stands beside the schema."""
    from lichen.tools.pins.canonical import read
    from lichen.tools.pins.signed import document_of, sign_schema

    told = read(files.read(schema), place=str(schema))
    signed = sign_schema(told, files.read_key(key), files.now(), lasts=files.lasting(days))
    text = files.written(document_of(signed), out)
    if out is None:
        typer.echo(text, nl=False)


@app.command()
def verify(
    signed: Signed, domain: Domain, known: Known = None, pins: Pins = PINS, tool: Tool = "", as_json: Json = False
) -> None:
    """Says whether the domain signed a schema; exit code 1 if not, 2 if another key signed the tool before."""
    _told(_verified(signed, domain, known, pins, tool)[1], Screen(as_json=as_json))


@app.command()
def pin(
    signed: Signed, domain: Domain, known: Known = None, pins: Pins = PINS, tool: Tool = "", as_json: Json = False
) -> None:
    """Pins the key that signed a schema, if the signature counts; exit codes as those of verify."""
    name, result = _verified(signed, domain, known, pins, tool)
    files.write_pins(pins, files.read_pins(pins).having(name, result))
    _told(result, Screen(as_json=as_json))


@app.command()
def unpin(
    tool: Annotated[str, typer.Argument(help="What it is called among the pins.")], domain: Domain, pins: Pins = PINS
) -> None:
    """Forgets which key signed a tool before."""
    before = files.read_pins(pins)
    after = before.without(tool, domain)
    if before == after:
        from lichen.core.words.errors import NotFound

        step = "`lichen schemapin list` names those that are pinned."
        raise NotFound("It is not pinned.", code="pin_unknown", place=f"{tool}@{domain}", next_step=step)
    files.write_pins(pins, after)
    typer.echo(f"{tool}@{domain} is not pinned any more.")


@app.command("list")
def list_pins(pins: Pins = PINS, as_json: Json = False) -> None:
    """Lists the keys that signed before."""
    found = files.read_pins(pins).pins
    screen = Screen(as_json=as_json)
    if not screen.data(dict(found)):
        screen.table(("tool", "key"), sorted(found.items()), empty="No key is pinned yet.")


def _verified(path: Path, domain: str, known: Path | None, pins: Path, tool: str) -> tuple[str, Verified]:
    from lichen.tools.pins.canonical import read
    from lichen.tools.pins.documents import domain_of
    from lichen.tools.pins.resolvers import resolved
    from lichen.tools.pins.result import Verified
    from lichen.tools.pins.signed import signed_of
    from lichen.tools.pins.verify import verify as verify_schema

    signed = signed_of(read(files.read(path), place=str(path)))
    name = tool or str(signed.schema.get("name") or path.stem)
    issuer = files.ended(lambda: resolved(files.place_of(known), domain))
    if isinstance(issuer, Verified):
        return name, issuer
    return name, verify_schema(signed, issuer, files.now(), pinned=files.read_pins(pins).of(name, domain_of(domain)))


def _told(result: Verified, screen: Screen) -> None:
    if not screen.data(result.said()):
        for line in told(result):
            screen.line(line)
    if not result.valid:
        raise typer.Exit(MISMATCH if result.error_code == "key_pin_mismatch" else 1)


def told(result: Verified) -> list[str]:
    """The result in words."""
    if not result.valid:
        return [f"{result.error_code}: {result.error_message}"]
    said: dict[str, Any] = {"first_use": "seen first", "pinned": "pinned", "": "not compared"}
    lines = [f"Signed by {result.domain} with {result.fingerprint} ({said[result.pinning]})."]
    return [*lines, *(f"warning: {each}" for each in result.warnings)]
