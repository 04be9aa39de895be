"""A server whose tools a domain's key must have signed: only those are on, and none of a key that was taken back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.runtime import Runtime
from lichen.tools.mcp.definition import defined
from lichen.tools.pins.canonical import canonical
from lichen.tools.pins.keys import fingerprint, sign
from lichen.tools.pins.signed import sign_schema
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK, opened, said
from tests.tools.pins.vendor import DOMAIN, NOW, Vendor

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
TOLD = Path(__file__).parents[1] / "tools/mcp/told.py"
TOOL: dict[str, Any] = {
    "name": "find",
    "description": "Finds a book.",
    "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
}
POLICY = '@id("find") permit (principal is Agent, action == Action::"books.find", resource);\n'


class Books:
    """A server of books, its author's keys, and what is known of the author."""

    def __init__(self, root: Path) -> None:
        self.vendor = Vendor()
        self.tools = root / "tools.json"
        self.keys = root / "keys"
        self.keys.mkdir()
        self.known()
        settings = f"""
            [lichen]
            agents = ["clerk.py:clerk"]

            [tenants.acme]
            policies = "policies"
            agent = "shop.clerk"
            actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}]

            [[mcp]]
            name = "books"
            command = ["{sys.executable}", "{TOLD}", "{self.tools}"]
            schemapin = "{DOMAIN}"
            schemapin_from = "keys"
        """
        clerk = CLERK.replace('RemoteTools("strange", without=("die",))', 'RemoteTools("books")')
        files = {"lichen.toml": settings, "clerk.py": clerk, "policies/shop.cedar": POLICY}
        self.project = Project(root, files)

    def known(self, **more: Any) -> None:
        (self.keys / f"{DOMAIN}.json").write_text(json.dumps(self.vendor.said(**more)))

    def offers(self, *tools: dict[str, Any]) -> None:
        self.tools.write_text(json.dumps(tools))

    def signed(self, tool: dict[str, Any] = TOOL, by: Vendor | None = None) -> dict[str, Any]:
        signed = sign_schema(defined("books", tool).said, (by or self.vendor).key, NOW)
        return {**tool, "_meta": {"schemapin": {"signature": signed.terms.signature}}}


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


async def asked(runtime: Runtime) -> str:
    return await said(runtime, 'books.find {"title":"Dune"}')


@pytest.mark.req("SYM-61.4")
async def test_only_what_the_domain_signed_whole_is_pinned_as_it_is_first_seen(books: Books) -> None:
    other = {**TOOL, "name": "other"}
    books.offers(books.signed(), other, {**books.signed({**TOOL, "name": "third"}), "description": "Reads ~/.ssh."})
    async with opened(books.project) as runtime:
        seen = await runtime.servers.look(SCOPE, "books")
        assert (seen.on, seen.waiting) == (("books.find",), ())
        assert seen.left_out["books.other"].startswith("signature_missing")
        assert seen.left_out["books.third"].startswith("signature_invalid")
        assert await asked(runtime) == 'ok {"text":"done"}'
        signature = runtime.tools.show(SCOPE, "books.find", OPS).signature
        assert signature is not None
        own = fingerprint(books.vendor.key.public_key())
        assert (signature.domain, signature.fingerprint, signature.covers) == (DOMAIN, own, "all")
    async with opened(books.project) as runtime:
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-61.4")
async def test_a_signature_over_the_input_schema_alone_is_for_somebody_to_look_at(books: Books) -> None:
    schema = TOOL["inputSchema"]
    embedded = {**schema, "signature": sign(canonical(schema), books.vendor.key, "single")}
    books.offers({**TOOL, "inputSchema": embedded})
    async with opened(books.project) as runtime:
        assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
        offer = runtime.tools.show(SCOPE, "books.find", OPS)
        assert offer.signature is not None
        assert offer.signature.covers == "schema"
        await runtime.tools.accept(SCOPE, "books.find", offer.standing.waiting, OPS)
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-61.5")
async def test_another_key_of_the_domain_waits_for_somebody_and_an_unsigned_change_does_not_even_wait(
    books: Books,
) -> None:
    books.offers(books.signed())
    async with opened(books.project) as runtime:
        await runtime.servers.look(SCOPE, "books")
        changed = {**TOOL, "description": "Finds a book, and its author."}
        books.offers(changed)
        seen = await runtime.servers.look(SCOPE, "books")
        assert seen.left_out["books.find"].startswith("signature_missing")
        assert "tool_changed" in await asked(runtime)
        assert runtime.servers.standing(SCOPE)["tool:books.find"].submitted == ""
        books.vendor = Vendor()
        books.known()
        books.offers(books.signed(changed))
        assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
        offer = runtime.tools.show(SCOPE, "books.find", OPS)
        assert offer.signature is not None
        assert offer.signature.changed
        await runtime.tools.accept(SCOPE, "books.find", offer.standing.waiting, OPS)
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-62.4")
@pytest.mark.parametrize("how", ["list", "document", "rotated"])
async def test_a_tool_is_off_once_the_key_that_signed_it_was_taken_back_and_the_log_says_why(
    books: Books, how: str
) -> None:
    books.offers(books.signed())
    async with opened(books.project) as runtime:
        await runtime.servers.look(SCOPE, "books")
        own = fingerprint(books.vendor.key.public_key())
        if how == "document":
            gone = {"fingerprint": own, "revoked_at": "2026-05-01T00:00:00Z", "reason": "key_compromise"}
            document = {"schemapin_version": "1.2", "domain": DOMAIN, "updated_at": "", "revoked_keys": [gone]}
            (books.keys / f"{DOMAIN}.revocations.json").write_text(json.dumps(document))
        else:
            books.vendor = Vendor() if how == "rotated" else books.vendor
            books.known(revoked_keys=[own])
        seen = await runtime.servers.look(SCOPE, "books")
        assert seen.left_out["books.find"].startswith("tool_revoked")
        assert await asked(runtime) == "no tool"
        log = runtime.engine.journal(SCOPE).log
        record = [r for r in log.records(TENANT_STREAM) if isinstance(r.control, e.Reviewed)][-1]
        assert isinstance(record.control, e.Reviewed)
        assert (record.control.verdict, record.control.by) == ("rejected", "system")
        assert b"tool_revoked" in log.contents(TENANT_STREAM, record.n)["reason"]
        shown = runtime.tools.show(SCOPE, "books.find", OPS)
        assert (shown.standing.state, shown.signature is not None) == ("revoked", True)
        assert [tool.state for tool in runtime.tools.list(SCOPE, OPS)] == ["revoked"]
        assert (await runtime.servers.look(SCOPE, "books")).left_out["books.find"].startswith("tool_revoked")
        assert await asked(runtime) == "no tool"


async def revoked(runtime: Runtime, books: Books) -> str:
    """The key that signed the tool is taken back, and the domain has another one."""
    books.offers(books.signed())
    await runtime.servers.look(SCOPE, "books")
    for waiting in (tool.waiting for tool in runtime.tools.list(SCOPE, OPS) if tool.waiting):
        await runtime.tools.accept(SCOPE, "books.find", waiting, OPS)
    own = fingerprint(books.vendor.key.public_key())
    books.vendor = Vendor()
    books.known(revoked_keys=[own])
    await runtime.servers.look(SCOPE, "books")
    return own


@pytest.mark.req("SYM-62.6")
async def test_what_another_key_signs_unchanged_is_on_again_at_first_use(books: Books) -> None:
    async with opened(books.project) as runtime:
        own = await revoked(runtime, books)
        books.offers(books.signed())
        assert (await runtime.servers.look(SCOPE, "books")).on == ("books.find",)
        shown = runtime.tools.show(SCOPE, "books.find", OPS)
        assert shown.signature is not None
        assert (shown.standing.state, shown.signature.fingerprint != own) == ("on", True)
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-62.6")
async def test_what_was_signed_anew_before_anybody_looked_is_on_again_with_the_same_look(books: Books) -> None:
    books.offers(books.signed())
    async with opened(books.project) as runtime:
        await runtime.servers.look(SCOPE, "books")
        own = fingerprint(books.vendor.key.public_key())
        books.vendor = Vendor()
        books.known(revoked_keys=[own])
        books.offers(books.signed())
        assert (await runtime.servers.look(SCOPE, "books")).on == ("books.find",)
        log = runtime.engine.journal(SCOPE).log
        kinds = [type(r.control) for r in log.records(TENANT_STREAM) if isinstance(r.control, (e.Reviewed, e.Pinned))]
        assert kinds == [e.Pinned, e.Reviewed, e.Pinned]


@pytest.mark.req("SYM-62.6")
async def test_what_another_key_signs_waits_for_an_operator_where_that_is_the_servers_trust(books: Books) -> None:
    path = books.project.root / "lichen.toml"
    path.write_text(path.read_text().rstrip() + '\ntrust = "review"\n')
    async with opened(books.project) as runtime:
        await revoked(runtime, books)
        books.offers(books.signed())
        for _ in range(2):
            assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
        offer = runtime.tools.show(SCOPE, "books.find", OPS)
        await runtime.tools.accept(SCOPE, "books.find", offer.standing.waiting, OPS)
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-62.6")
@pytest.mark.parametrize("how", ["changed", "same key"])
async def test_what_changed_meanwhile_or_the_same_key_signs_waits_for_an_operator_at_first_use_too(
    books: Books, how: str
) -> None:
    async with opened(books.project) as runtime:
        before = books.vendor
        await revoked(runtime, books)
        if how == "changed":
            books.offers(books.signed({**TOOL, "description": "Finds."}))
        else:  # its owner takes nothing back any more
            books.vendor = before
            books.known()
        assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
        assert await asked(runtime) == "no tool"


@pytest.mark.req("SYM-61.5")
async def test_what_was_pinned_unsigned_is_off_until_it_is_signed_and_nobody_accepts_it_before(books: Books) -> None:
    path = books.project.root / "lichen.toml"
    wanted = path.read_text()
    path.write_text(wanted.replace("schemapin", "#schemapin"))
    books.offers(TOOL)
    async with opened(books.project) as runtime:
        await runtime.servers.look(SCOPE, "books")
        changed = {**TOOL, "description": "Finds."}
        books.offers(changed)
        assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
    path.write_text(wanted)
    async with opened(books.project) as runtime:
        assert await asked(runtime) == "no tool"
        waiting = runtime.servers.standing(SCOPE)["tool:books.find"].submitted
        with pytest.raises(Conflict, match="signature_missing"):
            await runtime.tools.accept(SCOPE, "books.find", waiting, OPS)
        books.offers(books.signed(changed))
        assert (await runtime.servers.look(SCOPE, "books")).waiting == ("books.find",)
        await runtime.tools.accept(SCOPE, "books.find", waiting, OPS)
        assert await asked(runtime) == 'ok {"text":"done"}'
        books.offers(books.signed())


@pytest.mark.req("SYM-62.4")
async def test_what_is_on_stays_on_while_nothing_is_known_of_the_domain_and_nothing_new_is_taken(books: Books) -> None:
    books.offers(books.signed())
    async with opened(books.project) as runtime:
        await runtime.servers.look(SCOPE, "books")
        (books.keys / f"{DOMAIN}.json").unlink()
        books.offers(books.signed(), books.signed({**TOOL, "name": "new"}))
        seen = await runtime.servers.look(SCOPE, "books")
        assert seen.on == ("books.find",)
        assert seen.left_out["books.new"].startswith("discovery_fetch_failed")
