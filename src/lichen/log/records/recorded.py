"""The erasures that logs themselves record: what older keys, put back beside a log, do not know of."""

from __future__ import annotations

from lichen.core.deciders.events import Erased
from lichen.core.words.ids import TENANT_STREAM
from lichen.log.disk.sqlite import Reader
from lichen.log.keys.erasures import Erasure
from lichen.log.records.record import decode

_RECORDS = """
    SELECT record FROM streams JOIN records USING (stream)
    WHERE streams.kind = ? AND streams.id = ? AND records.key >= 'erased/' AND records.key < 'erased0' ORDER BY pos
"""


def recorded_erasures(reader: Reader) -> list[Erasure]:
    """Every erasure that the logs of a volume record, the oldest first. Raises Corrupt, Unavailable."""
    records = [record for (data,) in reader.each(_RECORDS, *TENANT_STREAM) for record in decode(data)]
    return [
        Erasure("erased", record.log, record.control.subject, record.control.key_ids, record.ts_us)
        for record in records
        if isinstance(record.control, Erased)
    ]
