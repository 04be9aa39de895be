"""SquashFS files as Debian's tools make them, and what these make of ours."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


def tool(name: str) -> str:
    """Where a tool is. A machine without it fails here: `tests/squashfs.sh` brings it."""
    found = shutil.which(name)
    assert found is not None, f"There is no {name}: run tests/squashfs.sh."
    return found


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with these files."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def made(folder: Path, out: Path, *options: str) -> bytes:
    """The SquashFS file that mksquashfs makes of a folder."""
    command = [tool("mksquashfs"), str(folder), str(out), "-noappend", "-quiet", "-no-progress", "-all-root"]
    subprocess.run([*command, "-processors", "1", *options], check=True, capture_output=True)
    return out.read_bytes()


def extracted(data: bytes, where: Path) -> dict[str, bytes]:
    """The files that unsquashfs takes out of a SquashFS file."""
    where.mkdir()
    (where / "x.gtbundle").write_bytes(data)
    command = [tool("unsquashfs"), "-no-progress", "-d", str(where / "out"), str(where / "x.gtbundle")]
    subprocess.run(command, check=True, capture_output=True)
    inside = where / "out"
    return {each.relative_to(inside).as_posix(): each.read_bytes() for each in inside.rglob("*") if each.is_file()}
