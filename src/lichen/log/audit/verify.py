"""Verification: everything a volume stores is derived again from its records, and its records from nothing but bytes.

Records are walked in the order in which they were written. Each must continue its log's sequence, chain and tree, fold
its stream, and be worth exactly the rows that the views hold in the end. Signed heads must state what was derived.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import LogId
from lichen.log.audit.findings import Findings, Place, Report
from lichen.log.audit.logcheck import Facts, LogCheck, decoded
from lichen.log.audit.rawrows import RawRows, plain, wrong_column
from lichen.log.keys.keyring import Keyring
from lichen.log.projections.every import PROJECTIONS, AnyProjection, tables_of
from lichen.log.projections.projection import Check, follows
from lichen.log.proof.checkpoint import TreeHead, parse_and_verify
from lichen.log.sqlite.file import FILE_NAME
from lichen.log.store.tables import FRONTIERS, HEADS, LOGS, NAMES, RECORDS, Key, Op, Row, Table, Values

BLOBS = "blobs"
DAMAGE = (sqlite3.Error, UnicodeDecodeError)  # the second where SQLite quotes a damaged file in its own message


def verify(
    home: Path,
    *,
    keyring: Keyring | None = None,
    public_keys: Mapping[str, bytes] | None = None,
    remembered: Iterable[bytes] = (),
    projections: Sequence[AnyProjection] = PROJECTIONS,
) -> Report:
    """Checks the volume in `home`, a SQLite file, closed or in use, with the views it is to have. Reads everything
    and waits for the disk: call it in a thread.

    Signatures are checked with the keyring's keys, or with `public_keys` by log id. Logs are compared with the heads
    that lie with the keys, and with `remembered` ones: checkpoint texts that somebody kept.
    """
    return _Verification(home, keyring, dict(public_keys or {}), tuple(remembered), projections).run()


class _Verification:
    """One run over one volume."""

    def __init__(
        self,
        home: Path,
        keyring: Keyring | None,
        public_keys: dict[str, bytes],
        remembered: tuple[bytes, ...],
        projections: Sequence[AnyProjection],
    ) -> None:
        self._home, self._keyring, self._public_keys, self._remembered = home, keyring, public_keys, remembered
        self._projections, self._tables = projections, tables_of(projections)
        self._findings = Findings()
        self._logs: dict[LogId, LogCheck] = {}
        self._views: dict[str, dict[Key, Values]] = {table.name: {} for table in self._tables}
        self._blobs: dict[bytes, int] = {}
        self._heads_known = 0

    def run(self) -> Report:
        """The report. A file that cannot be read to its end is a finding, not an error."""
        try:
            self._rows = RawRows(self._home / FILE_NAME, self._tables)
        except DAMAGE as error:
            self._findings.add(Place(table="file"), f"the file cannot be read: {_said(error)}")
            return self._report(orphans=0)
        try:
            self._check_file()
        except DAMAGE as error:
            self._findings.add(Place(table="file"), f"the file is damaged: {_said(error)}")
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
        self._load_heads()
        for text in self._remembered:
            self._expect(text)
        self._check_records()
        for check in self._logs.values():
            check.finish()
        logs = [check for check in self._logs.values() if check.number]
        self._check(LOGS, follows, {(check.number,): (check.id,) for check in logs})
        self._check(FRONTIERS, follows, {(check.number,): (check.frontier.encode(),) for check in logs})
        for each in self._projections:
            for table in each.tables:
                if table in self._rows.tables:  # else the volume has it made when it is opened
                    self._check(table, each.check, self._views[table.name])
        self._check_names({check.number: check for check in logs})
        for damage in self._rows.damage():
            self._findings.add(Place(table="file"), damage)

    def _log(self, id: LogId) -> LogCheck:
        """What is known of a log, from its heads or its records, whichever come first."""
        check = self._logs.get(id)
        if check is None:
            key = self._public_key(id)
            check = self._logs[id] = LogCheck(
                id,
                key,
                findings=self._findings,
                projections=self._projections,
                apply=self._apply,
                reread=self._rows.of_stream,
                blobs=self._blobs,
            )
            text = self._keyring.remembered_head(id) if self._keyring is not None else None
            if text is not None:
                self._expect(text)
        return check

    # -- what is claimed -----------------------------------------------------------------------------------------

    def _has_key(self, id: str) -> bool:
        return self._keyring is not None or id in self._public_keys

    def _public_key(self, id: str) -> bytes | None:
        if id in self._public_keys:
            return self._public_keys[id]
        return self._keyring.secrets(id).signer.public_key if self._keyring is not None else None

    def _expect(self, text: bytes) -> None:
        """Notes a head that somebody kept; its log must hold it."""
        id = _log_of(text)
        check = self._log(id)
        place = Place(table="heads", column="checkpoint", log=id)
        if check.public_key is None:
            self._findings.add(place, "there is no public key to check this kept head with")
            return
        head = self._head_of(text, check.public_key, place)
        if head is not None:
            self._heads_known += 1
            check.expect(head, text)

    def _head_of(self, text: bytes, public_key: bytes, place: Place) -> TreeHead | None:
        try:
            return parse_and_verify(text, public_key)
        except Corrupt as error:
            self._findings.add(place, error.message)
            return None

    def _load_heads(self) -> None:
        last: dict[object, int] = {}
        ids = {id for _, id in map(plain, self._rows.each(LOGS, "log"))}
        for row in self._rows.each(HEADS, "log, number"):
            log, number, _, text = row
            place = Place(table="heads", log=_log_of(text) if isinstance(text, bytes) else "", key=f"{log}/{number}")
            column = wrong_column(HEADS, row)
            if column is not None:
                self._findings.add(place.in_column(column), "the value is of another type")
                continue
            if number != last.get(log, 0) + 1:
                self._findings.add(place.in_column("number"), f"head {last.get(log, 0) + 1} is missing before this one")
            last[log] = number
            if _log_of(text) not in ids and not self._has_key(_log_of(text)):
                self._findings.add(place.in_column("checkpoint"), "the head is that of a log which is not here")
                continue
            check = self._log(_log_of(text))
            if check.public_key is None:
                check.heads += 1
                continue
            head = self._head_of(text, check.public_key, place.in_column("checkpoint"))
            if head is not None:
                check.hold(head, row)

    # -- what is there -------------------------------------------------------------------------------------------

    def _check_records(self) -> None:
        expected, count, gaps = 1, 0, list[int]()
        by_number: dict[object, LogCheck] = {}
        numbers = {id: number for number, id in map(plain, self._rows.each(LOGS, "log"))}
        for row in self._rows.each(RECORDS, "pos"):
            facts = decoded(row[-1])
            check = by_number.get(row[1]) if isinstance(facts, str) else self._log(facts[0].log)
            if check is None:
                self._findings.add(Place(table="records", column="record", key=str(row[0])), str(facts))
            else:
                if not check.number:
                    count += 1  # logs are counted in the order of their first records
                    number = row[1] if row[1] == numbers.get(check.id) else count
                    check.begin(number)
                    by_number[number] = check
                self._check_row(check, row, facts)
                check.take(row, None if isinstance(facts, str) else facts)
            if row[0] != expected:
                gaps.append(expected)
            expected = row[0] + 1
        for pos in gaps:  # after what they mean to the logs, which is what people ask about
            self._findings.add(Place(table="records", column="pos", key=str(pos)), "there is no such row")

    def _check_row(self, check: LogCheck, row: Row, facts: Facts | str) -> None:
        column = wrong_column(RECORDS, row)
        if not isinstance(facts, str) and row[1] == check.number and column is None:
            return
        place = check.place(None if isinstance(facts, str) else facts[0])
        if isinstance(facts, str):
            self._findings.add(place.in_column("record"), facts)
        if row[1] != check.number:
            self._findings.add(place.in_column("log"), "the column is not the number of the record's log")
        if column is not None:
            self._findings.add(place.in_column(column), "the value is of another type")

    def _apply(self, ops: list[Op]) -> None:
        for table, key, values in ops:
            rows = self._views[table.name]
            if values is None:
                rows.pop(key, None)
            else:
                rows[key] = values

    def _check(self, table: Table, check: Check, derived: dict[Key, Values]) -> None:
        """The table's rows against those that follow from the records."""
        logs: dict[object, LogCheck] = {each.number: each for each in self._logs.values()}
        log = table.place("log")
        for key in [
            key for key, values in derived.items() if _is_unread(logs.get((*key, *values)[log]), table, (*key, *values))
        ]:
            del derived[key]
        check(table, self._typed(table, logs, derived), derived, self._tell(table, logs))

    def _typed(self, table: Table, logs: Mapping[object, LogCheck], derived: dict[Key, Values]) -> Iterator[Row]:
        """The rows that are stored. Those that are no rows of this table are told of, and not looked for any more."""
        log = table.place("log")
        tell = self._tell(table, logs)
        for row in self._rows.each(table, ", ".join(str(each + 1) for each in range(table.key))):
            column, found = wrong_column(table, row), plain(row)
            if _is_unread(logs.get(found[log]), table, found):
                continue
            key = found[: table.key]
            if column is None:
                yield found
                continue
            tell((*key, *derived.pop(key)) if key in derived else found, "the value is of another type", column)

    def _tell(self, table: Table, logs: Mapping[object, LogCheck]) -> Callable[[Row, str, str], None]:
        """Notes what is wrong with a row as a finding of its own log; what is nobody's is shown to everybody."""
        log = table.place("log")

        def tell(row: Row, problem: str, column: str) -> None:
            check = logs.get(row[log])
            key = "/".join(map(str, row[: table.key])) if check is not None else ""
            whose = check.id if check is not None else ""
            self._findings.add(Place(table=table.name, column=column, log=whose, key=key), problem)

        return tell

    def _check_names(self, logs: Mapping[object, LogCheck]) -> None:
        left = {(number, name) for number, check in logs.items() for name in check.names.expected()}
        for row in self._rows.each(NAMES, "log, pseudonym"):
            log, *_ = name = plain(row)
            left.discard((log, name[1]))
            whose = logs[log].id if log in logs else ""
            place = Place(table="names", log=whose, key=f"{log}/{name[1]}" if whose else "")
            column = wrong_column(NAMES, row) or ("log" if log not in logs else None)
            if column is not None:
                self._findings.add(place.in_column(column), "the value is not what belongs here")
                continue
            problem = logs[log].names.problem(self._keyring, name)
            if problem is not None:
                self._findings.add(place.in_column(problem[0]), problem[1])
        for log, pseudonym in sorted(left, key=str):
            place = Place(table="names", log=logs[log].id, key=f"{log}/{pseudonym}")
            self._findings.add(place, "the name of somebody who acted is missing, and they were not erased")

    def _check_blobs(self) -> int:
        """Reads every blob that a record names. Returns how many files no record names."""
        directory = self._home / BLOBS
        for digest, size in self._blobs.items():
            problem = _blob_problem(directory / digest.hex(), digest, size)
            if problem is not None:
                self._findings.add(Place(table="blobs", key=digest.hex()), problem)
        stored = {path.name for path in directory.glob("*")} if directory.exists() else set[str]()
        return len(stored - {digest.hex() for digest in self._blobs})


def _is_unread(check: LogCheck | None, table: Table, row: Row) -> bool:
    return check is not None and check.is_unread(table, row)


def _said(error: sqlite3.Error | UnicodeDecodeError) -> str:
    return str(error) if isinstance(error, sqlite3.Error) else "its description of itself is no text"


def _log_of(text: bytes) -> LogId:
    """The log that a head says it is of."""
    return LogId(bytes(text).partition(b"\n")[0].decode(errors="replace"))


def _blob_problem(path: Path, digest: bytes, size: int) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return "the blob is missing or cannot be read"
    is_same = len(data) == size and sha256(data).digest() == digest
    return None if is_same else "the blob does not hold what was stored"
