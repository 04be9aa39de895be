"""Secrets: those that the component declares and was granted, which the gate let its call use. It writes none.

Source: greentic:secrets-store/secrets-store@1.0.0 and @1.1.0 (greentic-interfaces).
"""

from __future__ import annotations

from typing import Any, Final

from lichen.core.ports.secrets import URI, checked_secret_name, name_of_uri
from lichen.core.words.errors import LichenError
from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.running.asked import Answer
from lichen.tools.wasm.running.refusals import Refused


def get(host: HostCall, key: str) -> Any:
    """The value of a secret by its name, however that is cased, or by `secrets://ENV/TENANT/TEAM/CATEGORY/NAME`."""
    try:
        name = name_of_uri(key, host.scope) if key.startswith(URI) else checked_secret_name(key.lower())
    except LichenError:
        return Refused("invalid", "this is no name of a secret")
    value = host.secrets.get(name)
    if value is None:
        return host.refuse("denied", "a secret that it was not granted")
    return value.reveal_bytes()


def put(host: HostCall, *_: Any) -> Any:
    """Refused: whoever is granted a secret may read it."""
    return host.refuse("denied", "components write no secrets")


FUNCTIONS: Final[dict[str, Answer]] = {"get": get, "put": put}
