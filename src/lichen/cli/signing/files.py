"""The files of keys, pins and documents, and where a domain's key is looked up."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lichen.core.words.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from lichen.tools.pins.keys import PrivateKey
    from lichen.tools.pins.resolvers import Resolver
    from lichen.tools.pins.result import KeyPins

T = TypeVar("T")
FILE_BYTES_MAX = 16 * 1024 * 1024
DAYS_MAX = 3_650

Key = Annotated[Path, typer.Option("--key", help="The private key, in PEM.")]
Domain = Annotated[str, typer.Option("--domain", help="The domain in whose name it is signed.")]
Known = Annotated[
    Path | None,
    typer.Option("--known", help="A folder of DOMAIN.json files, or a trust bundle, instead of asking the domain."),
]
Pins = Annotated[Path, typer.Option("--pins", envvar="LICHEN_PINS", help="The file of keys that were seen before.")]
Days = Annotated[int | None, typer.Option("--days", min=1, max=DAYS_MAX, help="How long it is to count.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
PINS = Path("schemapin-pins.json")


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - a command is where time comes in


def lasting(days: int | None) -> timedelta | None:
    """So many days."""
    return None if days is None else timedelta(days=days)


def read(path: Path) -> bytes:
    """What is in a file. Raises NotFound (`file_missing`), Invalid (`file_too_large`)."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError:
        raise NotFound("There is no such file.", code="file_missing", place=str(path)) from None
    if len(data) > FILE_BYTES_MAX:
        raise Invalid(f"It has more than {FILE_BYTES_MAX} bytes.", code="file_too_large", place=str(path))
    return data


def read_key(path: Path) -> PrivateKey:
    """The private key in a file. Raises NotFound (`file_missing`), Invalid (`key_invalid`)."""
    from lichen.tools.pins.keys import private_key

    return private_key(read(path).decode("utf-8", "replace"))


def write_key(path: Path, key: PrivateKey) -> None:
    """Writes a private key that nobody else may read. Raises Conflict (`file_exists`): no key is written over."""
    from lichen.tools.pins.keys import private_pem

    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        step = "Name another file; a key that is gone signs nothing any more."
        raise Conflict("The file is there already.", code="file_exists", place=str(path), next_step=step) from None
    with os.fdopen(handle, "w") as file:
        file.write(private_pem(key))


def read_pins(path: Path) -> KeyPins:
    """The keys that were seen before; none where there is no file."""
    from lichen.tools.pins.result import KeyPins

    return KeyPins.read(read(path).decode("utf-8", "replace")) if path.exists() else KeyPins()


def write_pins(path: Path, pins: KeyPins) -> None:
    """Writes the keys in the place of those before, at once or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(pins.text())
    beside.replace(path)


def place_of(known: Path | None) -> Resolver:
    """Where a domain's key is looked up. Raises NotFound (`file_missing`), Invalid (`document_invalid`)."""
    from lichen.tools.pins.bundle import read_bundle
    from lichen.tools.pins.resolvers import Bundled, LocalFiles, WellKnown

    if known is None:
        from lichen.runtime.servers.https import Https

        return WellKnown(Https())
    return LocalFiles(known) if known.is_dir() else Bundled(read_bundle(read(known)))


def ended(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What some work that waits comes to."""
    return asyncio.run(work())


def written(value: Any, out: Path | None) -> str:
    """A document as text; it is in the file, if one is named."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if out is not None:
        out.write_text(text)
    return text
