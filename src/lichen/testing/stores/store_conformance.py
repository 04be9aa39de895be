"""What every store must do, wherever it lies. An adapter's test subclasses it and says how to open one.

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def open_store(self, tmp_path: Path) -> OpenStore:
            return lambda: MyStore(tmp_path)

`open_store()` gives the same store each time, as the next process finds it. That a batch is durable when `put` returns,
a suite in one process cannot show: kill yours as `tests/log/test_kill.py` does.
"""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from lichen.core.words.errors import Corrupt, Invalid, NotFound
from lichen.log.projections.outbox import OUTBOX
from lichen.log.projections.streams import STREAMS
from lichen.log.store.port import Batch, LeaseLost, Store
from lichen.log.store.selection import Rows, rows
from lichen.log.store.tables import CORE, FRONTIERS, HEADS, LEASES, NAMES, RECORDS, Index, Part, Row, table

OpenStore = Callable[[], Store]

_LARGE = Index("kept_large", ("log",), part=Part("size", "=", "large"))
KEPT = table(
    "kept", "log INTEGER, id TEXT", "day INTEGER, size TEXT, note TEXT?", Index("kept_by_day", ("log", "day")), _LARGE
)
TABLES = (*CORE, LEASES, KEPT)


def record(pos: int, log: int = 1, seq: int | None = None, key: str | None = None) -> Row:
    """A row of the records: of stream 1, the record of this position unless told otherwise."""
    return pos, log, pos if seq is None else seq, log, pos, key or f"key/{pos}", b"c" * 32, b"record %d" % pos


def kept(log: int, id: str, day: int, size: str = "small", note: str | None = None) -> Any:
    """A change of the view that the suite keeps."""
    return KEPT, (log, id), (day, size, note)


def read(store: Store, which: Rows) -> list[Row]:
    """What a reader of its own finds."""
    with closing(store.read()) as reading:
        return reading.rows(which)


class StoreConformance:
    """Override the fixture `open_store`."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """How to open the store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Store:
        """A new store with the suite's tables."""
        store = open_store()
        assert store.prepare(TABLES) == ()
        return store

    def put(self, store: Store, *batches: Batch) -> None:
        with closing(store.write()) as writing:
            for batch in batches:
                writing.put(batch)

    # -- a batch -------------------------------------------------------------------------------------------------

    def test_all_of_a_batch_is_there(self, store: Store) -> None:
        ops = [(FRONTIERS, (1,), (b"f",)), kept(1, "a", 3), kept(1, "b", 4)]
        self.put(store, Batch([record(1), record(2)], ops, [(1, 1, 2, b"head")]))
        assert read(store, rows(RECORDS).by("pos")) == [record(1), record(2)]
        assert read(store, rows(FRONTIERS)) == [(1, b"f")]
        assert read(store, rows(KEPT).by("id")) == [(1, "a", 3, "small", None), (1, "b", 4, "small", None)]
        assert read(store, rows(HEADS)) == [(1, 1, 2, b"head")]

    def test_of_several_changes_of_one_row_the_last_counts(self, store: Store) -> None:
        gone = (KEPT, (1, "b"), None)
        self.put(store, Batch(ops=[kept(1, "a", 1), kept(1, "b", 1), gone, kept(1, "a", 2), (KEPT, (1, "c"), None)]))
        assert read(store, rows(KEPT)) == [(1, "a", 2, "small", None)]
        self.put(store, Batch(ops=[(KEPT, (1, "a"), None), kept(1, "a", 5)]))
        assert read(store, rows(KEPT).of("day")) == [(5,)]

    @pytest.mark.parametrize(
        "taken",
        [
            [record(3), record(1, seq=9, key="other")],
            [record(3), record(4, seq=1)],
            [record(3), record(4, key="key/1")],
        ],
        ids=["pos", "seq", "key"],
    )
    @pytest.mark.req("LIC-2.50")
    def test_a_batch_with_a_record_whose_place_is_taken_leaves_nothing(
        self, store: Store, taken: Sequence[Row]
    ) -> None:
        first = Batch([record(1)], [kept(1, "a", 1)])
        with closing(store.write()) as writing:
            writing.put(first)
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the store says
                writing.put(Batch(taken, [kept(1, "b", 1), kept(1, "a", 2)]))
            writing.put(Batch([record(2)]))  # and it goes on
        assert read(store, rows(RECORDS).of("pos").by("pos")) == [(1,), (2,)]
        assert read(store, rows(KEPT).of("id", "day")) == [("a", 1)]

    @pytest.mark.req("LIC-2.50")
    def test_a_head_that_is_there_already_keeps_its_batch_out(self, store: Store) -> None:
        with closing(store.write()) as writing:
            writing.put(Batch([record(1)], heads=[(1, 1, 1, b"head")]))
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the store says
                writing.put(Batch([record(2)], heads=[(1, 1, 2, b"another")]))
        assert read(store, rows(RECORDS).of("pos")) == [(1,)]
        assert read(store, rows(HEADS).of("checkpoint")) == [(b"head",)]

    @pytest.mark.req("LIC-2.50")
    def test_a_reader_sees_a_batch_whole_or_not_at_all(self, store: Store) -> None:
        seen: set[int] = set()
        is_over = threading.Event()

        def look() -> None:
            with closing(store.read()) as reading:
                while not is_over.is_set():
                    seen.add(len(reading.rows(rows(KEPT, log=1).of("id"))))

        reader = threading.Thread(target=look)
        reader.start()
        with closing(store.write()) as writing:
            for turn in range(20):
                writing.put(Batch(ops=[kept(1, f"{turn}/{n}", 1) for n in range(50)]))
        is_over.set()
        reader.join()
        assert {count % 50 for count in seen} <= {0}

    def test_a_reader_sees_what_was_put_after_it_was_opened(self, store: Store) -> None:
        with closing(store.read()) as reading, closing(store.write()) as writing:
            assert reading.rows(rows(RECORDS)) == []
            writing.put(Batch([record(1)]))
            assert reading.rows(rows(RECORDS)) == [record(1)]

    def test_what_was_put_is_there_when_the_store_is_opened_again(self, store: Store, open_store: OpenStore) -> None:
        with closing(store.write()) as writing:
            writing.put(Batch([record(1)], [kept(1, "a", 1)]))
            again = open_store()  # nothing was let go of in order
            assert again.prepare(TABLES) == ()
            assert read(again, rows(RECORDS)) == [record(1)]
            assert read(again, rows(KEPT).of("id")) == [("a",)]

    # -- the lease -----------------------------------------------------------------------------------------------

    @pytest.mark.req("LIC-2.51")
    def test_a_batch_under_an_epoch_older_than_the_leases_is_refused_and_leaves_nothing(self, store: Store) -> None:
        self.put(store, Batch([record(1)], [(LEASES, (1,), (2,))], held={1: 2}))
        with closing(store.write()) as writing:
            with pytest.raises(LeaseLost):
                writing.put(Batch([record(2)], [kept(1, "a", 1)], [(1, 1, 2, b"head")], held={1: 1}))
            with pytest.raises(LeaseLost):
                writing.put(Batch([record(2, log=2)], held={2: 0, 1: 1}))
            assert read(store, rows(RECORDS).of("pos")) == [(1,)]
            assert (read(store, rows(KEPT)), read(store, rows(HEADS))) == ([], [])
            writing.put(Batch([record(2)], held={1: 2}))
            writing.put(Batch([record(3)], held={1: 3}))
            writing.put(Batch([record(4, log=2)], held={2: 0}))
        assert read(store, rows(RECORDS).of("pos").by("pos")) == [(1,), (2,), (3,), (4,)]

    @pytest.mark.req("LIC-2.51")
    def test_a_lease_is_found_whatever_was_written_before_and_after_it(self, store: Store) -> None:
        with closing(store.write()) as writing:
            writing.put(Batch([record(1), record(2, log=2)], held={1: 0, 2: 0}))
            writing.put(Batch([record(3, log=2)], held={2: 0}))
            self.put(store, Batch(ops=[(LEASES, (2,), (4,))], held={2: 4}))  # another process
            writing.put(Batch([record(4)], held={1: 0}))
            with pytest.raises(LeaseLost):
                writing.put(Batch([record(5), record(6, log=2)], held={1: 0, 2: 0}))
            writing.put(Batch([record(5, log=2)], held={2: 4}))
            with pytest.raises(LeaseLost):
                writing.put(Batch([record(6, log=2)], held={2: 3}))
        assert read(store, rows(RECORDS).of("pos").by("pos")) == [(1,), (2,), (3,), (4,), (5,)]

    # -- reading -------------------------------------------------------------------------------------------------

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        """A store with rows of two logs."""
        records = [record(n) for n in range(1, 21)] + [record(n, log=2, seq=n - 20) for n in range(21, 26)]
        ops = [
            kept(1, f"id-{n}", n // 2, "large" if n % 3 == 0 else "small", f"n{n}" if n % 2 else None)
            for n in range(10)
        ]
        self.put(store, Batch(records, [*ops, kept(2, "id-0", 7)]))
        return store

    def test_rows_are_found_by_a_range_in_order_and_no_more_than_asked_for(self, filled: Store) -> None:
        page = rows(RECORDS, log=1).bound("seq", ">", 4).bound("seq", "<=", 10).by("seq").of("seq")
        assert read(filled, page) == [(n,) for n in range(5, 11)]
        assert read(filled, page.first(2)) == [(5,), (6,)]
        assert read(filled, page.first(0)) == []
        assert read(filled, rows(RECORDS, log=1).backwards("seq").of("seq").first(1)) == [(20,)]
        assert read(filled, rows(RECORDS, log=2).bound("seq", ">=", 4).by("seq").of("pos")) == [(24,), (25,)]
        assert read(filled, rows(RECORDS, log=2).bound("seq", "<", 2).of("pos")) == [(21,)]

    def test_rows_are_found_by_key_and_among_values(self, filled: Store) -> None:
        assert read(filled, rows(RECORDS, stream=1, key="key/7").of("n")) == [(7,)]
        assert read(filled, rows(RECORDS, stream=1, key="key/99").of("n")) == []
        some = rows(KEPT, log=1).among("id", ["id-3", "id-8", "id-99"]).of("id").by("id")
        assert read(filled, some) == [("id-3",), ("id-8",)]
        assert read(filled, rows(KEPT, log=1).among("id", [])) == []
        many = rows(RECORDS).among("pos", range(100_000)).of("pos")
        assert len(read(filled, many)) == 25

    def test_rows_come_in_the_order_of_several_columns(self, filled: Store) -> None:
        both = [(n // 2, f"id-{n}") for n in range(10)]
        assert read(filled, rows(KEPT, log=1).by("day", "id").of("day", "id")) == both
        assert read(filled, rows(KEPT, log=1).backwards("day", "id").of("day", "id")) == both[::-1]

    def test_rows_of_a_partial_index_are_those_it_holds(self, filled: Store) -> None:
        found = read(filled, rows(KEPT, log=1).within(_LARGE).of("id").by("id"))
        assert found == [("id-0",), ("id-3",), ("id-6",), ("id-9",)]

    def test_rows_are_counted_and_added_up_by_a_column(self, filled: Store) -> None:
        with closing(filled.read()) as reading:
            assert reading.totals(rows(KEPT, log=1), "size") == {"large": 4, "small": 6}
            assert reading.totals(rows(KEPT, log=1), "size", "day") == {"large": 8, "small": 12}
            assert reading.totals(rows(KEPT, log=9), "size") == {}

    def test_many_rows_can_be_read_one_after_another(self, filled: Store) -> None:
        with closing(filled.read()) as reading:
            found = list(reading.each(rows(RECORDS).by("pos").of("pos", "record")))
            assert (len(found), found[0]) == (25, (1, b"record 1"))

    def test_values_come_back_as_they_were_put(self, store: Store) -> None:
        odd = "ü\n'; DROP TABLE kept; --\x00%_"
        self.put(
            store, Batch(ops=[kept(1, odd, -(2**62), note=""), (NAMES, (1, odd), (2**62, bytes(range(256)), b""))])
        )
        assert read(store, rows(KEPT, id=odd)) == [(1, odd, -(2**62), "small", "")]
        assert read(store, rows(NAMES, log=1, pseudonym=odd)) == [(1, odd, 2**62, bytes(range(256)), b"")]

    # -- blobs ---------------------------------------------------------------------------------------------------

    def test_a_blob_comes_back_and_a_wrong_one_is_told(self, store: Store) -> None:
        data = bytes(range(256)) * 1_000
        digest = store.blobs.put(data)
        assert digest == sha256(data).digest() == store.blobs.put(data)
        assert store.blobs.get(digest, len(data)) == data
        with pytest.raises(Corrupt):
            store.blobs.get(digest, len(data) + 1)
        with pytest.raises(NotFound, match="blob_missing"):
            store.blobs.get(bytes(32), 1)

    # -- opening -------------------------------------------------------------------------------------------------

    @pytest.mark.req("LIC-2.52")
    def test_views_that_a_store_lacks_are_named_and_made_with_their_rows(
        self, store: Store, open_store: OpenStore
    ) -> None:
        self.put(store, Batch([record(1)], [kept(1, "a", 1)]))
        more = (*TABLES, STREAMS, OUTBOX)
        again = open_store()
        assert again.prepare(more) == (STREAMS, OUTBOX)
        assert open_store().prepare(more) == (STREAMS, OUTBOX)  # naming them made nothing
        again.remake((STREAMS, OUTBOX), [(OUTBOX, (1, "m1"), (1, 1, "answer", "queued", 1))])
        assert open_store().prepare(more) == ()
        assert read(again, rows(OUTBOX).of("message")) == [("m1",)]
        assert read(again, rows(RECORDS)) == [record(1)]

    @pytest.mark.req("LIC-2.52")
    def test_views_that_could_not_be_made_are_lacking_still(self, store: Store, open_store: OpenStore) -> None:
        def failing() -> Any:
            yield (OUTBOX, (1, "m1"), (1, 1, "answer", "queued", 1))
            raise Corrupt("A record cannot be read.")

        with pytest.raises(Corrupt):
            store.remake((OUTBOX,), failing())
        assert open_store().prepare((*TABLES, OUTBOX)) == (OUTBOX,)

    def make_foreign(self, store: Store) -> None:
        """Override: makes the store one of a format that nobody knows."""
        raise NotImplementedError

    def test_a_store_of_an_unknown_format_is_refused(self, store: Store, open_store: OpenStore) -> None:
        self.make_foreign(store)
        with pytest.raises(Invalid, match="format_unknown"):
            open_store().prepare(TABLES)

    def test_a_probe_changes_nothing(self, filled: Store) -> None:
        before = read(filled, rows(KEPT).by("log", "id"))
        with closing(filled.write()) as writing:
            writing.probe()
            writing.put(Batch([record(99, log=3)]))
        assert read(filled, rows(KEPT).by("log", "id")) == before
