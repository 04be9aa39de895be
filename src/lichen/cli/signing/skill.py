"""`lichen skill`: a folder of a skill, signed whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lichen.cli.show.screen import Screen
from lichen.cli.signing import files
from lichen.cli.signing.files import Days, Domain, Json, Key, Known
from lichen.cli.signing.schemapin import told

app = typer.Typer(name="skill", no_args_is_help=True, help="Folders of skills, signed by the key of a domain.")

Folder = Annotated[Path, typer.Argument(help="The skill's folder.")]


@app.callback()
def group() -> None:
    """Folders of skills, signed by the key of a domain."""


@app.command()
def sign(folder: Folder, key: Key, domain: Domain, days: Days = None) -> None:
    """Signs a folder: writes `.schemapin.sig` into it."""
    from lichen.tools.pins.documents import domain_of
    from lichen.tools.pins.folder import files_of
    from lichen.tools.pins.skill import SIGNATURE_FILE, name_of, sign_skill, signature_of, text_of

    found = files_of(folder)
    where = folder / SIGNATURE_FILE
    before = signature_of(files.read(where)) if where.exists() else None
    name = name_of(found, folder.resolve().name)
    signed = sign_skill(
        found, name, files.read_key(key), domain_of(domain), files.now(), lasts=files.lasting(days), previous=before
    )
    where.write_text(text_of(signed))
    typer.echo(f"{name}: {len(found)} {'file' if len(found) == 1 else 'files'} signed for {signed.domain}.")


@app.command()
def verify(folder: Folder, domain: Domain, known: Known = None, as_json: Json = False) -> None:
    """Says whether the domain signed the folder as it is, and which files are others; exit code 1 if not."""
    from lichen.tools.pins.folder import files_of
    from lichen.tools.pins.resolvers import resolved
    from lichen.tools.pins.result import Verified
    from lichen.tools.pins.skill import SIGNATURE_FILE, SkillVerified, Tampered, signature_of, verify_skill

    signature = signature_of(files.read(folder / SIGNATURE_FILE))
    issuer = files.ended(lambda: resolved(files.place_of(known), domain))
    if isinstance(issuer, Verified):
        found = SkillVerified(signature.skill_name, issuer, Tampered())
    else:
        found = verify_skill(files_of(folder), signature, issuer, files.now())
    screen = Screen(as_json=as_json)
    if not screen.data({**found.result.said(), "tampered": msgspec.to_builtins(found.tampered)}):
        lines = [
            f"{kind}: {path}" for kind in ("modified", "added", "removed") for path in getattr(found.tampered, kind)
        ]
        for line in (*told(found.result), *lines):
            screen.line(line)
    if not found.result.valid:
        raise typer.Exit(1)
