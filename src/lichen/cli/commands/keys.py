"""`lichen keys`: the API keys of a tenant, by which programs say who they are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment
from lichen.cli.show.screen import note

app = typer.Typer(name="keys", help="The API keys of a tenant.", no_args_is_help=True)

DAY_S = 86_400


class Kind(StrEnum):
    """What a key's holder can be."""

    CUSTOMER = "customer"
    OPERATOR = "operator"
    SERVICE = "service"


@app.command()
@calling
def create(
    caller: Caller,
    actor: Annotated[str, typer.Argument(help="Whose key it is.", metavar="ACTOR")],
    kind: Annotated[Kind | None, typer.Option(help="What the actor is, when lichen.toml does not declare it.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role, instead of the declared ones. Repeatable.")] = None,
    days: Annotated[
        int | None, typer.Option(help="How long it is valid; for good if left out.", min=1, max=3660)
    ] = None,
) -> None:
    """Makes a key and prints it: this once and never again."""
    wanted = {
        "actor": actor,
        "kind": kind.value if kind is not None else None,
        "roles": role or None,
        "valid_s": days * DAY_S if days is not None else None,
    }
    issued = caller.client.post("keys", wanted)
    if not caller.screen.data(issued):
        caller.screen.line(issued["key"])
        for role in issued["unknown_roles"]:
            note(f"The role {role!r} means nothing here: nobody declared has it, and no approval asks for it.")
        note(f"This is the only time the key is shown. Its id is {issued['id']}; use it as LICHEN_KEY or with --key.")


@app.command("list")
@calling
def list_keys(caller: Caller) -> None:
    """Lists the keys of a tenant, without their secrets."""
    keys = caller.client.get("keys")
    if caller.screen.data(keys):
        return
    rows = [
        (
            key["id"],
            key["actor_kind"],
            key["actor_id"],
            ",".join(key["roles"]) or "-",
            moment(key["expires_at_us"]) if key["expires_at_us"] is not None else "never",
        )
        for key in keys
    ]
    caller.screen.table(("id", "kind", "actor", "roles", "expires"), rows, empty="There are no keys.")


@app.command()
@calling
def revoke(caller: Caller, id: Annotated[str, typer.Argument(help="The id of a key, from `keys list`.")]) -> None:
    """Makes a key worthless at once."""
    caller.client.delete(f"keys/{segment(id)}")
    if not caller.screen.data({"id": id, "revoked": True}):
        caller.screen.line(f"{id} is revoked.")
