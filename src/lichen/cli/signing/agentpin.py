"""`lichen agentpin`: credentials of agents, one's own and those of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lichen.cli.show.screen import Screen
from lichen.cli.signing import files
from lichen.cli.signing.files import Json, Key

if TYPE_CHECKING:
    from lichen.tools.agentpin.directory import Directory

app = typer.Typer(name="agentpin", no_args_is_help=True, help="Credentials by which agents prove who they are.")

MISMATCH = 2
Domain = Annotated[str, typer.Option("--domain", help="The domain of the agent's owner.")]
Agent = Annotated[str, typer.Option("--agent", help="The agent's name at its owner.")]
Able = Annotated[list[str], typer.Option("--can", help="`action:resource`; may be said several times.")]
Audience = Annotated[str, typer.Option("--for", help="The domain that is to take it.")]


@app.callback()
def group() -> None:
    """Credentials by which agents prove who they are."""


@app.command()
def keygen(
    out: Annotated[Path, typer.Argument(help="The file of the private key; nothing is written over.")],
    domain: Domain,
    agent: Agent,
    can: Able,
) -> None:
    """Makes a key, and prints what the domain serves at /.well-known/agent-identity.json."""
    from lichen.tools.agentpin.issue import identity_document
    from lichen.tools.pins.documents import domain_of
    from lichen.tools.pins.keys import new_key

    key = new_key()
    document = identity_document(domain_of(domain), [key.public_key()], {agent: can}, files.now())
    files.write_key(out, key)
    typer.echo(files.written(document, None), nl=False)


@app.command()
def issue(
    key: Key,
    domain: Domain,
    agent: Agent,
    can: Able,
    audience: Audience = "",
    seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long it counts.")] = 3_600,
) -> None:
    """Issues a credential for an agent, and prints it."""
    from secrets import token_hex  # noqa: TID251 - a command is where randomness comes in

    from lichen.tools.agentpin.delegation import Agent as Named
    from lichen.tools.agentpin.issue import Granted, issue
    from lichen.tools.pins.documents import domain_of

    owner = domain_of(domain)
    named = Named(owner, f"urn:agentpin:{owner}:{agent}")
    granted = Granted(tuple(can), audience, ttl_s=seconds)
    typer.echo(issue(files.read_key(key), named, granted, files.now(), id=token_hex(16)))


@app.command()
def verify(
    credential: Annotated[Path, typer.Argument(help="A file that holds it; - reads it from stdin.")],
    audience: Audience = "",
    known: Annotated[
        Path | None,
        typer.Option(help="A folder of DOMAIN.json files, or a trust bundle, instead of asking the domain."),
    ] = None,
    pinned: Annotated[
        list[str] | None, typer.Option(help="A key's thumbprint that the issuer had before; may be said several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Says whether a credential counts; exit code 1 if not, 2 if its issuer had another key before."""
    import sys

    from lichen.tools.agentpin.verify import Terms, verify_credential

    text = sys.stdin.read() if str(credential) == "-" else files.read(credential).decode("utf-8", "replace")
    terms, before = Terms(audience), tuple(pinned) if pinned else None
    result = files.ended(
        lambda: verify_credential(text.strip(), _place(known), files.now(), pinned=before, terms=terms)
    )
    screen = Screen(as_json=as_json)
    if not screen.data(result.said()):
        if result.valid:
            screen.line(f"{result.agent_id} of {result.issuer} may {', '.join(result.capabilities)}.")
            screen.line(f"Its key is {result.thumbprint} ({result.pinning}).")
        else:
            screen.line(f"{result.error_code}: {result.error_message}")
        for warning in result.warnings:
            screen.line(f"warning: {warning}")
    if not result.valid:
        raise typer.Exit(MISMATCH if result.error_code == "KEY_PIN_MISMATCH" else 1)


def _place(known: Path | None) -> Directory:
    from lichen.tools.agentpin.directory import Bundled, LocalFiles, WellKnown

    if known is None:
        from lichen.runtime.servers.https import Https

        return WellKnown(Https())
    return LocalFiles(known) if known.is_dir() else Bundled.read(files.read(known))
