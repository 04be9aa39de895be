"""The chat page of a tenant: small, in the tenant's colours, and only where the tenant has a web chat."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from lichen.agents.rules.rules import Endings
from lichen.agents.rules.words import ENDINGS
from lichen.core.speech.wording import BUILT_IN, Greeting
from lichen.core.words.scope import Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.page.assets import FOLDER
from lichen.serve.pages import chat_routes
from lichen.serve.pages.accent import contrast, ink_on
from lichen.serve.pages.words import WORDS, PageWords
from lichen.serve.site import make_site
from lichen.settings import WebChat
from tests.declared import declaring
from tests.serve.browser import browser

BYTES_MAX = 24_000


@pytest.fixture
def project(project: Project) -> Project:
    greetings = {"de": Greeting("Guten Tag & willkommen", ("Ich brauche Hilfe",))}
    chat = WebChat(title="Acme <Coffee>", accent="#7A3E1D", greetings=greetings)
    acme = msgspec.structs.replace(project.settings.tenants["acme"], webchat=chat)
    globex = msgspec.structs.replace(project.settings.tenants["globex"], webchat=None)
    return declaring(project, tenants={"acme": acme, "globex": globex})


@pytest.fixture
async def client(runtime: Runtime) -> AsyncGenerator[httpx.AsyncClient]:
    async with browser(make_site(runtime)) as client:
        yield client


@pytest.mark.req("LIC-25.21")
async def test_a_tenant_has_a_page_in_its_own_name_and_colour(client: httpx.AsyncClient) -> None:
    page = await client.get("/chat/acme")
    assert page.status_code == 200
    assert "<h1>Acme &lt;Coffee&gt;</h1>" in page.text
    assert '<html lang="en">' in page.text
    style = await client.get("/chat/acme/theme.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "--accent: #7a3e1d" in style.text
    assert 'data-theme="dark"' in (await client.get("/chat/acme?theme=dark")).text
    assert (await client.get("/chat/acme?theme=%22onload=")).status_code == 400


@pytest.mark.req("LIC-30.11")
@pytest.mark.parametrize(
    ("address", "accepts", "language", "says"),
    [
        ("/chat/acme", "de-DE,de;q=0.9,en;q=0.8", "de", "Schreiben Sie eine Nachricht"),
        ("/chat/acme", "en-US,en;q=0.9,de;q=0.8", "en", "Write a message"),
        ("/chat/acme", "fr", "en", "Write a message"),
        ("/chat/acme?locale=de-AT", "en", "de", "Ich brauche Hilfe"),
    ],
)
async def test_the_page_greets_and_offers_in_the_language_of_whoever_opens_it(
    client: httpx.AsyncClient, address: str, accepts: str, language: str, says: str
) -> None:
    page = (await client.get(address, headers={"accept-language": accepts})).text
    assert f'<html lang="{language}">' in page
    assert says in page
    assert ("Guten Tag &amp; willkommen" in page) == (language == "de")


@pytest.mark.req("LIC-30.1")
def test_page_and_rules_have_words_in_every_language_the_runtime_speaks() -> None:
    for language in BUILT_IN.keys() - {"en"}:
        for name in PageWords.__struct_fields__:
            assert getattr(WORDS[language], name) != getattr(WORDS["en"], name), (language, name)
        for name in Endings.__struct_fields__:
            assert name == "on_code" or getattr(ENDINGS[language], name), (language, name)


@pytest.mark.req("LIC-30.11")
async def test_opening_the_page_begins_no_conversation(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await client.get("/chat/acme")
    assert runtime.log(Scope("acme", "dev")).stream_rows("session") == []


@pytest.mark.req("LIC-25.21")
async def test_a_tenant_without_a_web_chat_has_no_page(client: httpx.AsyncClient) -> None:
    for tenant in ("globex", "nobody", "ACME"):
        assert (await client.get(f"/chat/{tenant}")).status_code == 404
        assert (await client.get(f"/chat/{tenant}/theme.css")).status_code == 404


@pytest.mark.req("LIC-25.22")
async def test_the_page_with_all_it_needs_is_small_and_has_nothing_inline(client: httpx.AsyncClient) -> None:
    page = (await client.get("/chat/acme")).text
    sizes = [len(page), len((await client.get("/chat/acme/theme.css")).content)]
    sizes += [(FOLDER / name).stat().st_size for name in ("chat.css", "chat.js")]
    assert sum(sizes) < BYTES_MAX
    assert "style=" not in page
    assert "<style" not in page
    assert "onload" not in page
    assert page.count("<script") == page.count('<script type="module" src="/static/')
    policy = (await client.get("/chat/acme")).headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'" in policy


async def test_the_routes_alone_serve_what_the_page_names(runtime: Runtime) -> None:
    async with browser(Starlette(routes=chat_routes(runtime))) as client:
        page = (await client.get("/chat/acme")).text
        for mark in ('href="', 'src="'):
            for piece in page.split(mark)[1:]:
                assert (await client.get(piece.partition('"')[0])).status_code == 200


@pytest.mark.req("LIC-25.21")
@pytest.mark.parametrize("accent", ["#000000", "#ffffff", "#2f6f4f", "#ffd400", "#777777", "#ff0000", "#0000ff"])
def test_text_on_any_accent_can_be_read(accent: str) -> None:
    assert contrast(accent, ink_on(accent)) >= 4.5
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
