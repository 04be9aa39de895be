"""What every view of a log must do. The test of a new view subclasses it and names it.

class TestCallsByTool(ProjectionConformance):
    projection = CALLS_BY_TOOL

    def live(self, log: Log) -> None: ...  # appends what the view has rows for
"""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Scope
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from lichen.log.projections.every import PROJECTIONS, AnyProjection
from lichen.log.sqlite.file import FILE_NAME
from lichen.log.store.port import Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import Row, Table
from lichen.log.volume import Volume, VolumeOptions
from lichen.testing.simulation import close_after_power_loss, open_volume, seeded
from lichen.testing.stores.disk import Disk, full

SCOPE, OTHER = Scope("acme", "dev"), Scope("globex", "dev")
START_US = 1_800_000_000_000_000


class Kept:
    """A volume that keeps the view beside all others, over any number of openings."""

    def __init__(self, home: Path, projection: AnyProjection) -> None:
        self.home, self.projection = home, projection
        others = tuple(each for each in PROJECTIONS if each.name != projection.name)
        self.without, self.all = others, (*others, projection)
        self.disk = Disk()
        self._random, self._ticks = seeded(1), itertools.count(START_US, 1_000)

    def open(self, projections: tuple[AnyProjection, ...] | None = None) -> Volume:
        options = VolumeOptions(store=self.disk.open, projections=projections or self.all)
        return open_volume(self.home, clock=lambda: next(self._ticks), random=self._random, options=options)

    async def close(self, volume: Volume) -> None:
        await volume.close()
        volume.keyring.close()

    def rows(self) -> dict[str, list[Row]]:
        """What is stored of the view now."""
        store: Store = Disk().open(self.home)
        with closing(store.read()) as reading:
            tables = self.projection.tables
            return {each.name: sorted(reading.rows(rows(each)), key=repr) for each in tables}

    def findings(self) -> list[tuple[str, str]]:
        """What verification says, by table."""
        with closing(Keyring.open(self.home / "keys", self._random)) as keyring:
            report = verify(self.home, keyring=keyring, projections=self.all)
        return [(each.place.table, each.problem) for each in report.findings]


class ProjectionConformance:
    """Override `projection` and `live`."""

    projection: AnyProjection

    def live(self, log: Log) -> None:
        """Appends to a new log what the view has rows for, and nothing that waits for anything."""
        raise NotImplementedError

    @pytest.fixture
    def kept(self, tmp_path: Path) -> Kept:
        return Kept(tmp_path, self.projection)

    async def lived(self, kept: Kept, *, projections: tuple[AnyProjection, ...] | None = None) -> None:
        """Two logs have lived side by side, and are closed."""
        volume = kept.open(projections)
        for scope in (SCOPE, OTHER):
            self.live(volume.log(scope))
        await kept.close(volume)

    @pytest.mark.req("LIC-2.53")
    async def test_its_rows_are_kept_with_the_records_and_verify(self, kept: Kept) -> None:
        await self.lived(kept)
        assert all(kept.rows().values())
        assert kept.findings() == []

    @pytest.mark.req("LIC-2.53")
    async def test_its_rows_are_the_same_however_the_records_came_to_be_committed(
        self, kept: Kept, tmp_path: Path
    ) -> None:
        await self.lived(kept)
        other = Kept(tmp_path / "again", self.projection)
        volume = other.open()
        for scope in (SCOPE, OTHER):
            log = volume.log(scope)
            append = log.append

            def one_by_one(*parts: e.Part, **more: object) -> object:
                done = append(*parts, **more)  # type: ignore[arg-type]  # noqa: B023 - called in this turn only
                volume._shared.gathering.hand_over()  # pyright: ignore[reportPrivateUsage]
                return done

            log.append = one_by_one  # type: ignore[method-assign]
            self.live(log)
        await other.close(volume)
        assert {name: len(found) for name, found in other.rows().items()} == {
            name: len(found) for name, found in kept.rows().items()
        }
        assert other.findings() == []

    @pytest.mark.req("LIC-2.52")
    async def test_a_volume_that_lacks_it_has_it_made_from_its_records(self, kept: Kept) -> None:
        await self.lived(kept)
        must_be = kept.rows()
        drop(kept.home, *self.projection.tables)
        assert kept.findings() == []  # it is lacking, not wrong
        await kept.close(kept.open())
        assert kept.rows() == must_be
        assert kept.findings() == []

    async def test_it_goes_on_after_a_restart_and_after_a_full_disk(self, kept: Kept) -> None:
        volume = kept.open()
        self.live(volume.log(SCOPE))
        await kept.close(volume)
        volume = kept.open()
        await volume.log(SCOPE).durable()
        kept.disk.error = full()
        self.live(volume.log(OTHER))
        with pytest.raises(Unavailable, match="disk_full"):
            await volume.log(OTHER).durable()
        kept.disk.error = None
        await volume.recover()
        self.live(volume.log(OTHER))
        await kept.close(volume)
        assert all(kept.rows().values())
        assert kept.findings() == []

    async def test_what_lost_its_power_before_it_was_durable_has_no_rows(self, kept: Kept) -> None:
        volume = kept.open()
        await volume.log(SCOPE).durable()
        kept.disk.cut()
        self.live(volume.log(SCOPE))
        await close_after_power_loss(volume)
        volume.keyring.close()
        await kept.close(kept.open())
        assert not any(row for found in kept.rows().values() for row in found if TENANT_STREAM.kind not in row)
        assert kept.findings() == []

    @pytest.mark.req("LIC-2.53")
    async def test_a_row_that_was_taken_out_or_made_up_is_found(self, kept: Kept) -> None:
        await self.lived(kept)
        whole = (kept.home / FILE_NAME).read_bytes()
        for table in self.projection.tables:
            first = ", ".join(column.name for column in table.columns[: table.key])
            where = f"WHERE ({first}) = (SELECT {first} FROM {table.name} LIMIT 1)"  # noqa: S608 - our own names
            edit(kept.home, f"DELETE FROM {table.name} {where}")  # noqa: S608 - our own names
            assert table.name in {name for name, _ in kept.findings()}
            (kept.home / FILE_NAME).write_bytes(whole)


def drop(home: Path, *tables: Table) -> None:
    """Takes tables out of a file, as one of an older version lacks them."""
    for table in tables:
        edit(home, f"DROP TABLE {table.name}")


def edit(home: Path, statement: str) -> None:
    """Does something to the file behind the volume's back."""
    with closing(sqlite3.connect(home / FILE_NAME, isolation_level=None)) as connection:
        connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
