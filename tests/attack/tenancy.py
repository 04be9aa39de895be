"""Every operation of the OpenAPI document, and every page of the console, asked by everybody who might."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from lichen.core.words.scope import Actor, Scope
from lichen.gate.rules.identity import may
from lichen.runtime.runtime import Runtime
from lichen.serve.console.routes import PAGES
from lichen.serve.openapi import document
from lichen.serve.site import make_site
from tests.attack.section import Outcome, Size
from tests.attack.shop import ACME, MARK, PEOPLE, Treasure, bury, key_of, open_shop

DESTROYS = ("log/erase", "/close", "stops")  # what an entitled caller is not asked to do: the others would miss it
ENDLESS = "waits/events"  # a stream that goes on as long as somebody looks
NEWS_AFTER = 2  # a greeting, then the first news
NOBODYS = ("agent", "name", "id")  # parts of a path that are no tenant's own


class Operation(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    capability: str | None
    is_owners: bool
    body: Any


class Caller(NamedTuple):
    """Somebody who asks: their headers, and where and who they are if a key says so. `of`: the tenant of their key."""

    name: str
    headers: Mapping[str, str]
    where: Scope | None = None
    who: Actor | None = None
    of: str = ""


def attack(size: Size, chance: random.Random, folder: Path) -> Outcome:
    """Asks for acme's things as everybody. The document decides what there is to ask for."""
    return asyncio.run(_attack(chance, folder))


async def _attack(chance: random.Random, folder: Path) -> Outcome:
    found: list[str] = []
    async with asyncio.timeout(300), open_shop(folder) as runtime:
        treasure, app = await bury(runtime), make_site(runtime)
        callers = await _callers(runtime)
        asked = 0
        named: dict[str, set[str]] = defaultdict(set)  # by tenant: what its people asked for stands in its own log
        for operation in _shuffled(list(_operations()), chance):
            for caller in callers:
                if caller.name == "an operator" and any(word in operation.path for word in DESTROYS):
                    continue
                asked += 1
                answer = await _asked(app, operation, caller, treasure, asked)
                found += _judged(operation, caller, treasure, answer, named[caller.of])
                named[caller.of].update(treasure.parts[part] for part in _parts(operation))
        pages = await _console(runtime, app, treasure, found, named)
        chats = await _chats(runtime, app, found)
    return Outcome(
        f"{len(list(_operations()))} operations × {len(callers)} callers = {asked} requests, {pages} console pages, "
        f"{chats} mixed-up chat tokens",
        found,
    )


def _shuffled(operations: list[Operation], chance: random.Random) -> list[Operation]:
    chance.shuffle(operations)
    return operations


# -- what there is to ask ----------------------------------------------------------------------------------------


def _operations() -> Iterator[Operation]:
    described = document()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            yield Operation(
                method.upper(),
                path,
                operation.get("x-capability"),
                "Only the owner" in operation.get("description", ""),
                None if body is None else _example(body, described["components"]["schemas"]),
            )


_KNOWN = {"kind": "customer", "agent": "shop.support", "actor": "customer-7", "text": f"hello {MARK}", "name": "x"}


def _example(schema: Mapping[str, Any], components: Mapping[str, Any], name: str = "") -> Any:
    """A body that the schema allows, with acme's customer and agent where a field asks for one."""
    if "$ref" in schema:
        return _example(components[schema["$ref"].rpartition("/")[2]], components, name)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], components, name)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = cast(Mapping[str, Any], schema.get("properties", {}))
            return {each: _example(fields[each], components, each) for each in schema.get("required", ())}
        case "array":
            return [_example(schema.get("items", {}), components)] * int(schema.get("minItems", 0))
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
        case _:
            return _KNOWN.get(name, "0" * max(1, int(schema.get("minLength", 1))))


async def _callers(runtime: Runtime) -> list[Caller]:
    people: list[Caller] = []
    for name, (where, who) in PEOPLE.items():
        people.append(Caller(name, _bearer(await key_of(runtime, where, who)), where, who, where.tenant))
    where, who = PEOPLE["an operator"]
    revoked = await key_of(runtime, where, who)
    runtime.keyring.api_keys.revoke(revoked.split("_")[1])
    foreign = next(each for each in people if each.name == "another tenant's operator")
    return [
        Caller("nobody", {}),
        Caller("a revoked key", _bearer(revoked)),
        Caller("a guessed key", _bearer(f"lk_{'0' * 8}_{'A' * 43}")),
        Caller("nobody who names ours", {"lichen-tenant": "acme", "lichen-as": "ops"}),
        Caller("another tenant that names ours", {**foreign.headers, "lichen-tenant": "acme"}, of=foreign.of),
        *people,
    ]


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def _asked(
    app: Starlette, operation: Operation, caller: Caller, treasure: Treasure, number: int
) -> httpx.Response:
    """The answer. Every request has an address of its own: how often somebody may ask is not what is tried here."""
    path = re.sub(r"{(\w+)}", lambda part: treasure.parts[part[1]], operation.path)
    asked = _opening(app) if operation.path.endswith(ENDLESS) else app
    transport = httpx.ASGITransport(asked, raise_app_exceptions=False, client=(f"10.0.{number >> 8}.{number & 255}", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://lichen.test") as client:
        return await client.request(operation.method, path, json=operation.body, headers=dict(caller.headers))


def _opening(app: ASGIApp) -> ASGIApp:
    """The app, for somebody who leaves a stream after its first news."""

    async def cut(scope: Connection, receive: Receive, send: Send) -> None:
        bodies, enough, is_whole = 0, asyncio.Event(), False

        async def noting(message: Message) -> None:
            nonlocal bodies, is_whole
            if message["type"] == "http.response.body":
                bodies, is_whole = bodies + 1, not message.get("more_body", False)
            await send(message)
            if bodies == NEWS_AFTER:
                enough.set()

        async def leaving() -> Message:
            await enough.wait()
            return {"type": "http.disconnect"}

        await app(scope, leaving, noting)
        if not is_whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return cut


# -- what may be answered ----------------------------------------------------------------------------------------


def _judged(
    operation: Operation, caller: Caller, treasure: Treasure, answer: httpx.Response, named: Collection[str] = ()
) -> list[str]:
    """What is wrong with an answer. The records of a tenant's own log may hold the ids that its own people named
    before, and nothing else of another tenant's."""
    status, what = answer.status_code, f"{operation.method} {operation.path} as {caller.name}: {answer.status_code}"
    if status >= 500:
        return [f"{what}, the server failed"]
    wanted = _wanted(operation, caller)
    if status not in wanted:
        return [f"{what} instead of {' or '.join(map(str, wanted))}"]
    if caller.name in ("an operator", "a service"):
        return []
    known = named if operation.path.endswith("/log/records") else ()
    seen = [sign for sign in treasure.signs if sign in answer.text and sign not in known]
    return [f"{what} shows {seen}"] if seen else []


def _parts(operation: Operation) -> list[str]:
    """The parts of its path that name something."""
    return re.findall(r"{(\w+)}", operation.path)


def _wanted(operation: Operation, caller: Caller) -> tuple[int, ...]:
    """The statuses that are right."""
    if caller.who is None or caller.where is None:
        return (403,) if "that names ours" in caller.name else (401,)
    if operation.is_owners:
        return (403,)
    is_anothers = bool(set(_parts(operation)) - set(NOBODYS)) and (
        caller.where != ACME or caller.name == "another customer"
    )
    if is_anothers:
        return (403, 404)
    if operation.capability and not may(caller.who, cast(Any, operation.capability)):
        return (403,)
    return (200, 201, 204, 400, 403, 404, 409, 410)


# -- the console and the chats -----------------------------------------------------------------------------------


async def _console(
    runtime: Runtime, app: Starlette, treasure: Treasure, found: list[str], named: Mapping[str, Collection[str]]
) -> int:
    """The pages and their twins, signed in as another tenant's operator, and signed in as nobody."""
    where, who = PEOPLE["another tenant's operator"]
    key = await key_of(runtime, where, who)
    asked = 0
    for is_signed_in in (True, False):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("10.1.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://lichen.test") as client:
            if is_signed_in:
                await client.post("/login", data={"key": key})
            for page in PAGES:
                path = re.sub(r"{(\w+)}", lambda part: treasure.parts[part[1]], page.path)
                for address in (f"/console/{path}", f"/console/{path}.json"):
                    asked += 1
                    known = named[where.tenant] if page.path == "log" else ()
                    answer = await client.get(address)
                    found += _shown(address, answer, treasure, is_signed_in=is_signed_in, named=known)
    return asked


def _shown(
    address: str, answer: httpx.Response, treasure: Treasure, *, is_signed_in: bool, named: Collection[str]
) -> list[str]:
    """What is wrong with a page. `named`: as for the records of a tenant's own log."""
    asked = [sign for sign in treasure.signs if sign in address]  # an error may repeat what was asked for
    seen = [sign for sign in treasure.signs if sign in answer.text and sign not in (*asked, *named)]
    is_wrong = answer.status_code >= 500 or (not is_signed_in and answer.status_code == 200)
    return [f"{address}: {answer.status_code} {seen}"] if seen or is_wrong else []


async def _chats(runtime: Runtime, app: Starlette, found: list[str]) -> int:
    """Tokens of one conversation used for another one, of the same tenant and of the other."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("10.2.0.1", 1))
    asked = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://lichen.test") as client:
        tokens: list[tuple[str, str, str]] = []
        for tenant in ("acme", "acme", "globex"):
            given = (await client.post(f"/v1/messaging/webchat/{tenant}/tokens/generate", json={})).json()
            headers = _bearer(given["token"])
            await client.post(f"/v1/messaging/webchat/{tenant}/v3/directline/conversations", headers=headers)
            tokens.append((tenant, given["conversationId"], given["token"]))
        for tenant, conversation, own in tokens:
            base = f"/v1/messaging/webchat/{tenant}/v3/directline/conversations/{conversation}"
            for _, _, token in tokens:
                if token != own:
                    for method, path in (("GET", base), ("GET", f"{base}/activities"), ("POST", f"{base}/activities")):
                        asked += 1
                        body = {"type": "message", "from": {"id": "x"}, "text": "hi"} if method == "POST" else None
                        answer = await client.request(method, path, json=body, headers=_bearer(token))
                        if answer.status_code not in (401, 403):
                            found.append(f"{method} {path} with another token: {answer.status_code}")
    return asked
