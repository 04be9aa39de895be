"""The Postgres that a project's logs lie in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lichen.core.words.errors import Invalid
from lichen.settings.file import StoreTable

if TYPE_CHECKING:
    from lichen.log.postgres.store import PostgresStore


def postgres(table: StoreTable, environ: Mapping[str, str]) -> PostgresStore:
    """The store that `[store]` names. Raises Invalid (`store_extra_missing`, `store_unset`)."""
    try:
        from lichen.log.postgres.store import PostgresStore
    except ModuleNotFoundError:
        step = "Install Lichen with its extra `postgres`, in a clone with `pip install '.[postgres]'`."
        message = "The library for logs in a Postgres is not installed."
        raise Invalid(message, code="store_extra_missing", next_step=step) from None
    variable = table.url.removeprefix("env:")
    url = environ.get(variable, "")
    if not url.startswith(("postgresql://", "postgres://")):
        step = f"Set {variable}, such as postgresql://user:password@host/database?sslmode=verify-full."
        raise Invalid("Nothing says where the Postgres of [store] is.", code="store_unset", next_step=step)
    return PostgresStore(url, schema=table.schema)
