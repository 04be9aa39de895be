"""A planned channel put in place: the platform is asked, then the secrets are kept, then the file is written, then the
platform is told. Nothing is half done in silence."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec.structs

from lichen.channels.port import ChannelMaker, Guide, mend_of
from lichen.cli.channels.answers import Given
from lichen.cli.channels.keeping import (
    Kept,
    check_replaced,
    differing,
    forget,
    keep,
    kept_in,
    used_beside,
    users_of,
)
from lichen.cli.channels.planning import Plan, references, switched, texts_of
from lichen.cli.channels.project import ChannelFile, Declared, put_in_force
from lichen.cli.here.caller import Caller
from lichen.cli.here.client import Client
from lichen.cli.show.screen import note
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.scope import Scope


class Wanted(NamedTuple):
    """What is to be put in place: a plan, how its kind is set up, and where the world reaches us. `before` is the table
    that an update changes. `yes`: what is kept already may be replaced; `anyway`: also where the platform refuses."""

    plan: Plan
    maker: ChannelMaker
    guide: Guide
    url: str
    is_there: bool
    before: Mapping[str, Any] | None = None
    yes: bool = False
    anyway: bool = False


def set_up(caller: Caller, file: ChannelFile, wanted: Wanted, given: Given) -> None:
    """Puts it in place. What was done when something fails is said."""
    for each in given.unused:
        note(f"{each} is not needed here")
    client, done = file.client(wanted.plan), list[str]()
    kept = kept_in(client)
    wanted = wanted._replace(plan=_settled(file, client, wanted, kept))
    plan = wanted.plan
    with _told(done):
        is_new = _put(file, client, wanted, kept, done)
        is_in_force = put_in_force(client, plan.name, plan.tenant)
        view = view_of(file, plan) if is_in_force else None
        if wanted.before is not None:
            done += _cleared(file, client, wanted, kept, is_in_force=is_in_force)
        webhook, said = _registered(file, plan, view, wanted.url)
    found = _outcome(wanted, view, webhook) | {"said": said, "changed": is_new, "in_force": is_in_force}
    if not caller.screen.data(found):
        _say(caller, found, done)


def _settled(file: ChannelFile, client: Client, wanted: Wanted, kept: Kept) -> Plan:
    """The plan with what changes alone: nobody's secret is replaced unasked, and an update takes effect at once."""
    plan = differing(client, wanted.plan, kept)
    if wanted.before is None:
        check_replaced(file, plan, kept, is_agreed=wanted.yes)
        return plan
    return switched(plan, wanted.before, wanted.maker, {name: each["source"] for name, each in kept.items()})


def _put(file: ChannelFile, client: Client, wanted: Wanted, kept: Kept, done: list[str]) -> bool:
    """Keeps the secrets and writes the table, once the platform took both. Tells whether that changed the file."""
    plan = wanted.plan
    with file.draft(plan, is_there=wanted.is_there) as made:
        if plan.secrets or made.is_change:
            _ask_platform(client, wanted, is_replacing=wanted.is_there or any(each in kept for each in plan.secrets))
        for secret in plan.secrets:
            keep(client, plan, secret)
            done.append(f"secret {secret} is {'replaced' if secret in kept else 'kept'}")
            for user in users_of(file, plan, kept[secret]) if secret in kept else ():
                note(f"{user} is handed {secret}, too: it has the new one now")
        is_new = made.put()
    done.append(f"{plan.name} is in {file.path.name}")
    return is_new


def _ask_platform(client: Client, wanted: Wanted, *, is_replacing: bool) -> None:
    """Has the platform say whether it takes what is not in force yet. Where nothing that works would be replaced, it is
    enough that it does not refuse: it may be away, or a secret may come later."""
    plan = wanted.plan
    try:
        client.post(f"channels/{plan.name}/candidate", {"secrets": plan.secrets})
    except LichenError as error:
        if not (wanted.anyway or (isinstance(error, Unavailable) and not is_replacing)):
            error.next_step = f"{error.next_step} Nothing was changed; --anyway changes it all the same."
            raise
        note(f"its platform did not take this: {error.message} ({error.code})")


def _cleared(file: ChannelFile, client: Client, wanted: Wanted, kept: Kept, *, is_in_force: bool) -> Iterator[str]:
    """Forgets the secrets that an update put others in the place of, unless somebody is handed them still."""
    assert wanted.before is not None, "only an update puts another in the place of one"
    settings, plan = wanted.maker.settings, wanted.plan
    now = {*references(settings, plan.table), *used_beside(file, plan)}
    for name in references(settings, wanted.before):
        if name in now or name not in kept or kept[name]["tools"]:
            continue
        if not is_in_force:
            note(f"after the restart nothing needs the secret {name}: `lichen channel doctor` names it then")
        elif forget(client, name):
            yield f"secret {name} is forgotten"


def _outcome(wanted: Wanted, view: Mapping[str, Any] | None, told: str) -> dict[str, Any]:
    """What became of it, and what a person has to do still."""
    plan = wanted.plan
    path = view["webhook"] if view is not None else f"/v1/messaging/ingress/{plan.name}/{plan.tenant}"
    webhook = told or f"{wanted.url.rstrip('/') or 'https://YOUR-HOST'}{path}"
    steps = [each.replace("{webhook}", webhook).replace("{name}", plan.name) for each in wanted.guide.steps]
    return {
        "name": plan.name,
        "kind": plan.kind,
        "tenant": plan.tenant,
        "env": plan.env,
        "webhook": webhook,
        "steps": [] if told else steps,
        "lacks": [each["reference"] for each in view["lacks"]] if view is not None else [],
        "secrets": sorted(plan.secrets),
    }


def _say(caller: Caller, found: Mapping[str, Any], done: Sequence[str]) -> None:
    for line in filter(None, (*done, found["said"])):
        caller.screen.line(line, "green")
    for n, line in enumerate(found["steps"], 1):
        caller.screen.line(f"{n}. {line}")
    scope = Scope(found["tenant"], found["env"])
    for each in found["lacks"]:
        note(f"{each} is missing: `{mend_of(each, scope, channel=found['name'])}`")
    caller.screen.line(f"`lichen channel test {found['name']}` asks its platform.", "dim")


@contextmanager
def _told(done: list[str]) -> Generator[None]:
    """Says what was done already when something fails, and that doing it again is right."""
    try:
        yield
    except LichenError as error:
        for each in done:
            note(f"done: {each}")
        if done:
            error.next_step = f"{error.next_step} Then run this again: what is done is not done twice."
        raise


def _registered(file: ChannelFile, plan: Plan, view: Mapping[str, Any] | None, url: str) -> tuple[str, str]:
    """The address that the platform was told, and what it said; nothing where a person has to tell it."""
    if view is None or not view["registers"]:
        return "", ""
    if not url:
        note(f"its platform was not told where we are: `lichen channel update {plan.name} --public-url https://…`")
        return "", ""
    found = file.client(plan).post(f"channels/{plan.name}/register", {"public_url": url})
    return found["webhook"], found["said"]


def say_dry(caller: Caller, plan: Plan, url: str) -> None:
    """Says what would be done."""
    told = {"name": plan.name, "kind": plan.kind, "tenant": plan.tenant, "env": plan.env}
    found = {**told, "table": plan.table, "secrets": sorted(plan.secrets), "public_url": url}
    if caller.screen.data(found):
        return
    caller.screen.line(f"[tenants.{plan.tenant}.{plan.name}]")
    for key, value in plan.table.items():
        caller.screen.line(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    for each in sorted(plan.secrets):
        caller.screen.line(f"secret {each} would be kept", "dim")
    caller.screen.line("Nothing was changed.", "dim")


def view_of(file: ChannelFile, channel: Declared | Plan) -> Mapping[str, Any] | None:
    """What the runtime says of a channel, None where it does not have it."""
    found: list[Mapping[str, Any]] = file.client(channel).get("channels")
    return next((each for each in found if each["name"] == channel.name), None)


def emit(path: Path, maker: ChannelMaker, guide: Guide, given: Given, plan: Plan) -> None:
    """Writes the answers so that they can be given again: secrets by what refers to them."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(maker.settings)}
    found: dict[str, Any] = {key: value for key, value in plan.table.items() if key not in ("kind", "env")}
    for each in guide.questions:
        if each.secret and (each.key in given.secrets or each.key in given.settings):
            found[each.key] = _first(plan.table.get(each.key, defaults[each.key]))
    found |= {"public_base_url": given.public_url} if given.public_url else {}
    data = json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)


def _first(value: object) -> str:
    return next(iter(texts_of(value)), "")
