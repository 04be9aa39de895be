"""`lichen pack push`, `pull`, `pin`, `plan` of a project, and the cache: packs and registries."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lichen.cli.packs.files import Json, read_pack, replace
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import Invalid, LichenError

if TYPE_CHECKING:
    from lichen.packs.fetching.manifest import Kind
    from lichen.packs.fetching.references import Reference
    from lichen.packs.fetching.terms import Terms
    from lichen.settings.file import Settings

FAILED: Final = 2
Far = Annotated[str, typer.Argument(metavar="REF", help="Where it is: oci://HOST/REPOSITORY:TAG, or @sha256:….")]
Offline = Annotated[bool, typer.Option("--offline", help="Ask no registry: go by what was fetched before.")]
cache_app = typer.Typer(name="cache", no_args_is_help=True, help="What was fetched from registries and is kept.")


def push(
    file: Annotated[Path, typer.Argument(help="The pack's file, or a component's, .wasm.")],
    reference: Far,
    as_json: Json = False,
) -> None:
    """Publishes a pack in a registry, and says by which digest it is had from there."""
    from lichen.packs.container.archive import opened
    from lichen.packs.fetching.push import pushed

    terms = _terms(is_offline=False)
    kind, data = _kind_of(file), read_pack(file)
    if kind == "pack":
        opened(file.name, data)  # what is no pack is told before anybody is asked
    made = pushed(terms, _reference(terms, reference), kind, data, title=file.name)
    screen = Screen(as_json=as_json)
    if not screen.data({"reference": str(made), "digest": made.digest, "bytes": len(data), "kind": kind}):
        screen.line(f"{file} is {made}.")


def pull(
    reference: Far,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else only the cache is filled.")] = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Fetches a pack or component, checks its digests, and keeps it for the next start. A tag is followed and told."""
    from lichen.packs.fetching.fetch import fetched

    terms = _terms(is_offline=offline)
    kind: Kind = "component" if out is not None and out.suffix == ".wasm" else "pack"
    with _bar(f"pull {reference}", as_json=as_json) as seen:
        found = fetched(_following(terms), _reference(terms, reference), kind, seen=seen)
    if out is not None:
        replace(out, found.data)
    told = {"reference": str(found.reference), "digest": found.reference.digest, "bytes": len(found.data)}
    screen = Screen(as_json=as_json)
    if screen.data({**told, "cached": found.is_cached, "file": None if out is None else str(out)}):
        return
    screen.line(f"{found.reference}, {len(found.data)} bytes, {'kept already' if found.is_cached else 'fetched'}.")
    if found.warning is not None:
        screen.line(f"  warning: {found.warning.code}: {found.warning.message}")


def pin(
    update: Annotated[
        bool, typer.Option("--update", help="Ask anew what the tags beside digests stand for now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Puts digests into lichen.toml, for the packs and components that it names by tags alone."""
    from lichen.cli.packs.pinning import Steps, entries_in, rewrite, with_names
    from lichen.packs.fetching.fetch import resolved
    from lichen.packs.fetching.references import is_reference

    file, terms = _file(), _terms(is_offline=False)
    names, moved = dict[Steps, str](), list[dict[str, str]]()
    for steps, name in entries_in(_document(file)):
        reference = _reference(terms, name) if is_reference(name) else None
        if reference is None or (reference.digest and not (update and reference.tag)):
            continue
        tag = _by_tag(reference)
        to = _written(name, resolved(terms, tag, may_tag=True).reference.digest)
        if to != name:
            names[steps] = to
            moved.append({"from": name, "to": to})
    if names:
        rewrite(file, lambda text: with_names(text, names))
    screen = Screen(as_json=as_json)
    if screen.data({"file": str(file), "pinned": moved}):
        return
    for each in moved:
        screen.line(f"{each['from']} is {each['to'].rpartition('@')[2]} now.")
    screen.line(f"{file.name} names {len(moved)} anew." if moved else "Every reference is pinned, and none moved.")


def planned_entries(settings: Settings, *, is_offline: bool) -> Iterator[dict[str, Any]]:
    """What each pack that a project names is: its file or digest, and whether it can be had."""
    from lichen.packs.fetching.cache import Cache
    from lichen.packs.fetching.fetch import BYTES_MAX, resolved
    from lichen.runtime.packs.naming import is_far, packs_named

    terms = _offline(_terms_of(settings), is_offline=is_offline)
    for _, said in packs_named(settings):
        told: dict[str, Any] = {"entry": said.file, "digest": None, "state": "file", "error": None}
        if not is_far(said.file):
            yield told if (settings.root / said.file).exists() else {**told, "state": "missing"}
            continue
        try:
            found = resolved(terms, _reference(terms, said.file)).reference
            kept = Cache(terms.cache).read(found.digest, "pack", BYTES_MAX["pack"]) is not None
            yield {**told, "digest": found.digest, "state": "kept" if kept else "to fetch"}
        except LichenError as error:
            yield {**told, "state": "refused", "error": {"code": error.code, "message": error.message}}


def plan_project(*, is_offline: bool, as_json: bool) -> None:
    """Shows what each pack that lichen.toml names is; exit code 2 where one cannot be had."""
    entries = list(planned_entries(_settings_here(), is_offline=is_offline))
    is_ok = all(each["state"] in ("file", "kept", "to fetch") for each in entries)
    screen = Screen(as_json=as_json)
    if not screen.data({"ok": is_ok, "packs": entries}):
        rows = [(each["entry"], each["digest"] or "", each["state"], _why(each)) for each in entries]
        screen.table(("entry", "digest", "state", ""), rows, empty="lichen.toml names no packs.")
    if not is_ok:
        raise typer.Exit(FAILED)


@cache_app.command("list")
def cache_list(as_json: Json = False) -> None:
    """Shows what is kept, the last used first."""
    from lichen.packs.fetching.cache import Cache

    terms = _terms(is_offline=True)
    found = sorted(Cache(terms.cache).entries(), key=lambda each: each.used, reverse=True)
    told = [{"digest": each.digest, "bytes": each.size, "reference": each.kept.original_reference} for each in found]
    screen = Screen(as_json=as_json)
    if not screen.data({"folder": str(terms.cache), "entries": told}):
        rows = [(each.digest, str(each.size), each.kept.original_reference) for each in found]
        screen.table(("digest", "bytes", "fetched as"), rows, empty=f"Nothing is kept in {terms.cache}.")


@cache_app.command("prune")
def cache_prune(
    to_mib: Annotated[int | None, typer.Option("--to-mib", min=0, help="How much may stay, if less.")] = None,
    as_json: Json = False,
) -> None:
    """Removes what was not used for longest, until the rest is small enough."""
    from lichen.packs.fetching.cache import Cache

    terms = _terms(is_offline=True)
    bytes_max = terms.cache_bytes_max if to_mib is None else to_mib * 1024 * 1024
    gone = Cache(terms.cache).prune(bytes_max)
    screen = Screen(as_json=as_json)
    if not screen.data({"removed": [each.digest for each in gone], "bytes": sum(each.size for each in gone)}):
        screen.line(f"{len(gone)} removed, {sum(each.size for each in gone)} bytes.")


def add(app: typer.Typer) -> None:
    """Adds the commands of this file to those about packs."""
    for command in (push, pull, pin):
        app.command()(command)
    app.add_typer(cache_app)


# -- what they go by -------------------------------------------------------------------------------------------------


def _terms(*, is_offline: bool) -> Terms:
    """How registries are reached from here: as the project says, or by variables alone where there is none."""
    from lichen.cli.here.workspace import locate

    return _offline(_terms_of(_settings_here() if locate().file is not None else None), is_offline=is_offline)


def _terms_of(settings: Settings | None) -> Terms:
    from lichen.packs.fetching.terms import terms_of

    return terms_of(settings, os.environ)


def _offline(terms: Terms, *, is_offline: bool) -> Terms:
    import msgspec

    return msgspec.structs.replace(terms, is_offline=terms.is_offline or is_offline)


def _following(terms: Terms) -> Terms:
    """Terms by which a tag that somebody typed is followed."""
    import msgspec

    return msgspec.structs.replace(terms, has_tags=True)


def _file() -> Path:
    from lichen.cli.here.workspace import locate

    return locate().needed()


def _settings_here() -> Settings:
    from lichen.settings.reading import read

    found = read(_file(), environ=os.environ)
    if found.settings is None:
        raise found.errors[0]
    return found.settings


def _document(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        step = "`lichen doctor` says what is wrong with it."
        raise Invalid("The file is not TOML.", code="settings_invalid", place=str(file), next_step=step) from None


def _reference(terms: Terms, name: str) -> Reference:
    from lichen.packs.fetching.references import reference_in

    return reference_in(name, repo=terms.repo, store=terms.store)


def _by_tag(reference: Reference) -> Reference:
    import msgspec

    return msgspec.structs.replace(reference, digest="")


def _written(name: str, digest: str) -> str:
    """A name as it was written, with a digest; its tag stays as a word about it."""
    return f"{name.partition('@')[0]}@{digest}"


def _why(entry: dict[str, Any]) -> str:
    return f"{entry['error']['code']}: {entry['error']['message']}" if entry["error"] else ""


def _kind_of(file: Path) -> Kind:
    return "component" if file.suffix == ".wasm" else "pack"


@contextmanager
def _bar(what: str, *, as_json: bool) -> Generator[Callable[[int], None] | None]:
    """A bar on the terminal, on stderr; nothing elsewhere."""
    import sys

    if as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what[:60], total=None)
        yield lambda count: bar.update(task, advance=count)
