"""Schedules over the API and on the console's pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from tests.runtime.test_schedules import BROKEN, project
from tests.serve.asgi import Door
from tests.serve.console import signed_in, token

ACTORS = 'actors = [{id = "ops", kind = "operator", roles = ["operator"]}]\n\n'


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    toml = BROKEN.replace("[[tenants", f"{ACTORS}[[tenants", 1)
    async with Runtime.of(load(project(tmp_path, toml=toml), environ={})) as runtime:
        yield runtime


@pytest.mark.req("SYM-88.10")
async def test_schedules_are_read_and_steered_over_the_api(runtime: Runtime) -> None:
    door = Door(make_app(runtime, identify=by_owner(runtime))).of(name="ops")
    (listed,) = (await door.get("schedules")).data
    assert (listed["name"], listed["state"], listed["when"]) == ("tick", "on", "every 3600 s")
    assert (await door.post("schedules/tick/pause", {"reason": "holidays"})).data["state"] == "paused"
    assert (await door.post("schedules/tick/resume", {})).data["state"] == "on"
    assert (await door.post("schedules/tick/run")).data["stage"] in ("queued", "begun")
    await runtime.idle()
    (dead,) = (await door.get("schedules/tick")).data["dead"]
    again = await door.post("schedules/tick/replay", {"tick": dead["id"]})
    assert (again.data["id"], again.data["attempt"]) == (dead["id"], 2)
    fired = [await door.post("schedules/tick/fire", {"data": {"n": 1}}, key="delivery-1") for _ in range(2)]
    assert len({each.data["id"] for each in fired}) == 1
    assert (await door.post("schedules/tick/fire", {"data": {}})).code == "key_invalid"
    assert (await door.get("schedules/nightly")).code == "schedule_unknown"


@pytest.mark.req("SYM-88.10")
async def test_the_console_shows_schedules_and_steers_them(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        form = {"csrf_token": await token(client, "/console/schedules/tick")}
        assert "It did not come due yet" in (await client.get("/console/schedules/tick")).text
        done = await client.post("/console/schedules/tick/steer", data={**form, "what": "run"})
        assert done.headers["location"] == "/console/schedules/tick"
        await runtime.idle()
        page = (await client.get("/console/schedules")).text
        assert '<svg class="ticks"' in page
        assert 'aria-label="1 ticks, 1 failed"' in page
        one = (await client.get("/console/schedules/tick")).text
        assert "Failed for good" in one
        (dead,) = (await client.get("/console/schedules/tick.json")).json()["dead"]
        await client.post("/console/schedules/tick/steer", data={**form, "what": "replay", "tick": dead["id"]})
        await client.post("/console/schedules/tick/steer", data={**form, "what": "pause"})
        told = (await client.get("/console/schedules/tick.json")).json()["schedule"]
        assert told["state"] == "paused"
        await client.post("/console/schedules/tick/steer", data={**form, "what": "resume"})
        assert (await client.get("/console/schedules.json")).json()["schedules"][0]["schedule"]["state"] == "on"
        wrong = await client.post("/console/schedules/tick/steer", data={**form, "what": "dance"})
        assert wrong.status_code == 400
