from __future__ import annotations

import pytest

from lichen.core.ports.call import CallMeta
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Scope


@pytest.fixture
def meta() -> CallMeta:
    """What a tool is told of call `c1`."""
    return CallMeta(
        scope=Scope("acme", "dev"),
        actor=Actor("agent", "shop.support"),
        run=RunId("run-1"),
        call=CallId("c1"),
        session=None,
        idempotency_key="run-1/c1",
        attempt=1,
        timeout_s=1.0,
    )
