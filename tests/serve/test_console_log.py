"""The log in the console: its length, its signatures, its proof, and what can be taken away."""

from __future__ import annotations

import re

import pytest

from lichen.core.words.errors import Corrupt
from lichen.log.audit.export import verify_export
from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import of_app
from tests.serve.browser import browser, enter, issue
from tests.serve.console import ACME, LARGE, said, signed_in, site, token


@pytest.mark.req("LIC-25.19")
async def test_the_log_is_verified_at_the_press_of_a_button(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        fields = {"csrf_token": await token(client, "/console/log")}
        await runtime.log(ACME).durable()
        report = await client.post("/console/log/verify", data=fields)
        assert report.status_code == 200
        assert "The log holds." in report.text
        assert f"{runtime.log(ACME).durable_seq} records" in report.text


@pytest.mark.req("LIC-25.19")
async def test_signed_heads_are_shown_with_the_key_that_checks_them(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    await runtime.log(ACME).sign()
    durable = runtime.log(ACME).durable_seq
    async with signed_in(runtime) as client:
        shown = (await client.get("/console/log.json")).json()
        page = (await client.get("/console/log")).text
    newest = shown["heads"][0]
    assert newest["size"] == shown["durable"] == durable, "that it is read comes after it"
    assert shown["unsigned"] == 0
    assert shown["public_key"] == runtime.log(ACME).public_key.hex()
    assert newest["checkpoint"].splitlines()[0] == "acme/dev/0"
    assert newest["checkpoint"].splitlines()[-1] in page


@pytest.mark.req("LIC-25.20")
async def test_all_one_run_or_one_record_is_taken_away_with_its_proof(runtime: Runtime) -> None:
    run = await said(runtime, LARGE)
    key = runtime.log(ACME).public_key
    async with signed_in(runtime) as client:
        sizes: list[int] = []
        stored: list[int] = []
        for query in ("", f"?run={run}", "?seq=3"):
            taken = await client.get(f"/console/log/export{query}")
            assert taken.headers["content-disposition"].startswith('attachment; filename="acme-dev-')
            report = verify_export(taken.content, key)
            assert report.is_key_known
            sizes.append(len(report.records))
            stored.append(len({record.seq for record in report.records}))
        await runtime.log(ACME).durable()
        assert stored[0] == runtime.log(ACME).durable_seq - 2, "that two more were taken away is in the log too"
        assert sizes[0] > sizes[1] > sizes[2]
        assert stored[2] == 1
        with pytest.raises(Corrupt):
            verify_export(taken.content.replace(b'"seq":3', b'"seq":2'), key)
        assert (await client.get(f"/console/log/export?run={run}&seq=3")).status_code == 400
        assert (await client.get("/console/log/export?run=run-none")).status_code == 400


async def test_records_are_read_a_page_at_a_time_the_newest_first(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.console.log.PAGE", 4)
    await said(runtime, LARGE)
    seen: list[tuple[int, int]] = []
    async with signed_in(runtime) as client:
        before, there = "", [(record.seq, record.i) for record in runtime.log(ACME).read()]
        while True:
            page = (await client.get(f"/console/log.json?before={before}")).json()
            seen += [(record["seq"], record["i"]) for record in page["records"]]
            if page["next_before"] is None:
                break
            before = str(page["next_before"])
        assert (await client.get("/console/log?before=1")).status_code == 200
    assert seen == list(reversed(there))
    assert len(there) > there[-1][0], "some share a stored record"


async def test_every_record_of_a_page_has_a_place_and_an_id_of_its_own(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        page = (await client.get("/console/log")).text
    ids, shown = re.findall(r'<tr id="r([0-9.]+)">', page), re.findall(r'<td class="num soft">([0-9.]+)</td>', page)
    assert len(ids) == len(set(ids)) == len(shown) == len(set(shown)) > 5
    assert any("." in position for position in shown)


async def test_a_whole_log_is_read_once_at_a_time_whoever_asks(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    app = site(runtime)
    async with browser(app) as client:
        await enter(client, issue(runtime))
        fields = {"csrf_token": await token(client, "/console/log")}
        with of_app(app).audits.holding(ACME.log_id()):
            assert (await client.post("/console/log/verify", data=fields)).status_code == 429
            assert (await client.get("/console/log/export")).status_code == 429
        assert (await client.get("/console/log/export")).status_code == 200
