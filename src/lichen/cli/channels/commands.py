"""`lichen channel`: the platforms that a tenant's customers are on, added, looked at, changed and taken away."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.channels.answers import ANSWERS_BYTES_MAX, checked, read_document, schema
from lichen.cli.channels.applying import Wanted, emit, say_dry, set_up, view_of
from lichen.cli.channels.asking import ask
from lichen.cli.channels.doctor import examined
from lichen.cli.channels.planning import already, guide_of_kind, planned, references
from lichen.cli.channels.project import ChannelFile, Declared, put_in_force
from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.screen import note
from lichen.core.words.errors import Invalid, LichenError, NotFound

app = typer.Typer(name="channel", help="The platforms that customers write from.", no_args_is_help=True)

Kind = Annotated[str, typer.Argument(help="What it is: `lichen channel kinds` lists them.", metavar="KIND")]
Name = Annotated[str, typer.Argument(help="What it is called in lichen.toml.", metavar="NAME")]
Answers = Annotated[
    str, typer.Option("--answers", help="A JSON document of answers, - for standard input.", metavar="FILE")
]
PublicUrl = Annotated[
    str,
    typer.Option("--public-url", envvar="LICHEN_PUBLIC_URL", help="Where the world reaches us, https.", metavar="URL"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Says what would be done, and does nothing.")]


@app.command()
@calling
def kinds(caller: Caller) -> None:
    """Lists the kinds of channels there are, ours and those of packages."""
    from lichen.channels.kinds import CHANNELS, guide_of

    rows: list[tuple[str, str, str]] = []
    for name in CHANNELS.names:
        if CHANNELS.make(name, lambda _: True) is None:
            continue  # the web chat has doors of its own, and nothing is asked for it
        guide = CHANNELS.make(name, guide_of)
        asked = ", ".join(each.key for each in guide.questions if each.required) if guide is not None else ""
        rows.append((name, guide.title if guide is not None else "-", asked or "-"))
    if not caller.screen.data([dict(zip(("kind", "title", "asks"), row, strict=True)) for row in rows]):
        caller.screen.table(("kind", "title", "asks for"), rows, empty="There is none.")


@app.command("list")
@calling
def list_channels(caller: Caller) -> None:
    """Lists the channels that lichen.toml declares, the address of each, and what it lacks."""
    file = ChannelFile(caller)
    states = _states(file)
    found = [_row(each, states.get((each.tenant, each.name))) for each in file.channels]
    if not caller.screen.data(found):
        heads = ("name", "kind", "tenant", "env", "webhook", "state")
        caller.screen.table(heads, [tuple(row.values()) for row in found], empty="There is no channel.")


@app.command()
@calling
def add(
    caller: Caller,
    kind: Kind,
    name: Annotated[str, typer.Option("--name", help="What it is called; else as its kind.", metavar="NAME")] = "",
    answers: Answers = "",
    schema_: Annotated[bool, typer.Option("--schema", help="Prints what a document of answers may hold.")] = False,
    emit_answers: Annotated[
        str, typer.Option("--emit-answers", help="Writes the answers, without secrets, to a file.", metavar="FILE")
    ] = "",
    public_url: PublicUrl = "",
    dry_run: DryRun = False,
) -> None:
    """Asks what a channel needs, keeps it, and tells its platform where we are.

    Secrets are kept as `lichen secrets` keeps them; lichen.toml refers to them. The form of every answer is checked
    before anything is changed; whether a secret is right, the platform says afterwards. Running it again is safe.
    """
    maker, guide = guide_of_kind(kind)
    if schema_:
        sys.stdout.write(json.dumps(schema(kind, maker, guide), indent=2) + "\n")
        return
    file = ChannelFile(caller)
    tenant, declared, env = file.place("dev")
    every = tuple(each.key for each in guide.questions)
    document = _document(answers) if answers else ask(maker, guide, every, {})
    given = checked(kind, maker, guide, document, public_url=public_url)
    plan = planned(kind, maker, guide, given, name=name or kind, tenant=tenant, env=env)
    there = already(declared, plan, maker)
    plan, is_there = there or plan, there is not None
    file.try_out(plan, is_there=is_there)
    if emit_answers:
        emit(Path(emit_answers), maker, guide, given, plan)
    if dry_run:
        say_dry(caller, plan, given.public_url)
        return
    set_up(caller, file, Wanted(plan, guide, given.public_url, is_there), given)


@app.command()
@calling
def update(
    caller: Caller,
    name: Name,
    keys: Annotated[list[str] | None, typer.Argument(help="Which answers; else all.", metavar="KEY")] = None,
    answers: Answers = "",
    public_url: PublicUrl = "",
    dry_run: DryRun = False,
) -> None:
    """Changes answers of a channel; those that are not named stay as they are."""
    file = ChannelFile(caller)
    channel = file.find(name)
    maker, guide = guide_of_kind(channel.kind)
    every = tuple(each.key for each in guide.questions)
    unknown = next((each for each in keys or () if each not in every), None)
    if unknown is not None:
        step = f"Name some of: {', '.join(every)}."
        raise Invalid(f"Nothing asks for {unknown!r}.", code="answer_unknown", next_step=step)
    if answers or (public_url and not keys):
        document: Mapping[str, Any] = _document(answers) if answers else {}
    else:
        typed = ask(maker, guide, tuple(keys or every), channel.table)
        document = {key: value for key, value in typed.items() if value}
    given = checked(channel.kind, maker, guide, document, public_url=public_url, is_whole=False)
    plan = planned(
        channel.kind, maker, guide, given, name=name, tenant=channel.tenant, env=channel.env, before=channel.table
    )
    file.try_out(plan, is_there=True)
    if dry_run:
        say_dry(caller, plan, given.public_url)
        return
    set_up(caller, file, Wanted(plan, guide, given.public_url, True), given)


@app.command()
@calling
def remove(
    caller: Caller,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Does not ask.")] = False,
    with_secrets: Annotated[bool, typer.Option("--with-secrets", help="Forgets its secrets, too.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where its platform cannot be told.")] = False,
) -> None:
    """Tells the platform to send nothing more, and takes the channel out of lichen.toml."""
    file = ChannelFile(caller)
    channel = file.find(name)
    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("Nobody is there to be asked.", code="answers_needed", next_step="Add --yes.")
        typer.confirm(f"Remove the channel {name} of {channel.tenant}?", abort=True, err=True)
    client, said = file.client(channel), list[str]()
    view = view_of(file, channel)
    if view is not None and view["registers"]:
        try:
            said.append(client.post(f"channels/{name}/unregister")["said"])
        except LichenError as error:
            if not anyway:
                error.next_step = f"{error.next_step} Or add --anyway; nothing was removed."
                raise
            note(f"the platform was not told: {error.message}")
    secrets = _secrets_of(channel)
    file.drop(channel)
    put_in_force(client, name, channel.tenant)
    own = [each for each in secrets if each not in _used_in(ChannelFile(caller), channel)]
    forgotten = [each for each in own if with_secrets and _forgot(file, channel, each)]
    stays = [each for each in own if each not in forgotten]
    if caller.screen.data({"name": name, "removed": True, "said": said, "forgotten": forgotten, "kept": stays}):
        return
    for line in said:
        caller.screen.line(line)
    caller.screen.line(f"{name} is removed.")
    if forgotten:
        caller.screen.line(f"forgotten: {', '.join(forgotten)}")
    if stays:
        caller.screen.line(f"its secrets may be there still: {', '.join(stays)}", "dim")


@app.command("test")
@calling
def try_out(
    caller: Caller,
    name: Name,
    to: Annotated[str, typer.Option("--to", help="Where a test message goes, in the channel's own form.")] = "",
) -> None:
    """Asks the platform who we are there, and sends a test message."""
    file = ChannelFile(caller)
    channel = file.find(name)
    client = file.client(channel)
    said = client.post(f"channels/{name}/check")["said"]
    tried = client.post(f"channels/{name}/test", {"to": to}) if to else None
    if not caller.screen.data({"name": name, "said": said, "tried": tried}):
        caller.screen.line(f"{name}: {said or 'its secrets are there; it cannot ask its platform'}", "green")
        if tried is None:
            caller.screen.line("No message was sent: --to says where one goes.", "dim")
        else:
            why = f" ({tried['code']})" if tried["code"] else ""
            caller.screen.line(f"test message: {tried['outcome']}{why}")
    if tried is not None and tried["outcome"] != "delivered":
        raise typer.Exit(1)


@app.command()
@calling
def doctor(caller: Caller, public_url: PublicUrl = "") -> None:
    """Names what is wrong with each channel, and what mends it."""
    found = list(examined(ChannelFile(caller), public_url=public_url))
    if not caller.screen.data([each._asdict() for each in found]):
        caller.screen.table(("channel", "state", "what", "mend"), found, empty="There is no channel.")
    if any(each.state == "problem" for each in found):
        raise typer.Exit(1)


# -- documents ---------------------------------------------------------------------------------------------------


def _document(named: str) -> Mapping[str, Any]:
    """The document of answers. Raises NotFound (`file_missing`), Invalid (`answers_invalid`)."""
    if named == "-":
        return read_document(sys.stdin.buffer.read(ANSWERS_BYTES_MAX + 1))
    try:
        with Path(named).open("rb") as file:
            return read_document(file.read(ANSWERS_BYTES_MAX + 1))
    except OSError as error:
        step = "Name a file that can be read, or - for standard input."
        raise NotFound(
            f"The answers cannot be read: {error.strerror}.", code="file_missing", place=named, next_step=step
        ) from None


# -- what there is -----------------------------------------------------------------------------------------------


def _states(file: ChannelFile) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """What the runtime says of each channel, by tenant and name."""
    places = {(each.tenant, each.env): each for each in file.channels}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for (tenant, _), one in places.items():
        found |= {(tenant, each["name"]): each for each in file.client(one).get("channels")}
    return found


def _row(channel: Declared, view: Mapping[str, Any] | None) -> dict[str, str]:
    state = "ok"
    if view is None:
        state = "after a restart"
    elif view["code"]:
        state = view["code"]
    elif view["lacks"]:
        state = f"lacks {', '.join(each['reference'] for each in view['lacks'])}"
    webhook = view["webhook"] if view is not None else "-"
    return {"name": channel.name, "kind": channel.kind, "tenant": channel.tenant, "env": channel.env,
            "webhook": webhook, "state": state}  # fmt: skip


def _secrets_of(channel: Declared) -> tuple[str, ...]:
    try:
        maker, _ = guide_of_kind(channel.kind)
    except LichenError:
        return ()
    return references(maker.settings, channel.table)


def _used_in(file: ChannelFile, gone: Declared) -> frozenset[str]:
    """The secrets that other channels of the same scope refer to."""
    others = (each for each in file.channels if (each.tenant, each.env) == (gone.tenant, gone.env))
    return frozenset(secret for each in others for secret in _secrets_of(each))


def _forgot(file: ChannelFile, channel: Declared, secret: str) -> bool:
    try:
        file.client(channel).post("secrets/remove", {"name": secret})
    except LichenError as error:
        note(f"{secret} is not forgotten: {error.message}")
        return error.code == "secret_unknown"
    return True
