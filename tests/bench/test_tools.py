"""What tools of strangers cost: each measurement in a tiny size."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import cast

import pytest

from bench import servers
from lichen.core.ports.call import Produced


@pytest.mark.req("LIC-28.14")
def test_a_call_of_a_server_is_measured_beside_the_bare_sdk_and_its_pin_apart() -> None:
    call, pin = servers.figures(rounds=1, calls=2)
    assert call.peer_value is not None
    assert 0 < pin.value < call.value


@pytest.mark.req("LIC-28.14")
async def test_what_is_measured_is_what_the_server_says() -> None:
    async with AsyncExitStack() as stack:
        call, look = await servers.ours(stack)
        assert b"hello" in cast("Produced", await call()).result
        assert await look() is True
