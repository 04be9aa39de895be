"""A runtime of the demo shop in a fresh data directory, and its doors."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from tests.declared import declaring
from tests.serve.asgi import Door

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo shop as loaded once. Tests leave its files as they are."""
    root = tmp_path_factory.mktemp("project") / "shop"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    return load(root / "lichen.toml", environ={})


@pytest.fixture
def project(shop: Project, tmp_path: Path) -> Project:
    return declaring(shop, home=tmp_path / "home")


@pytest.fixture
async def runtime(project: Project) -> AsyncGenerator[Runtime]:
    async with Runtime.of(project) as runtime:
        yield runtime


@pytest.fixture
def door(runtime: Runtime) -> Door:
    return Door(make_app(runtime, identify=by_owner(runtime)))
