"""`lichen channel`: the platforms that a tenant's customers are on, added, looked at, changed and taken away."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.channels.port import ChannelMaker, Guide
from lichen.cli.channels.answers import ANSWERS_BYTES_MAX, Given, checked, read_document, schema
from lichen.cli.channels.applying import Wanted, emit, say_dry, set_up, view_of
from lichen.cli.channels.asking import ask, check_terminal
from lichen.cli.channels.doctor import examined
from lichen.cli.channels.keeping import forget, kept_in, secrets_of, users_of
from lichen.cli.channels.planning import already, guide_of_kind, planned, secret_of
from lichen.cli.channels.project import ChannelFile, Declared, mistakes, put_in_force
from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import moment
from lichen.cli.show.screen import note
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.settings.file import FILE

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
Anyway = Annotated[bool, typer.Option("--anyway", help="Also where its platform does not take it.")]
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
    faults = mistakes(file.path)
    states = _states(file, faults)
    found = [_row(each, states.get((each.tenant, each.name)), faults) for each in file.channels]
    if not caller.screen.data(found):
        heads = ("name", "kind", "tenant", "env", "webhook", "state")
        caller.screen.table(heads, [tuple(row.values()) for row in found], empty="There is no channel.")
    for fault in faults:
        note(f"{fault.place or FILE}: {fault.message} ({fault.code}) {fault.next_step}")
    if faults:
        raise typer.Exit(1)


@app.command()
@calling
def health(caller: Caller) -> None:
    """Says how each channel is, as the log knows it: what came and went, what waits. No platform is asked."""
    found = caller.client.get("channels/health")
    if caller.screen.data(found):
        return
    rows = [
        (
            each["name"],
            each["state"],
            "-" if each["last_in_us"] is None else moment(each["last_in_us"]),
            "-" if each["last_out_us"] is None else moment(each["last_out_us"]),
            str(each["waiting"]),
            str(each["failed"] + each["in_doubt"] + each["letters"]),
            "; ".join(finding["what"] for finding in each["findings"]),
        )
        for each in found
    ]
    heads = ("name", "is", "last in", "last out", "on the way", "stuck", "what")
    caller.screen.table(heads, rows, empty="There is no channel.")


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
    yes: Annotated[bool, typer.Option("--yes", help="Replaces secrets that are kept already.")] = False,
    anyway: Anyway = False,
    dry_run: DryRun = False,
) -> None:
    """Asks what a channel needs, keeps it, and tells its platform where we are.

    Secrets are kept as `lichen secrets` keeps them; lichen.toml refers to them. The form of every answer is checked,
    and the platform asked whether it takes them, before anything is changed. Running it again is safe.
    """
    maker, guide = guide_of_kind(kind)
    if schema_:
        sys.stdout.write(json.dumps(schema(kind, maker, guide), indent=2) + "\n")
        return
    file = ChannelFile(caller)
    tenant, declared, env = file.place("dev")
    document = _document(answers) if answers else _asked(file, (kind, name or kind, tenant, env), maker, guide)
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
    set_up(caller, file, Wanted(plan, maker, guide, given.public_url, is_there, yes=yes, anyway=anyway), given)


@app.command()
@calling
def update(
    caller: Caller,
    name: Name,
    keys: Annotated[list[str] | None, typer.Argument(help="Which answers; else all.", metavar="KEY")] = None,
    answers: Answers = "",
    public_url: PublicUrl = "",
    anyway: Anyway = False,
    dry_run: DryRun = False,
) -> None:
    """Changes answers of a channel; those that are not named stay as they are.

    The platform is asked first: what it does not take changes nothing. All of it takes effect at once, or none does.
    """
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
        secret = {each.key: "" for each in guide.questions if each.secret}
        typed = ask(maker, guide, tuple(keys or every), {**channel.table, **secret}, kept=secret)
        document = {key: value for key, value in typed.items() if value}
    given = checked(channel.kind, maker, guide, document, public_url=public_url, is_whole=False)
    plan = planned(
        channel.kind, maker, guide, given, name=name, tenant=channel.tenant, env=channel.env, before=channel.table
    )
    file.try_out(plan, is_there=True)
    if dry_run:
        say_dry(caller, plan, given.public_url)
        return
    wanted = Wanted(plan, maker, guide, given.public_url, True, before=channel.table, anyway=anyway)
    set_up(caller, file, wanted, given)


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
    secrets = secrets_of(channel)
    file.drop(channel)
    put_in_force(client, name, channel.tenant)
    now, kept, routes = ChannelFile(caller), kept_in(client), list(file.routes_of(channel))
    own = [each for each in secrets if each in kept and not users_of(now, channel, kept[each])]
    forgotten = [each for each in own if with_secrets and forget(client, each)]
    stays = [each for each in own if each not in forgotten]
    found = {"name": name, "removed": True, "said": said, "forgotten": forgotten, "kept": stays, "routes": routes}
    if caller.screen.data(found):
        return
    for line in said:
        caller.screen.line(line)
    caller.screen.line(f"{name} is removed.")
    if forgotten:
        caller.screen.line(f"forgotten: {', '.join(forgotten)}")
    if stays:
        caller.screen.line(f"its secrets are kept still: {', '.join(stays)}", "dim")
        caller.screen.line(f"`lichen secrets remove {stays[0]}` forgets one; --with-secrets does it at once.", "dim")
    for place in routes:
        note(f"{place}: this route is for {name} alone, and nothing comes by it any more: take it out")


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


def _states(file: ChannelFile, faults: Sequence[LichenError]) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """What the runtime says of each channel, by tenant and name. With a fault in the file none can begin, and only one
    that runs already says anything."""
    places = {(each.tenant, each.env): each for each in file.channels}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    try:
        for (tenant, _), one in places.items():
            found |= {(tenant, each["name"]): each for each in file.client(one).get("channels")}
    except LichenError:
        if not faults:
            raise
    return found


def _row(channel: Declared, view: Mapping[str, Any] | None, faults: Sequence[LichenError]) -> dict[str, str]:
    state, own = "ok", re.compile(rf"tenants\.{channel.tenant}\.{channel.name}(\.|$)")
    wrong = next((each for each in faults if own.search(each.place or "")), None)
    if wrong is not None:
        state = wrong.code
    elif view is None:
        state = "not asked" if faults else "after a restart"
    elif view["code"]:
        state = view["code"]
    elif view["lacks"]:
        state = f"lacks {', '.join(each['reference'] for each in view['lacks'])}"
    webhook = view["webhook"] if view is not None else "-"
    return {"name": channel.name, "kind": channel.kind, "tenant": channel.tenant, "env": channel.env,
            "webhook": webhook, "state": state}  # fmt: skip


def _asked(file: ChannelFile, named: tuple[str, str, str, str], maker: ChannelMaker, guide: Guide) -> Mapping[str, Any]:
    """What a person answers. Nothing typed for a secret that is kept already means that one."""
    kind, name, tenant, env = named
    blank = Given({}, {each.key: "" for each in guide.questions if each.secret})
    plan = planned(kind, maker, guide, blank, name=name, tenant=tenant, env=env)
    check_terminal()
    there = kept_in(file.client(plan))
    names = {key: secret_of(plan, maker, key) for key in blank.secrets}
    kept = {key: f"secret:{each}" for key, each in names.items() if each in there}
    every = tuple(each.key for each in guide.questions)
    return ask(maker, guide, every, {}, kept=kept)
