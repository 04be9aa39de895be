"""Whether the models that agents ask can be reached: their libraries, their keys, and, when asked to, an answer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from lichen.agents.clouds.found import METADATA
from lichen.agents.lanes.file import closed_ways
from lichen.agents.lanes.window import told
from lichen.agents.models.model import resolve
from lichen.agents.providers.facts import PROVIDERS, Facts
from lichen.agents.providers.remote import clients_held
from lichen.core.ports.model import Connectable, Connection, Connections, ModelError, ModelMessage, ModelRequest
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.gate.secrets.sealed import Closed, SealedSecrets
from lichen.gate.secrets.sources import Sources, built_in
from lichen.log.disk.lock import DirectoryLock
from lichen.log.keys.keyring import Keyring
from lichen.log.keys.secretfiles import FOLDER
from lichen.runtime.given.connections import Reaching
from lichen.runtime.project.project import Project
from lichen.runtime.project.secretkinds import maker
from lichen.runtime.review.policies import met, models_of
from lichen.runtime.review.secrets import Lacks
from lichen.settings.providers import NO_KEY, ProviderTable

ASK_S: Final = 30.0
ASKED: Final = ModelRequest("", (ModelMessage("user", "Say: ok."),), max_tokens=64, time_s=ASK_S)


class Found(NamedTuple):
    """What was found of a model or its provider: `ok`, `warning` or `problem`, and what mends it."""

    state: str
    what: str
    mend: str = ""


class Asked(NamedTuple):
    """A model that an environment's agents ask, and how it is reached there."""

    scope: Scope
    name: str
    facts: Facts
    table: ProviderTable


def asked_models(project: Project) -> tuple[Asked, ...]:
    """Every model of a provider that agents ask, in each environment they are met in."""
    settings, agents = project.settings, {str(agent.name): agent for agent in project.agents}
    found: list[Asked] = []
    for scope in settings.scopes:
        for agent in met(settings.tenants[scope.tenant], agents):
            for name in models_of(agent):
                facts = PROVIDERS.get(name.partition(":")[0])
                asked = Asked(scope, name, facts, settings.provider(scope, facts.name)) if facts is not None else None
                if asked is not None and asked not in found:
                    found.append(asked)
    return tuple(found)


def configured(project: Project, lacks: Lacks) -> Iterator[Found]:
    """Which providers are installed, and of each that is asked whether its key is there. No key is shown."""
    installed = [facts.name for facts in PROVIDERS.values() if facts.is_installed]
    every = asked_models(project)
    if installed and every:
        yield Found("ok", f"installed: {', '.join(installed)}")
    for facts in dict.fromkeys(each.facts for each in every):
        if not facts.is_installed:
            mend = f"pip install '.[{facts.extra}]'"
            yield Found("problem", f"{facts.name}: its libraries are not installed (extra `{facts.extra}`)", mend)
    seen: set[Found] = set()
    for each in every:
        found = _key(each, lacks)
        if found not in seen:
            seen.add(found)
            yield found


def _key(asked: Asked, lacks: Lacks) -> Found:
    """Whether the provider would know who asks."""
    where, facts, table = f"{asked.scope.tenant}/{asked.scope.env}", asked.facts, asked.table
    kind, _, detail = (table.key or "").partition(":")
    match kind:
        case "env" if not os.environ.get(detail):
            return Found("problem", f"{where}: {facts.name} has no key: {detail} is not set", f"export {detail}=…")
        case "secret" if code := lacks(asked.scope, detail):
            mend = f"lichen secrets set {detail} --tenant {asked.scope.tenant} --env {asked.scope.env}"
            return Found("problem", f"{where}: {facts.name} has no key: {code}", mend)
        case "env" | "secret":
            return Found("ok", f"{where}: {facts.name} has its key from {table.key}")
        case _:
            pass
    bare = Connection(base_url=table.base_url or "", options=table.options, is_keyless=table.key == NO_KEY)
    if facts.needs_url and not facts.url_of(bare):
        return Found("problem", f"{where}: nobody said where {facts.name} is", f"export {facts.urls[0]}=…")
    if not facts.is_keyed(bare):
        return Found(
            "problem", f"{where}: {facts.name} has no key: {facts.keys[0]} is not set", f"export {facts.keys[0]}=…"
        )
    by = facts.known_by(bare)
    if facts.name == "bedrock" and not by:
        what = f"{where}: no credentials of AWS are seen here; bedrock is known by {METADATA}"
        return Found("warning", what, "lichen doctor --ask, or `aws configure`, or a key under [models.bedrock]")
    return Found("ok", f"{where}: {facts.name} is reached as the environment says{f', by {by}' if by else ''}")


def answering(project: Project, home: Path) -> Iterator[Found]:
    """Asks each model once, in few words. Every one of them costs what its provider takes for that."""
    every = [each for each in asked_models(project) if each.facts.is_installed]
    with ExitStack() as stack:
        secrets = _secrets(project, home, stack)
        connections = Reaching(project.settings.provider, secrets, os.environ, lambda: b"-")  # nobody is counted here
        yield from asyncio.run(_all_answers(every, connections))


def left_alone(project: Project, home: Path) -> Iterator[Found]:
    """Models that no process over this home asks for now, since a provider wanted that, and until when."""
    now_us = time.time_ns() // 1_000  # noqa: TID251 - the clock of this machine, as the processes read it
    names = {each.name for each in asked_models(project)}
    for name, until_us in closed_ways(home, now_us).items():
        if name in names:
            what = f"{name}: its provider wants no request {told(until_us, now_us)}: nobody here asks it (by one key)"
            yield Found("warning", what, "lichen doctor --ask, once that is over")


async def _all_answers(every: list[Asked], connections: Connections) -> list[Found]:
    async with clients_held():
        return [await _answer(each, connections) for each in every]


async def _answer(asked: Asked, connections: Connections) -> Found:
    where = f"{asked.scope.tenant}/{asked.scope.env}"
    began = time.perf_counter()
    try:
        model = resolve(asked.name)
        assert isinstance(model, Connectable)
        await model.over(connections, asked.scope).generate(ASKED)
    except ModelError as error:
        mend = await _address(asked, connections) if error.is_refused else ""
        step = mend or "lichen doctor --ask, once that is mended"
        return Found("problem", f"{where}: {error} ({error.code})", step)
    return Found("ok", f"{where}: {asked.name} answers in {time.perf_counter() - began:.1f} s")


async def _address(asked: Asked, connections: Connections) -> str:
    """Where to say where this model is; empty where that is its provider's own matter."""
    told_by = asked.facts.told_by(await connections.of(asked.facts.name, asked.scope))
    return f"export {told_by}=…" if told_by.isupper() else told_by


def _secrets(project: Project, home: Path, stack: ExitStack) -> Sources:
    """Where keys come from. What is sealed is opened only where no other process holds the directory."""
    sealed = SealedSecrets(home / "keys" / FOLDER, Closed())
    if (home / "keys").exists():
        try:
            lock = DirectoryLock(home)
        except LichenError:
            pass  # whoever holds it can be asked for nothing that is secret
        else:
            stack.callback(lock.release)
            keyring = Keyring.open(home / "keys", os.urandom)  # noqa: TID251 - none is drawn
            stack.callback(keyring.close)
            sealed = SealedSecrets(keyring.secrets_folder, keyring.master)
    return Sources(project.settings.secret, maker(built_in(os.environ, sealed)))
