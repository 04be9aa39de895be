"""What is wrong with channels: mistakes in their tables, secrets, what their platforms say, and the way to us."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from lichen.channels.port import mend_of
from lichen.cli.channels.keeping import kept_in, unneeded
from lichen.cli.channels.project import ChannelFile, Declared, mistakes
from lichen.cli.channels.writing import beside_of
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project
    from lichen.runtime.review.secrets import Lacks

SKEW_S_MAX: Final = 60.0  # platforms' proofs count for five minutes
ASK_S: Final = 10.0


class Finding(NamedTuple):
    """What was found of one channel: `ok`, `warning` or `problem`; what it is, and what mends it."""

    channel: str
    state: str
    what: str
    mend: str = ""


def examined(file: ChannelFile, *, public_url: str = "") -> Iterator[Finding]:
    """Every finding of every channel."""
    for error in mistakes(file.path):
        yield Finding("-", "problem", f"{error.place or ''}: {error.message} ({error.code})", error.next_step)
    if beside_of(file.path.resolve()).exists():
        what = f"{beside_of(file.path).name} was left by a command that was ended; {file.path.name} is as it was before"
        yield Finding("-", "warning", what, "run that command again")
    for channel in file.channels:
        try:
            yield from _channel(file, channel, public_url)
        except LichenError as error:
            yield _failure(channel, error)
    for first in {(each.tenant, each.env): each for each in file.channels}.values():
        yield from _left_over(file, first)


def _channel(file: ChannelFile, channel: Declared, public_url: str) -> Iterator[Finding]:
    named, client = f"{channel.tenant}/{channel.name}", file.client(channel)
    views: list[Mapping[str, Any]] = client.get("channels")
    view = next((each for each in views if each["name"] == channel.name), None)
    if view is None:
        yield Finding(named, "warning", "the running server does not have it", "lichen reload, or start it again")
        return
    if view["code"]:
        yield Finding(named, "problem", f"{view['message']} ({view['code']})", "lichen doctor")
        return
    for lack in view["lacks"]:
        yield Finding(named, "problem", f"{lack['reference']} cannot be had ({lack['code']})", _mend(channel, lack))
    if not view["lacks"]:
        try:
            found = client.post(f"channels/{channel.name}/check")
        except LichenError as error:
            yield _failure(channel, error)
        else:
            yield Finding(named, "ok", found["said"] or "its secrets are there")
            yield from _pointed(named, channel, found, f"{public_url.rstrip('/')}{view['webhook']}")
    if public_url:
        yield from _reached(named, f"{public_url.rstrip('/')}{view['webhook']}")


def _pointed(named: str, channel: Declared, found: Mapping[str, Any], webhook: str) -> Iterator[Finding]:
    """Whether its platform sends to us: to this address, or one that ends so, where nobody said the whole of it."""
    mend = f"lichen channel update {channel.name} --public-url https://HOST"
    if found["sends_to"] == []:
        yield Finding(named, "problem", "its platform sends nowhere", mend)
    urls: list[str] = found["sends_to"] or []
    for url in urls:
        if url != webhook and not (webhook.startswith("/") and urlsplit(url).path == webhook):
            yield Finding(named, "problem", f"its platform sends to {url}, which is not {webhook}", mend)
    for trouble in found["trouble"]:
        yield Finding(named, "problem", f"its platform says: {trouble}", mend)


def _left_over(file: ChannelFile, channel: Declared) -> Iterator[Finding]:
    """The secrets of a scope that are kept for nothing."""
    try:
        kept = kept_in(file.client(channel))
    except LichenError:
        return  # whoever looks may not see secrets
    for name in unneeded(file, channel, kept):
        what = f"{channel.tenant}: nothing refers to the secret {name}, which is kept"
        mend = f"lichen secrets remove {name} --tenant {channel.tenant} --env {channel.env}"
        yield Finding("-", "warning", what, mend)


def found_in(project: Project, lacks: Lacks) -> Iterator[Finding]:
    """What the channels of a project cannot be handed, as far as that is known without asking their platforms."""
    for each in project.channels.all:
        tenant = each.scope.tenant
        missing = [one for one in each.secrets() if _is_missing(one, each.scope, lacks)]
        for one in missing:
            what = f"{tenant}/{each.name}: {one} cannot be had (channel_secret_missing)"
            yield Finding("channels", "problem", what, mend_of(one, each.scope, channel=each.name))
        if not missing:
            yield Finding("channels", "ok", f"{tenant}/{each.name}: {each.kind}, its secrets are there")


def _is_missing(reference: str, scope: Scope, lacks: Lacks) -> bool:
    kind, _, name = reference.partition(":")
    return bool(lacks(scope, name)) if kind == "secret" else not os.environ.get(name)


def _mend(channel: Declared, lack: Mapping[str, str]) -> str:
    """What mends a secret that a channel cannot be handed."""
    scope = Scope(channel.tenant, channel.env)
    return mend_of(lack["reference"], scope, channel=channel.name, code=lack["code"])


def _reached(named: str, webhook: str) -> Iterator[Finding]:
    """Whether the world gets to us by this address, and whether its clock is ours."""
    import httpx2 as httpx

    if urlsplit(webhook).scheme != "https":
        yield Finding(named, "problem", f"{webhook} is not https", "name the https address with --public-url")
        return
    try:
        answer = httpx.post(webhook, content=b"", timeout=ASK_S)
    except httpx.HTTPError as error:
        what = f"nobody answers at {webhook} ({type(error).__name__})"
        yield Finding(named, "problem", what, "point its name and its proxy at this server")
        return
    yield arrived(named, webhook, answer.status_code, answer.content)
    skew_s = skew_of(answer.headers.get("date", ""), time.time())  # noqa: TID251 - this machine's clock is examined
    if skew_s > SKEW_S_MAX:
        yield Finding(named, "problem", f"the clocks differ by {skew_s:.0f} s", "timedatectl set-ntp true")


def arrived(named: str, webhook: str, status: int, body: bytes) -> Finding:
    """What an answer to a request without a proof says: ours refuses it in our words."""
    import msgspec

    try:
        code: str = msgspec.json.decode(body)["error"]["code"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        what = f"{webhook} is answered by something else (status {status})"
        return Finding(named, "problem", what, "point its name and its proxy at this server")
    if code == "channel_unknown":
        return Finding(named, "problem", f"{webhook} does not have this channel", "start the server there again")
    return Finding(named, "ok", f"{webhook} reaches us")


def skew_of(date: str, now_s: float) -> float:
    """How far a `Date` header is from the time; nothing where there is none."""
    try:
        said: datetime = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return 0.0
    return abs(said.timestamp() - now_s)


def _failure(channel: Declared, error: LichenError) -> Finding:
    named = f"{channel.tenant}/{channel.name}"
    return Finding(named, "problem", f"{error.message} ({error.code})", error.next_step)
