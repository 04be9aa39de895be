"""Bits flipped in the files of a log, rows taken out of it, and exports changed: whatever means something is found."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Customer
from lichen.log.audit.export import export, verify_export
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.projections.every import TABLES
from lichen.testing.log_conformance import RUN, put, started
from tests.attack.section import Outcome, Size
from tests.log.busy import live
from tests.log.homes import SCOPE, Home

Rows = dict[str, list[tuple[object, ...]]]


def attack(size: Size, chance: random.Random, folder: Path) -> Outcome:
    """Changes the file in ever other ways. A change that leaves every row as it was has changed nothing."""
    home, document = asyncio.run(_lived(folder))
    flips, exports = (60, 60) if size == "small" else (1_200, 1_500)
    found: list[str] = []
    seen, harmless = _flips(home, chance, flips, found)
    taken = _rows(home, found)
    _exports(document, chance, exports, found)
    return Outcome(
        f"{flips} flipped bits ({seen} noticed, {harmless} in bytes that hold nothing), {taken} rows taken out, "
        f"{exports} changed exports",
        found,
    )


async def _lived(folder: Path) -> tuple[Home, bytes]:
    """A closed home with rows in every table, and an export of it."""
    home = Home(folder)
    log = (await home.open()).log(SCOPE)
    await live(log)
    put(log, RUN, started(log))
    log.append(*(), actor=log.name(Customer("customer-9")))
    await log.durable()
    document = await export(log, range(1, log.last_seq + 1))
    await home.close()
    return home, document


def _rows_of(file: Path) -> Rows:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as volume:
        volume.text_factory = bytes
        return {table.name: volume.execute(f"SELECT * FROM {table.name}").fetchall() for table in TABLES}  # noqa: S608


def _is_sound(home: Home) -> bool:
    with closing(Keyring.open(home.keys, home.random)) as keyring:
        return verify(home.logs, keyring=keyring).is_sound


def _flips(home: Home, chance: random.Random, count: int, found: list[str]) -> tuple[int, int]:
    whole, before = home.file.read_bytes(), _rows_of(home.file)
    used = [at for at, byte in enumerate(whole) if byte]  # most of a young file is empty
    seen = harmless = 0
    for _ in range(count):
        at, bit = chance.choice(used), chance.randrange(8)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << bit
        home.file.write_bytes(flipped)
        if not _survives(lambda: _is_sound(home), found, f"bit {bit} of byte {at}"):
            seen += 1
        elif _says(home.file, before):
            harmless += 1
        else:
            found.append(f"bit {bit} of byte {at} changed a row and was missed")
    home.file.write_bytes(whole)
    return seen, harmless


def _survives(check: Callable[[], bool], found: list[str], what: str) -> bool:
    """What the check says; an error that is not ours is a finding."""
    try:
        return check()
    except LichenError:
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, it should not have come
        found.append(f"{what}: {type(error).__name__}")
        return False


def _says(file: Path, rows: Rows) -> bool:
    """Whether the file still holds these rows."""
    try:
        return _rows_of(file) == rows
    except (sqlite3.Error, UnicodeDecodeError):  # the second where SQLite quotes a damaged file
        return False


def _rows(home: Home, found: list[str]) -> int:
    """Takes the first and the last row out of every table, one at a time."""
    whole, count = home.file.with_suffix(".whole"), 0
    shutil.copy(home.file, whole)
    for table in TABLES:
        for order in ("ASC", "DESC"):
            shutil.copy(whole, home.file)
            keys = table.key_names
            chosen = f"SELECT {keys} FROM {table.name} ORDER BY {keys.replace(',', f' {order},')} {order} LIMIT 1"  # noqa: S608
            taken = home.sql(f"DELETE FROM {table.name} WHERE ({keys}) IN ({chosen}) RETURNING 1")  # noqa: S608
            count += len(taken)
            if taken and _survives(lambda: _is_sound(home), found, table.name):
                found.append(f"a row taken out of {table.name} was missed")
    shutil.move(whole, home.file)
    return count


def _verifies(document: bytes) -> bool:
    return bool(verify_export(document))


def _exports(document: bytes, chance: random.Random, count: int, found: list[str]) -> None:
    for _ in range(count):
        at, bit = chance.randrange(len(document)), chance.randrange(8)
        changed = bytearray(document)
        changed[at] ^= 1 << bit
        if _survives(partial(_verifies, bytes(changed)), found, f"byte {at} of an export"):
            found.append(f"bit {bit} of byte {at} of an export was missed")
