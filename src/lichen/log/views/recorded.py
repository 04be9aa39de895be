"""The erasures that logs themselves record: what older keys, put back beside a log, do not know of."""

from __future__ import annotations

from lichen.core.deciders.events import Erased
from lichen.core.words.ids import TENANT_STREAM
from lichen.log.keys.erasures import Erasure
from lichen.log.projections.streams import stream_row
from lichen.log.records.record import decode
from lichen.log.store.port import Reading
from lichen.log.store.selection import Rows, rows
from lichen.log.store.tables import LOGS, RECORDS


def recorded_erasures(reading: Reading) -> list[Erasure]:
    """Every erasure that the logs of a volume record, the oldest first. Raises Corrupt, Unavailable."""
    tenants = [stream_row(reading, log, TENANT_STREAM) for (log,) in reading.rows(rows(LOGS).of("log").by("log"))]
    erased = [
        (pos, record)
        for tenant in tenants
        if tenant is not None
        for pos, data in reading.rows(_erasures(tenant.number))
        for record in decode(data)
    ]
    erased.sort(key=lambda each: (each[0], each[1].i))
    return [
        Erasure("erased", record.log, record.control.subject, record.control.key_ids, record.ts_us)
        for _, record in erased
        if isinstance(record.control, Erased)
    ]


def _erasures(stream: int) -> Rows:
    keys = rows(RECORDS, stream=stream).bound("key", ">=", "erased/").bound("key", "<", "erased0")
    return keys.of("pos", "record")
