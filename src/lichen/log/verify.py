"""Verification: everything a volume stores is derived again from its records, and its records from nothing but bytes.

Records are walked in the order in which they were written. Each must continue its log's sequence, chain and tree, fold
its stream, and be worth exactly the rows that the views hold in the end. Signed heads must state what was derived.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from lichen.core.errors import Corrupt
from lichen.core.ids import LogId
from lichen.log.checkpoint import TreeHead, parse_and_verify
from lichen.log.findings import Findings, Place, Report
from lichen.log.keys import Keyring
from lichen.log.logcheck import LogCheck, decoded
from lichen.log.rawrows import RawRows, plain, wrong_column
from lichen.log.record import Record
from lichen.log.sqlite import FILE_NAME, FRONTIERS, HEADS, LOGS, NAMES, RECORDS, VIEWS, Key, Op, Row, Table, Values

BLOBS = "blobs"


def verify(
    home: Path,
    *,
    keyring: Keyring | None = None,
    public_keys: Mapping[str, bytes] | None = None,
    remembered: Iterable[bytes] = (),
) -> Report:
    """Checks the volume in `home`, closed or in use. Reads everything and waits for the disk: call it in a thread.

    Signatures are checked with the keyring's keys, or with `public_keys` by log id. Logs are compared with the heads
    that lie with the keys, and with `remembered` ones: checkpoint texts that somebody kept.
    """
    return _Verification(home, keyring, dict(public_keys or {}), tuple(remembered)).run()


class _Verification:
    """One run over one volume."""

    def __init__(
        self, home: Path, keyring: Keyring | None, public_keys: dict[str, bytes], remembered: tuple[bytes, ...]
    ) -> None:
        self._home, self._keyring, self._public_keys, self._remembered = home, keyring, public_keys, remembered
        self._findings = Findings()
        self._logs: dict[int, LogCheck] = {}
        self._views: dict[str, dict[Key, Values]] = {table.name: {} for table in VIEWS}
        self._blobs: dict[bytes, int] = {}
        self._heads_known = 0

    def run(self) -> Report:
        """The report. A file that cannot be read to its end is a finding, not an error."""
        try:
            self._rows = RawRows(self._home / FILE_NAME)
        except sqlite3.Error as error:
            self._findings.add(Place(table="file"), f"the file cannot be read: {error}")
            return self._report(orphans=0)
        try:
            self._check_file()
        except sqlite3.Error as error:
            self._findings.add(Place(table="file"), f"the file is damaged: {error}")
        finally:
            self._rows.close()
        return self._report(self._check_blobs())

    def _report(self, orphans: int) -> Report:
        logs = tuple(check.report() for check in self._logs.values())
        found = self._findings
        return Report(tuple(found.kept), found.count, logs, len(self._blobs), orphans, self._heads_known)

    def _check_file(self) -> None:
        problem = self._rows.format_problem()
        if problem is not None:
            self._findings.add(Place(table="file", column="schema"), problem)
            return
        self._load_logs()
        self._load_heads()
        self._check_records()
        for check in self._logs.values():
            check.finish()
            self._views["streams"].update(check.stream_rows())
        self._compare(LOGS, {(number,): (check.id,) for number, check in self._logs.items()})
        self._compare(FRONTIERS, {(number,): (check.frontier.encode(),) for number, check in self._logs.items()})
        for table in VIEWS:
            self._compare(table, self._views[table.name])
        self._check_names()
        for damage in self._rows.damage():
            self._findings.add(Place(table="file"), damage)

    # -- what is claimed -----------------------------------------------------------------------------------------

    def _load_logs(self) -> None:
        for row in self._rows.each(LOGS, "log"):
            if wrong_column(LOGS, row) is None:
                number, id = plain(row)
                key = self._public_key(id)
                self._logs[number] = LogCheck(
                    LogId(id),
                    number,
                    key,
                    findings=self._findings,
                    apply=self._apply,
                    reread=self._rows.of_stream,
                    blobs=self._blobs,
                )
        for text in (*self._kept_with_keys(), *self._remembered):
            self._expect(text)

    def _public_key(self, id: str) -> bytes | None:
        if id in self._public_keys:
            return self._public_keys[id]
        return self._keyring.secrets(id).signer.public_key if self._keyring is not None else None

    def _kept_with_keys(self) -> list[bytes]:
        if self._keyring is None:
            return []
        texts = (self._keyring.remembered_head(check.id) for check in self._logs.values())
        return [text for text in texts if text is not None]

    def _expect(self, text: bytes) -> None:
        """Notes a head that somebody kept; its log must hold it."""
        id = text.partition(b"\n")[0].decode(errors="replace")
        place = Place(table="heads", column="checkpoint", log=id)
        check = next((check for check in self._logs.values() if check.id == id), None)
        if check is None:
            self._findings.add(place, "a head was kept of this log, and the volume does not have it")
            return
        head = self._head_of(text, check.public_key, place)
        if head is not None:
            self._heads_known += 1
            check.expect(head, text)

    def _head_of(self, text: bytes, public_key: bytes | None, place: Place) -> TreeHead | None:
        if public_key is None:
            self._findings.add(place, "there is no public key to check this head with")
            return None
        try:
            return parse_and_verify(text, public_key)
        except Corrupt as error:
            self._findings.add(place, error.message)
            return None

    def _load_heads(self) -> None:
        last: dict[int, int] = {}
        for row in self._rows.each(HEADS, "log, number"):
            log, number, size, text = row
            place = Place(table="heads", key=f"{log}/{number}")
            column = wrong_column(HEADS, row) or ("log" if log not in self._logs else None)
            if column is not None:
                self._findings.add(place.in_column(column), "the value is not what belongs here")
                continue
            check = self._logs[log]
            place = Place(table="heads", log=check.id, key=str(number))
            if number != last.get(log, 0) + 1:
                self._findings.add(place.in_column("number"), f"head {last.get(log, 0) + 1} is missing")
            last[log] = number
            if check.public_key is None:
                check.heads += 1
                continue
            head = self._head_of(text, check.public_key, place.in_column("checkpoint"))
            if head is None:
                continue
            if head.size != size or head.log_id != check.id:
                column = "size" if head.log_id == check.id else "checkpoint"
                self._findings.add(place.in_column(column), "the row does not say what its signed text says")
            check.hold(head, text)

    # -- what is there -------------------------------------------------------------------------------------------

    def _check_records(self) -> None:
        expected, by_id = 1, {check.id: check for check in self._logs.values()}
        for row in self._rows.each(RECORDS, "pos"):
            pos, log, record = row[0], row[1], decoded(row[-1])
            check = self._logs.get(log) if type(log) is int else None
            if isinstance(record, Record):
                check = by_id.get(record.log, check)
            if check is None:
                self._findings.add(Place(table="records", column="log", key=str(pos)), "the volume has no such log")
                expected = pos + 1
                continue
            self._check_row(check, row, record, expected)
            expected = pos + 1
            check.take(row, record if isinstance(record, Record) else None)

    def _check_row(self, check: LogCheck, row: Row, record: Record | str, expected: int) -> None:
        place = Place(table="records", log=check.id, seq=check.size + 1)
        if isinstance(record, Record):
            place = Place(table="records", log=check.id, seq=record.seq, stream=str(record.stream), n=record.n)
        else:
            self._findings.add(place.in_column("record"), record)
        if row[0] != expected:
            self._findings.add(place.in_column("pos"), f"row {expected} of the volume is missing before this one")
        if row[1] != check.number:
            self._findings.add(place.in_column("log"), "the column is not the number of the record's log")
        column = wrong_column(RECORDS, row)
        if column is not None:
            self._findings.add(place.in_column(column), "the value is of another type")

    def _apply(self, ops: list[Op]) -> None:
        for table, key, values in ops:
            rows = self._views[table.name]
            if values is None:
                rows.pop(key, None)
            else:
                rows[key] = values

    def _compare(self, table: Table, expected: Mapping[Key, Values]) -> None:
        """The table's rows against those that follow from the records."""
        left = dict(expected)
        key_columns = ", ".join(str(each + 1) for each in range(table.key))
        for row in self._rows.each(table, key_columns):
            column = wrong_column(table, row)
            found = plain(row)
            key = found[: table.key]
            place = Place(table=table.name, key="/".join(map(str, key)))
            if column is not None:
                self._findings.add(place.in_column(column), "the value is of another type")
                left.pop(key, None)
            elif key not in left:
                self._findings.add(place, "no record calls for this row")
            else:
                self._compare_row(table, place, found, (*key, *left.pop(key)))
        for key in left:
            place = Place(table=table.name, key="/".join(map(str, key)))
            self._findings.add(place, "the row that the records call for is missing")

    def _compare_row(self, table: Table, place: Place, found: Row, expected: Row) -> None:
        if found == expected:
            return
        for column, is_value, must_be in zip(table.columns, found, expected, strict=True):
            if is_value != must_be:
                self._findings.add(place.in_column(column.name), "the value does not follow from the records")

    def _check_names(self) -> None:
        for row in self._rows.each(NAMES, "log, pseudonym"):
            place = Place(table="names", key=f"{row[0]}/{row[1]!r}")
            column = wrong_column(NAMES, row) or ("log" if row[0] not in self._logs else None)
            if column is not None:
                self._findings.add(place.in_column(column), "the value is not what belongs here")
                continue
            check = self._logs[row[0]]
            problem = check.name_problem(self._keyring, plain(row))
            if problem is not None:
                place = Place(table="names", column=problem[0], log=check.id, key=plain(row)[1])
                self._findings.add(place, problem[1])

    def _check_blobs(self) -> int:
        """Reads every blob that a record names. Returns how many files no record names."""
        directory = self._home / BLOBS
        for digest, size in self._blobs.items():
            problem = _blob_problem(directory / digest.hex(), digest, size)
            if problem is not None:
                self._findings.add(Place(table="blobs", key=digest.hex()), problem)
        stored = {path.name for path in directory.glob("*")} if directory.exists() else set[str]()
        return len(stored - {digest.hex() for digest in self._blobs})


def _blob_problem(path: Path, digest: bytes, size: int) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return "the blob is missing or cannot be read"
    is_same = len(data) == size and sha256(data).digest() == digest
    return None if is_same else "the blob does not hold what was stored"
