"""`lichen bundle`: from an empty folder to one file that carries packs with whom they are served to, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from lichen.cli.packs.files import Json, replace, write_new
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import Conflict

app = typer.Typer(name="bundle", no_args_is_help=True, help="Bundles: packs with the tenants they are served to.")
WRONG: Final = 2
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's file, or its folder.")]
_ROOT: Final = """\
schema_version: 1
bundle_id: {id}
bundle_name: {id}
locale: en
mode: create
app_packs: []
"""
_RULES: Final = "_ = forbidden\n"


@app.callback()
def group() -> None:
    """Bundles: packs with the tenants they are served to."""


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not be there yet.")],
    bundle_id: Annotated[str, typer.Option("--id", help="What the bundle is called; else after its folder.")] = "",
    tenant: Annotated[list[str] | None, typer.Option("--tenant", help="A tenant that it is for.")] = None,
    as_json: Json = False,
) -> None:
    """Begins a bundle: its bundle.yaml, and for each tenant rules that forbid everything."""
    from lichen.packs.squash.limits import checked_step
    from lichen.settings.bundles.reading import read_words
    from lichen.settings.bundles.words import Bundle

    name = bundle_id or folder.resolve().name
    root = _ROOT.format(id=name).encode()
    for error in read_words("bundle.yaml", root, Bundle).errors:
        raise error  # a name that no bundle can have is told before anything is written
    tenants = tenant or ["default"]
    for each in tenants:
        checked_step("tenants", "", each.encode())
    if folder.exists():
        step = "Name a folder that is not there yet."
        raise Conflict("The folder is there already.", code="folder_exists", place=str(folder), next_step=step)
    (folder / "packs").mkdir(parents=True)
    write_new(folder / "bundle.yaml", root)
    files = ["bundle.yaml"]
    for each in tenants:
        path = f"tenants/{each}/tenant.gmap"
        replace(folder / path, _RULES.encode())
        files.append(path)
    screen = Screen(as_json=as_json)
    if not screen.data({"bundle_id": name, "folder": str(folder), "files": files}):
        screen.line(f"{name} is begun in {folder}. Put packs into {folder / 'packs'}, and name them in app_packs.")


@app.command()
def inspect(bundle: Bundle, as_json: Json = False) -> None:
    """Shows what a bundle holds."""
    from lichen.packs.bundles.describing import described
    from lichen.packs.bundles.opening import open_bundle

    told = described(open_bundle(bundle))
    screen = Screen(as_json=as_json)
    if screen.data(told):
        return
    screen.line(f"{told['bundle_id'] or bundle.name}, a bundle of {len(told['packs'])} packs")
    for name, teams in told["tenants"].items():
        screen.line(f"  tenant {name}" + (f", teams {', '.join(teams)}" if teams else ""))
    for what in ("packs", "setups", "starts"):
        for name in told[what]:
            screen.line(f"  {what.removesuffix('s')} {name}")
    screen.table(("file", "bytes"), [(each["path"], str(each["size"])) for each in told["files"]], empty="No files.")


@app.command()
def doctor(bundle: Bundle, as_json: Json = False) -> None:
    """Names everything that is wrong with a bundle, by its code; exit code 2 if something must be mended."""
    from lichen.packs.bundles.checking import examined
    from lichen.packs.bundles.opening import open_bundle

    found = examined(open_bundle(bundle))
    screen = Screen(as_json=as_json)
    fields = ("code", "message", "next_step", "place")
    if not screen.data({"ok": not found, "problems": [{f: getattr(each, f) for f in fields} for each in found]}):
        for each in found:
            screen.line(f"{each.code} {each.place}: {each.message} {each.next_step}")
        screen.line("Nothing is wrong with it." if not found else f"{len(found)} found.")
    if found:
        raise typer.Exit(WRONG)


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder, with its bundle.yaml.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="The file; else FOLDER/ID.gtbundle.")] = None,
    as_json: Json = False,
) -> None:
    """Builds the file of a bundle's folder: the same bytes from the same files, secrets left out."""
    import hashlib

    from lichen.packs.bundles.building import built
    from lichen.packs.bundles.opening import open_folder

    made = built(open_folder(folder), folder.resolve().name)
    where = out or folder / f"{made.manifest.bundle_id}.gtbundle"
    replace(where, made.data)
    digest = f"sha256:{hashlib.sha256(made.data).hexdigest()}"
    told = {"bundle_id": made.manifest.bundle_id, "file": str(where), "digest": digest}
    screen = Screen(as_json=as_json)
    if not screen.data({**told, "bytes": len(made.data), "files": list(made.files), "left_out": list(made.left)}):
        screen.line(f"{made.manifest.bundle_id} is in {where}, {len(made.data)} bytes, {len(made.files)} files.")
        screen.line(f"{digest}")
        for path in made.left:
            screen.line(f"left out: {path}")


@app.command()
def unpack(
    bundle: Bundle,
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not be there yet.")],
    as_json: Json = False,
) -> None:
    """Writes the files of a bundle into a new folder: all of them, or none."""
    from lichen.packs.bundles.opening import open_bundle
    from lichen.packs.bundles.unpacking import unpack_into

    opened = open_bundle(bundle)
    if folder.exists():
        step = "Name a folder that is not there yet."
        raise Conflict("The folder is there already.", code="folder_exists", place=str(folder), next_step=step)
    files = unpack_into(opened, folder.absolute())
    screen = Screen(as_json=as_json)
    if not screen.data({"folder": str(folder), "files": list(files)}):
        screen.line(f"{len(files)} files are in {folder}.")
