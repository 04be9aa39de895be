"""`lichen pack`: the group, and the commands that look at a pack."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from lichen.cli.packs import fetching, making
from lichen.cli.packs.files import Json, opened, read_pack
from lichen.cli.show.screen import Screen
from lichen.cli.signing.files import now, read

if TYPE_CHECKING:
    from lichen.packs.proofs.trust import Ring, Verdict

app = typer.Typer(name="pack", no_args_is_help=True, help="Packs: flows, agents and components in one signed file.")
WRONG, NOT_ALLOWED = 2, 5
Tenant = Annotated[str | None, typer.Option("--tenant", help="Ask for this tenant alone.")]
Env = Annotated[str | None, typer.Option("--env", help="Ask for this environment alone.")]


@app.callback()
def group() -> None:
    """Packs: flows, agents and components in one signed file."""


making.add(app)
fetching.add(app)


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(help="The pack's file, or its folder.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Trust this public key or certificate, instead of whom lichen.toml trusts."),
    ] = None,
    statement: Annotated[Path | None, typer.Option("--statement", help="A signed statement about the pack.")] = None,
    tenant: Tenant = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Says whether a pack may be loaded, and who signed it; exit code 5 if it may not."""
    from lichen.packs.building.folder import read_folder
    from lichen.packs.manifests.reading import read_manifest
    from lichen.packs.proofs.trust import judged, proven, proven_folder

    archive = opened(pack)
    manifest = read_manifest(archive)
    if pack.is_dir():
        proof = proven_folder(archive, manifest, read_folder(pack).files)
    else:
        proof = proven(archive, manifest, statement=None if statement is None else read(statement))
    rings = _rings(key or [], tenant, env)
    verdicts = {name: judged(proof, ring, now()) for name, ring in rings.items()}
    is_ok = all(each.is_ok for each in verdicts.values())
    screen = Screen(as_json=as_json)
    told = {"ok": is_ok, "digest": f"sha256:{proof.digest}", "for": {name: _told(v) for name, v in verdicts.items()}}
    if not screen.data(told):
        for name, verdict in verdicts.items():
            _say(screen, name, verdict)
    if not is_ok:
        raise typer.Exit(NOT_ALLOWED)


def _rings(keys: list[Path], tenant: str | None, env: str | None) -> dict[str, Ring]:
    """Whom is trusted: the holders of these keys, else those of the project here, in each of its environments."""
    from lichen.packs.proofs.ring import ring_of, root_of_file
    from lichen.packs.proofs.trust import Ring

    if keys:
        return {"these keys": Ring(tuple(root_of_file(path, path.name) for path in keys))}
    import os

    from lichen.cli.here.workspace import locate
    from lichen.settings.reading import read as read_settings

    found = read_settings(locate().needed(), environ=os.environ)
    if found.settings is None:
        raise found.errors[0]
    settings = found.settings
    scopes = settings.scopes if tenant is None else tuple(s for s in settings.scopes if s.tenant == tenant)
    scopes = tuple(scope for scope in scopes if env is None or scope.env == env)
    if not scopes:
        settings.scope(tenant or next(iter(settings.tenants)), env)
    return {f"{scope.tenant}/{scope.env}": ring_of(settings, scope) for scope in scopes}


def _told(verdict: Verdict) -> dict[str, Any]:
    fields = ("code", "message", "next_step", "place")
    return {
        "ok": verdict.is_ok,
        "scheme": verdict.scheme,
        "signer": verdict.signer or None,
        "subject": verdict.subject or None,
        "key": verdict.key or None,
        "errors": [{field: getattr(each, field) for field in fields} for each in verdict.errors],
        "warnings": [{field: getattr(each, field) for field in fields} for each in verdict.warnings],
    }


def _say(screen: Screen, name: str, verdict: Verdict) -> None:
    if verdict.is_ok:
        screen.line(f"{name}: it may be loaded{f', signed by {verdict.signer}' if verdict.signer else ''}.")
    else:
        screen.line(f"{name}: it may not be loaded.")
    for each in verdict.errors:
        screen.line(f"  {each.code}: {each.place}: {each.message} {each.next_step}")
    for each in verdict.warnings:
        screen.line(f"  warning: {each.code}: {each.place}: {each.message}")


@app.command()
def doctor(
    pack: Annotated[Path, typer.Argument(help="The pack's file, or its folder.")],
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            envvar="GREENTIC_PACK_STRICT_EXTENSIONS",
            help="Unknown extensions are errors, and validators in files have to be named with their digests.",
        ),
    ] = False,
    validator: Annotated[
        list[str] | None,
        typer.Option(
            "--validator",
            metavar="FILE[@sha256:…]",
            help="Ask this validator too: a component, or a trusted pack that carries some.",
        ),
    ] = None,
    own_validators: Annotated[
        bool, typer.Option("--own-validators", help="Ask the validators in the pack too, if the pack is trusted.")
    ] = False,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Trust this public key or certificate, instead of whom lichen.toml trusts."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Names everything that is wrong with a pack, by its code; exit code 2 if something must be mended."""
    from lichen.packs.checking.doctor import examined, ordered

    data = opened(pack).data if pack.is_dir() else read_pack(pack)
    found = examined(pack.name, data, strict=strict)
    if (validator or own_validators) and all(each.code != "PACK_CONTAINER_INVALID" for each in found):
        from lichen.cli.packs.validating import validating
        from lichen.packs.container.archive import opened as opened_bytes

        rings = partial(_rings, key or [], None, None)
        archive = opened_bytes(pack.name, data)
        said = validating(archive, validator or [], own=own_validators, strict=strict, rings=rings)
        found = ordered((*found, *said))
    is_ok = not any(each.severity == "error" for each in found)
    screen = Screen(as_json=as_json)
    if not screen.data({"ok": is_ok, "diagnostics": [msgspec.to_builtins(each) for each in found]}):
        for each in found:
            screen.line(f"{each.severity} {each.code} {each.path}: {each.message} {each.hint}")
        screen.line("Nothing is wrong with it." if not found else f"{len(found)} found.")
    if not is_ok:
        raise typer.Exit(WRONG)


@app.command()
def inspect(
    pack: Annotated[Path, typer.Argument(help="The pack's file, or its folder.")],
    as_json: Json = False,
) -> None:
    """Shows what a pack holds."""
    from lichen.packs.building.describing import described

    archive = opened(pack)
    told = described(archive)
    screen = Screen(as_json=as_json)
    if screen.data(told):
        return
    screen.line(f"{told['pack_id']} {told['version']}, {told['kind']}, of {told['publisher'] or 'nobody named'}")
    for what in ("flows", "components", "dependencies", "extensions"):
        for each in told[what]:
            screen.line(f"  {what[:-1] if what != 'dependencies' else 'dependency'} {each}")
    screen.table(("file", "bytes"), [(each["path"], str(each["size"])) for each in told["files"]], empty="No files.")


@app.command()
def plan(
    pack: Annotated[
        Path | None, typer.Argument(help="The pack's file, or its folder; else those that lichen.toml names.")
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="For this tenant.")] = "tenant",
    env: Annotated[str, typer.Option("--env", help="In this environment.")] = "dev",
    offline: fetching.Offline = False,
    as_json: Json = False,
) -> None:
    """Shows what a pack would need of a tenant's environment: secrets, hosts, state, tools, other packs.

    Without a pack: what each one that lichen.toml names is, by its digest; exit code 2 where one cannot be had."""
    if pack is None:
        fetching.plan_project(is_offline=offline, as_json=as_json)
        return
    from lichen.packs.building.describing import planned

    told = planned(opened(pack), tenant, env)
    screen = Screen(as_json=as_json)
    if screen.data(told):
        return
    screen.line(f"{told['pack_id']} {told['version']} in {tenant}/{env}")
    for what in ("flows", "secrets", "hosts", "state", "tools", "packs"):
        screen.line(f"  {what}: {', '.join(told[what]) or 'none'}")
