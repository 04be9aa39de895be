"""A project's own Python files: loaded for what `file.py:name` refers to, and remembered as they were."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, TypeGuard, TypeVar

from lichen.core.words.errors import Invalid, LichenError

EXTRAS: Final[Mapping[str, str]] = {  # modules that agents are written with, by the extra that brings each
    "agents": "openai-agents",
    "pydantic_ai": "pydantic-ai",
    "langgraph": "langgraph",
    "langchain_core": "langgraph",
    "mcp": "mcp",
}

T = TypeVar("T")


def referred(root: Path, reference: str, is_one: Callable[[object], TypeGuard[T]], *, what: str) -> tuple[T, ...]:
    """What `file.py:name` refers to: one of a kind, or a list of them; `what` is their noun.

    Raises Invalid (`agents_invalid`) that says whether the file, the name or the value is wrong, and what the project's
    code raises as Invalid at its line.
    """
    file, _, attribute = reference.partition(":")
    path = root / file
    if not attribute:
        raise _wrong(f"{reference!r} does not say which {what} of the file is meant.", path, f"{file}:NAME")
    if not path.is_file():
        here = sorted(found.name for found in root.glob("*.py"))
        close = get_close_matches(file, here, 1)
        raise _wrong(f"There is no file {file}.", path, f"{(close or here or ['file.py'])[0]}:{attribute}")
    module = loaded(path)
    found = _all(getattr(module, attribute, None), is_one)
    if not found:
        names: list[str] = [
            name for name, value in module.__dict__.items() if _all(value, is_one) and not name.startswith("_")
        ]
        close = get_close_matches(attribute, names, 1)
        raise _wrong(
            f"{file} has no {what}, or list of them, named {attribute!r}.",
            path,
            f"{file}:{(close or names or ['NAME'])[0]}",
        )
    return found


def _all(value: Any, is_one: Callable[[object], TypeGuard[T]]) -> tuple[T, ...]:
    items: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,)  # type: ignore[arg-type]
    return items if items and all(is_one(item) for item in items) else ()


def _wrong(message: str, path: Path, example: str) -> Invalid:
    step = f"Write it as {example!r}, relative to lichen.toml."
    return Invalid(message, code="agents_invalid", next_step=step, place=str(path))


def loaded(path: Path) -> Any:
    """The module of a file, executed once for each load of the project. Raises Invalid (`agents_invalid`)."""
    name = f"lichen_project.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except LichenError:
        raise
    except Exception as error:  # a project's own code may fail in any way
        raise failed(error, path.parent) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def failed(error: Exception, root: Path) -> Invalid:
    """The error for a project whose own code failed, at the line of it that did."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        lines = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(root)]
        place = f"{lines[-1].filename}:{lines[-1].lineno}" if lines else str(root)
    message = f"The agents do not load: {type(error).__name__}: {error}."
    return Invalid(message, code="agents_invalid", next_step=_mend(error), place=place)


def _mend(error: Exception) -> str:
    """What to do about an error of a project's own code: install the extra, where one of ours brings what it lacks."""
    extra = EXTRAS.get(error.name or "") if isinstance(error, ModuleNotFoundError) else None
    if extra is None:
        return "Correct the file; `lichen doctor` loads it again."
    return f"Install Lichen with its extra `{extra}`, in a clone with `pip install '.[{extra}]'`."


def own_modules(root: Path, *more: Path) -> dict[Path, str]:
    """The Python files below `root` that are loaded, and `more`, each with the digest of what is in it now."""
    files = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    own = (file for file in files if file.is_relative_to(root) and "site-packages" not in file.parts and file.exists())
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in (*more, *sorted(own))}


def changed_modules(known: Mapping[Path, str]) -> tuple[Path, ...]:
    """Those of these files that hold something else now, or are gone: they need a restart."""
    return tuple(
        file
        for file, digest in known.items()
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest
    )
