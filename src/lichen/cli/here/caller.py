"""Who calls from the command line: the options every command shares, and what a command gets in their place."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from types import TracebackType
from typing import Annotated, Any, Concatenate, ParamSpec, Self

import typer

from lichen.cli.here.client import Client
from lichen.cli.here.connection import Connection
from lichen.cli.here.workspace import Workspace, locate
from lichen.cli.show.screen import Screen, note

P = ParamSpec("P")

Tenant = Annotated[str | None, typer.Option("--tenant", envvar="LICHEN_TENANT", help="The tenant.", metavar="NAME")]
Env = Annotated[
    str | None,
    typer.Option("--env", envvar="LICHEN_ENV", help="Its environment, when it has several.", metavar="NAME"),
]
As = Annotated[str | None, typer.Option("--as", help="The declared actor who does this.", metavar="ACTOR")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="LICHEN_KEY", help="An API key, instead of tenant and actor.", metavar="KEY"),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]

SHARED = {"tenant": Tenant, "env": Env, "as_": As, "key": Key, "as_json": Json}


class Caller:
    """What a command works with: `client` reaches the runtime as who was named, `screen` shows what it says."""

    def __init__(self, *, tenant: str | None, env: str | None, as_: str | None, key: str | None, as_json: bool) -> None:
        self.tenant: str | None = tenant
        self.env: str | None = env
        self.name: str | None = as_
        self.has_key = key is not None
        self.screen = Screen(as_json=as_json)
        self.client = Client(Connection(locate()), _headers(tenant, env, as_, key))

    def as_some_customer(self) -> Client | None:
        """Who names nobody is, where a project is developed, the customer that its `lichen.toml` declares first.

        Returns the way to what that customer may not see, for whoever develops the project, also where they named
        somebody; None elsewhere, and for who comes with a key."""
        if self.has_key:
            return None
        found = _first_customer(self.client.connection.workspace, self.tenant, self.env, self.name)
        if found is not None and self.name is not None:
            return Client(self.client.connection, _headers(*found[:2], None, None))
        if self.name is not None:
            return None
        if found is None:
            return None
        self.tenant, self.env, self.name = found
        self.client = Client(self.client.connection, _headers(*found, None))
        note(f"You are {self.name} of {self.tenant}. --as names somebody else.")
        return Client(self.client.connection, _headers(self.tenant, self.env, None, None))

    def move(self, workspace: Workspace) -> None:
        """Works somewhere else from now on, as who was named."""
        self.client = Client(Connection(workspace), self.client.headers)

    @property
    def options(self) -> str:
        """The options that name the same tenant again, for a command line that the reader may copy."""
        tenant = f" --tenant {self.tenant}" if self.tenant else ""
        return tenant + (f" --env {self.env}" if self.env else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self.client.connection.leave()  # interrupted: what is owed is taken up by the next owner
        else:
            self.client.connection.finish()


def _headers(tenant: str | None, env: str | None, as_: str | None, key: str | None) -> dict[str, str]:
    named = {
        "Lichen-Tenant": tenant,
        "Lichen-Env": env,
        "Lichen-As": as_,
        "Authorization": f"Bearer {key}" if key is not None else None,
    }
    return {name: value for name, value in named.items() if value is not None}


def _first_customer(
    workspace: Workspace, tenant: str | None, env: str | None, named: str | None
) -> tuple[str, str, str] | None:
    """Tenant, environment and name of the first declared customer in a development environment, or of who is named."""
    from lichen.settings.reading import read

    if workspace.file is None:
        return None
    settings = read(workspace.file, environ=os.environ).settings
    for name, declared in settings.tenants.items() if settings is not None else ():
        envs = [each for each in declared.development if env in (None, each)]
        customers = [a.id for a in declared.actors if (a.kind == "customer" if named is None else a.id == named)]
        if tenant in (None, name) and envs and customers:
            return name, envs[0], customers[0]
    return None


def calling(command: Callable[Concatenate[Caller, P], None]) -> Callable[..., None]:
    """A command that works with a caller, as typer sees it: the shared options stand in the caller's place."""

    @functools.wraps(command)
    def called(**given: Any) -> None:
        with Caller(**{name: given.pop(name) for name in SHARED}) as caller:
            command(caller, **given)  # pyright: ignore[reportCallIssue] - typer gives what the signature says

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=False if name == "as_json" else None
        )
        for name, kind in SHARED.items()
    ]
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *added]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called
