"""`lichen init`: a project to begin with."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound

MODELLED: Final = "shop"  # the template whose agent may be a language model in the place of rules
TRUSTED: Final = "lichen-demo.pub.pem"
UNPACKED: Final = (  # what lichen.toml says of the demo's pack, and what of its folder
    (
        r"a pack with the flow.*?that is pinned\.\n",
        "a flow in front of it for the web chat, in the pack that `pack/` is.\n",
    ),
    (r"packs = \[\{[^\n]*\n", 'packs = [{ file = "pack", policies = true }]\n'),
    (r"\[\[packs\.trust\]\].*?\n\n", ""),
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".lichen", "*.sqlite*")


class Template(NamedTuple):
    """What a project may begin as: what is in it, and what to say first."""

    summary: str
    first: str


TEMPLATES: Final = {
    "demo": Template(
        "the demo shop: two tenants, two languages, a flow",
        'echo "Where is order 1042?" | lichen chat --tenant acme --as customer-7',
    ),
    "minimal": Template(
        "one tenant, one agent, one tool, one policy", 'echo "How many miles are 10 km?" | lichen chat --as customer-7'
    ),
    "shop": Template(
        "one tenant, a refund that happens once, an approval above 50 EUR",
        'echo "I want a refund of 80 EUR for order 1002." | lichen chat --as customer-7',
    ),
}


def copy(
    folder: Annotated[
        Path, typer.Argument(help="An empty folder; it is made if need be.", metavar="[FOLDER]")
    ] = Path(),
    template: Annotated[
        str | None, typer.Option("--template", help=f"What to begin with: {', '.join(TEMPLATES)}.", metavar="NAME")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A language model to be the agent of the shop.", metavar="PROVIDER:MODEL"),
    ] = None,
) -> None:
    """Begins a project in an empty folder.

    It is a copy of the demo shop, or of another template: `minimal` is the least there can be, `shop` has a tool that
    acts once, and an approval. With `--model openai:gpt-5` the agent of the shop is that model, with the same tools and
    policies."""
    name = template or ("demo" if model is None else MODELLED)
    begun = _template(name) if model is None else _modelled(_template(name), name, model)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(
            "The folder is not empty.",
            code="folder_not_empty",
            next_step="Name an empty folder, or one that does not exist yet.",
            place=str(folder.resolve()),
        )
    shutil.copytree(files_of(name), folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    if name == "demo":
        _unpack(folder)
    if model is not None:
        _write_model(folder, model)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    typer.echo("\n".join(names))
    here = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    if model is not None:
        typer.echo(f"\n{_needs(model)}")
    typer.echo(f"\nNext: {here}{begun.first}")


def _template(name: str) -> Template:
    """Raises NotFound (`template_unknown`) that lists what there is."""
    found = TEMPLATES.get(name)
    if found is None:
        known = "; ".join(f"{each}: {template.summary}" for each, template in TEMPLATES.items())
        raise NotFound(
            f"There is no template {name!r}. There are {known}.",
            code="template_unknown",
            next_step=f"Run `lichen init --template {next(iter(TEMPLATES))}`, or name another of them.",
        )
    return found


def _modelled(template: Template, name: str, model: str) -> Template:
    """The template with a language model for its agent. Raises Invalid (`template_unmodelled`, `model_unknown`)."""
    from lichen.agents.models.model import resolve

    try:
        resolve(model)
    except Invalid as error:
        if error.code != "model_extra_missing":  # it is told what to install
            raise
    if name != MODELLED:
        message = f"The template {name} is not written for a language model."
        raise Invalid(message, code="template_unmodelled", next_step=f"Use `--template {MODELLED}` with it.")
    return template._replace(first="lichen chat")


def _write_model(folder: Path, model: str) -> None:
    """Puts the model in the place of the shop's rules."""
    for path in sorted(files_of("model").iterdir()):
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace("{model}", model).replace("{needs}", _needs(model))
            (folder / path.name).write_text(text, encoding="utf-8")


def _unpack(folder: Path) -> None:
    """Loads the demo's pack from its folder, where it can be changed: that is signed by nobody."""
    from lichen.packs.building.building import files_in

    pack = folder / "shop.gtpack"
    for path, data in files_in(pack.name, pack.read_bytes()).items():
        if path.startswith("components/"):
            file = folder / "pack" / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
    pack.unlink()
    (folder / TRUSTED).unlink()
    settings = folder / "lichen.toml"
    text = settings.read_text(encoding="utf-8")
    for was, now in UNPACKED:
        text = re.sub(was, now, text, count=1, flags=re.DOTALL)
    settings.write_text(text, encoding="utf-8")


def _needs(model: str) -> str:
    """What there has to be before the model can be asked."""
    from lichen.agents.providers.facts import PROVIDERS

    facts = PROVIDERS.get(model.partition(":")[0])
    if facts is None:
        return f"{model} needs no key."
    variables = (*facts.keys[:1], *(facts.urls[:1] if facts.needs_url else ()))
    extra = f"`{facts.extra}` (in a clone: pip install '.[{facts.extra}]')"
    return f"{model} needs Lichen's extra {extra} and {' and '.join(variables)}."


def demo_files() -> Path:
    """The demo's files."""
    return files_of("demo")


def files_of(template: str) -> Path:
    """A template's files: in an installed package beside its modules, in a clone beside the sources."""
    package = Path(__file__).resolve().parents[2]
    places = (
        (package / "demo_files", package.parent.parent / "demo")
        if template == "demo"
        else (package / "template_files" / template, package.parent.parent / "templates" / template)
    )
    for folder in places:
        if folder.is_dir():
            return folder
    raise LichenError("The demo's files are not installed.", code="demo_missing", next_step="Install Lichen again.")
