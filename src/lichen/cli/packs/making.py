"""`lichen pack new`, `build`, `sign`, `key`: from an empty folder to a file that others can prove."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import typer

from lichen.cli.packs.files import Json, Key, opened, replace, signing_key, write_new
from lichen.cli.show.screen import Screen
from lichen.cli.signing.files import now, read
from lichen.core.words.errors import Conflict, Invalid

_FLOW: Final = """\
id: {id}
type: messaging
title: Greets whoever writes
nodes:
  greet:
    emit.response:
      text: "Hello from {pack}!"
    routing: out
"""
_SOURCE: Final = """\
# What a pack is built from. Flows, components, agents, policies, prompts, knowledge and assets are found in the folders
# of these names; `flows` and `components` may also be listed here.
pack_id: {pack}
version: 0.1.0
kind: application
publisher: {publisher}
"""


def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not be there yet.")],
    pack_id: Annotated[str, typer.Option("--id", help="What the pack is called; else after its folder.")] = "",
    publisher: Annotated[str, typer.Option(help="Who publishes it.")] = "me",
    as_json: Json = False,
) -> None:
    """Begins a pack: its pack.yaml and a flow that greets."""
    from lichen.packs.manifests.source import read_source

    name = pack_id or folder.resolve().name
    source = _SOURCE.format(pack=name, publisher=publisher).encode()
    read_source(source, "pack.yaml")  # a name that no pack can have is told before anything is written
    if folder.exists():
        step = "Name a folder that is not there yet."
        raise Conflict("The folder is there already.", code="folder_exists", place=str(folder), next_step=step)
    (folder / "flows").mkdir(parents=True)
    write_new(folder / "pack.yaml", source)
    flow = _FLOW.format(id="main", pack=name)
    write_new(folder / "flows/main.ygtc", flow.encode())
    screen = Screen(as_json=as_json)
    if not screen.data({"pack_id": name, "folder": str(folder), "files": ["flows/main.ygtc", "pack.yaml"]}):
        screen.line(f"{name} is begun in {folder}. `lichen pack build {folder}` builds it.")


def build(
    folder: Annotated[Path, typer.Argument(help="The pack's folder, with its pack.yaml.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="The file; else FOLDER/dist/ID.gtpack.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Sign it with this private key.")] = None,
    chain: Annotated[Path | None, typer.Option("--chain", help="The certificates of the key, in PEM.")] = None,
    as_json: Json = False,
) -> None:
    """Builds the pack of a folder: the same bytes from the same files, with its bill of materials and lock."""
    import hashlib

    from lichen.packs.building.building import build as built
    from lichen.packs.building.folder import read_folder
    from lichen.packs.building.signing import signed_pack

    made = built(read_folder(folder))
    where = out or folder / "dist" / f"{made.manifest.pack_id}.gtpack"
    data = made.data
    if key is not None:
        certificates = None if chain is None else read(chain)
        data = signed_pack(where.name, data, signing_key(key), now(), subject=_publisher(made), chain=certificates)
    replace(where, data)
    replace(where.with_name(f"{where.stem}.cdx.json"), made.cyclonedx)
    told = {
        "pack_id": made.manifest.pack_id,
        "version": made.manifest.version,
        "file": str(where),
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "signed": key is not None,
        "flows": [each.id for each in made.manifest.flows],
        "components": [each.id for each in made.manifest.components],
        "files": len(made.files),
    }
    screen = Screen(as_json=as_json)
    if not screen.data(told):
        screen.line(f"{told['pack_id']} {told['version']} is in {where}, {len(data)} bytes.")
        screen.line(f"{told['digest']}, {'signed' if key else 'signed by nobody yet'}.")


def _publisher(made: object) -> str:
    from lichen.packs.building.building import Built

    assert isinstance(made, Built)
    return made.manifest.publisher or made.manifest.pack_id


def sign(
    pack: Annotated[Path, typer.Argument(help="The pack's file, or its folder before it is built.")],
    key: Key,
    chain: Annotated[Path | None, typer.Option("--chain", help="The certificates of the key, in PEM.")] = None,
    subject: Annotated[str, typer.Option(help="What the key's own certificate calls you.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long the key's own certificate counts.")] = 365,
    manifest: Annotated[bool, typer.Option("--manifest", help="Sign the manifest in it as well.")] = False,
    statement: Annotated[
        Path | None, typer.Option("--statement", help="Leave the pack as it is, and write a statement about it here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Signs a pack: the archive, a statement beside it, or its folder."""
    from lichen.packs.proofs.keys import fingerprint

    secret = signing_key(key)
    if pack.is_dir():
        where, scheme = _sign_folder(pack, key), "folder"
    elif statement is not None:
        where, scheme = _attest(pack, statement, key), "statement"
    else:
        where, scheme = _sign_archive(pack, key, chain, subject, days, manifest), "archive"
    screen = Screen(as_json=as_json)
    mark = fingerprint(secret.public_key())
    digest = f"sha256:{sha256(where.read_bytes()).hexdigest()}" if scheme == "archive" else None
    if not screen.data({"file": str(where), "scheme": scheme, "key": mark, "digest": digest}):
        screen.line(f"{where} holds the signature of {mark}.")
        if digest is not None:
            screen.line(digest)


def _sign_folder(folder: Path, key: Path) -> Path:
    from lichen.packs.building.folder import read_folder
    from lichen.packs.proofs.folder import FILE, sign_folder

    where = folder / FILE
    replace(where, sign_folder(read_folder(folder).files, signing_key(key), now()))
    return where


def _attest(pack: Path, statement: Path, key: Path) -> Path:
    import hashlib

    from lichen.packs.container.archive import opened_file
    from lichen.packs.proofs.dsse import attest

    digest = hashlib.sha256(opened_file(pack).data).hexdigest()
    replace(statement, attest(pack.name, digest, signing_key(key), builder="lichen", build_type="lichen pack build"))
    return statement


def _sign_archive(pack: Path, key: Path, chain: Path | None, subject: str, days: int, manifest: bool) -> Path:
    from datetime import timedelta

    from lichen.packs.building.signing import signed_pack

    certificates = None if chain is None else read(chain)
    if chain is not None and subject:
        message, step = "Certificates say themselves whose they are.", "Leave out --subject, or --chain."
        raise Invalid(message, code="usage", next_step=step)
    data = signed_pack(
        pack.name,
        opened(pack).data,
        signing_key(key),
        now(),
        subject=subject,
        chain=certificates,
        lasts=timedelta(days=days),
        in_manifest=manifest,
    )
    replace(pack, data)
    return pack


def key(
    out: Annotated[Path, typer.Argument(help="The file of the private key; nothing is written over.")],
    as_json: Json = False,
) -> None:
    """Makes a key to sign packs with, and beside it the public one, which others trust."""
    from lichen.packs.proofs.keys import fingerprint, key_id, new_key, private_pem, public_pem

    made = new_key()
    public = out.with_suffix(".pub.pem")
    write_new(out, private_pem(made).encode(), 0o600)
    replace(public, public_pem(made.public_key()).encode())
    told = {"private": str(out), "public": str(public), "key_id": key_id(made.public_key())}
    told["fingerprint"] = fingerprint(made.public_key())
    screen = Screen(as_json=as_json)
    if not screen.data(told):
        screen.line(f"{out} signs; keep it to yourself. {public} is for those who are to trust it:")
        screen.line(f"key id {told['key_id']}, fingerprint {told['fingerprint']}.")


def add(app: typer.Typer) -> None:
    """Adds the commands of this file to those about packs."""
    for command in (new, build, sign, key):
        app.command()(command)
