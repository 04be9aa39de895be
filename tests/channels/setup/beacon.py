"""A channel of a package whose platform can be told where we are: a file of the project stands for the platform."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.packages import install

TOKEN = "beacon-4f1d9a7c22"
WRONG = "beacon-000000000000"
MODULE = """
import json
from typing import Annotated

import msgspec

from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.port import ChannelSettings, Delivery, Guide, Pointed, Question
from lichen.core.words.errors import Denied


class BeaconSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    harbour: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,20}\\Z")]
    secret: str = "secret:beacon-secret"
    secrets: Annotated[tuple[str, ...], msgspec.Meta(max_length=3)] = ()
    colour: str = "white"
    seconds: int = 5
    api_base_url: str = "https://beacon.example"


class Beacon(DummyChannel):
    settings = BeaconSettings
    guide = Guide(
        "Beacon",
        (
            Question("harbour", "Harbour", "As the harbour master spells it.", pattern="^[a-z]{1,20}$"),
            Question("secret", "Token", "The harbour master, Keys.", secret=True, pattern="^beacon-[0-9a-f]+$"),
            Question("secrets", "Spare key", required=False, secret=True),
            Question("colour", "Colour", required=False, default="white", pattern="^(white|red)$"),
            Question("seconds", "Seconds between flashes", required=False, default="5", pattern="^[0-9]{1,3}$"),
        ),
        ("The harbour master, Beacons, {name}: point it at {webhook}.", "Save."),
    )

    def __init__(self, setup):
        super().__init__(setup)
        self._platform = setup.host.root / "platform.json"

    async def check(self):
        await self._signed_in()
        return f"harbour {self._setup.settings.harbour}"

    async def register(self, webhook):
        await self._signed_in()
        self._platform.write_text(json.dumps({"webhook": webhook}))
        return "The beacon points at us."

    async def unregister(self):
        await self._signed_in()
        self._platform.unlink(missing_ok=True)
        return "The beacon points nowhere."

    async def pointed(self):
        if not self._platform.exists():
            return Pointed()
        known = json.loads(self._platform.read_text())
        return Pointed((known["webhook"],), tuple(known.get("trouble", ())))

    async def _signed_in(self):
        if await self._setup.host.secret(self._setup.settings.secret, "beacon.example") == "WRONG":
            step = "Give it another token: `lichen channel update`."
            raise Denied("The harbour master does not know this token.", code="credentials_refused", next_step=step)

    async def send(self, scope, message):
        match message.address:
            case b"fog":
                raise ZeroDivisionError("what nobody may read")
            case b"reef":
                return Delivery("failed", "aground")
            case _:
                return await super().send(scope, message)


class Poller(Beacon):
    async def start(self, gateway):
        pass

    def drain(self):
        pass

    async def stop(self):
        pass
""".replace("WRONG", WRONG)


def install_beacon(folder: Path) -> Path:
    """Lays the package into `folder`: the kinds `beacon` and, listening by itself, `lamp`."""
    parts = {"beacon": "beacon:Beacon", "lamp": "beacon:Poller"}
    return install(folder, "harbour-parts", "1.0", "lichen.channels", parts, {"beacon": MODULE})
