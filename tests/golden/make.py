"""Makes the golden volume of a format version, once: `python -m tests.golden.make v1`. It is never made again.

Stored bytes outlive the code. When a test of a golden volume fails, the code is wrong, not the volume.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from lichen.log.audit.export import export
from tests.golden.volumes import FILES, GOLDEN, SUFFIX
from tests.log.busy import A, live
from tests.log.homes import Home


async def make(target: Path) -> None:
    """Lives the small life of `tests/log/busy.py` and keeps what it left."""
    with tempfile.TemporaryDirectory() as directory:
        home = Home(Path(directory))
        log = await home.reopen()
        await live(log)
        document = await export(log, A)
        public_key = log.public_key
        await home.close()
        for name in FILES:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(directory) / name, target / f"{name}{SUFFIX}")
        shutil.copytree(home.logs / "blobs", target / "logs" / "blobs")
        (target / "export.json").write_bytes(document)
        (target / "public.key").write_text(public_key.hex() + "\n")
        rows = home.sql("SELECT record FROM records ORDER BY seq")
        (target / "records.hex").write_text("".join(f"{record.hex()}\n" for (record,) in rows))


if __name__ == "__main__":
    wanted = GOLDEN / sys.argv[1]
    if wanted.exists():
        sys.exit(f"{wanted} is there already, and golden volumes are never made again")
    asyncio.run(make(wanted))
