"""`lichen secrets`: what tools are handed when they act. No command shows a value, or takes one as an argument."""

from __future__ import annotations

import sys
from base64 import b64encode
from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import moment
from lichen.core.ports.secrets import SECRET_BYTES_MAX
from lichen.core.words.errors import Invalid

app = typer.Typer(name="secrets", help="The secrets that tools are handed.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name, such as payments.key.", metavar="NAME")]


@app.command("list")
@calling
def list_secrets(caller: Caller) -> None:
    """Lists the secrets of a tenant: where each comes from, its version, and when it was used last. Never a value."""
    found = caller.client.get("secrets")
    if caller.screen.data(found):
        return
    rows = [
        (
            each["name"],
            each["source"],
            each["version"] or each["code"],
            ", ".join(each["tools"]) or "-",
            moment(each["last"]["at_us"]) if each["last"] is not None else "-",
        )
        for each in found
    ]
    heads = ("name", "source", "version", "asked for by", "last use")
    caller.screen.table(heads, rows, empty="No tool asks for a secret.")


@app.command("set")
@calling
def set_secret(caller: Caller, name: Name) -> None:
    """Keeps the first value of a secret, read from standard input or typed unseen.

    One line feed at its end is not part of it."""
    kept = caller.client.post("secrets", {"name": name, **_value(name)})
    _confirm(caller, kept, "is set")


@app.command()
@calling
def rotate(caller: Caller, name: Name) -> None:
    """Replaces the value of a secret, read as `set` reads it. It counts at the next use."""
    kept = caller.client.post("secrets/rotate", {"name": name, **_value(name)})
    _confirm(caller, kept, "is replaced")


@app.command()
@calling
def remove(caller: Caller, name: Name) -> None:
    """Forgets a secret; whatever needs it fails from now on."""
    caller.client.post("secrets/remove", {"name": name})
    if not caller.screen.data({"name": name, "removed": True}):
        caller.screen.line(f"{name} is removed.")


def _value(name: str) -> dict[str, str]:
    """What was typed, or came on standard input. Raises Invalid (`secret_size`)."""
    if sys.stdin.isatty():
        data = typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True).encode()
    else:
        data = sys.stdin.buffer.read(SECRET_BYTES_MAX + 2).removesuffix(b"\n")
    if not 0 < len(data) <= SECRET_BYTES_MAX:
        step = f"Give it 1 to {SECRET_BYTES_MAX} bytes on standard input."
        raise Invalid("The secret is empty or too large.", code="secret_size", next_step=step)
    try:
        return {"value": data.decode()}
    except UnicodeDecodeError:
        return {"value": b64encode(data).decode(), "encoding": "base64"}


def _confirm(caller: Caller, kept: dict[str, Any], done: str) -> None:
    if not caller.screen.data(kept):
        caller.screen.line(f"{kept['name']} {done}: version {kept['version']}. It counts at the next use.")
