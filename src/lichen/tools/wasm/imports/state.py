"""State: bytes under keys of the component's own, in the scope of the call, whatever tenant a guest names.

Source: greentic:state/state-store@1.0.0 (greentic-interfaces).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from lichen.core.state.port import Change, StateKey, States
from lichen.core.words.errors import Invalid, LichenError
from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.running.asked import Answer
from lichen.tools.wasm.running.refusals import ACK, Refused

T = TypeVar("T")


def read(host: HostCall, key: str, *_context: Any) -> Any:
    """The bytes under a key."""
    if not host.may.state_read:
        return host.refuse("denied", "reading state is not granted")
    found = _done(host, lambda states, at: states.get(host.scope, at), key)
    if isinstance(found, Refused):
        return found
    match None if found is None else found.value:
        case {"bytes": str(text)}:
            return b64decode(text)
        case _:
            return Refused("not-found", "there is no such key")


def write(host: HostCall, key: str, value: bytes, *_context: Any) -> Any:
    """Keeps bytes under a key."""
    if not host.may.state_write:
        return host.refuse("denied", "writing state is not granted")
    kept = {"bytes": b64encode(value).decode()}
    change = Change(once=host.next_key(), by=f"component:{host.granted.prefix}")
    host.has_acted = True
    done = _done(host, lambda states, at: states.set(host.scope, at, kept, change), key)
    return done if isinstance(done, Refused) else ACK


def delete(host: HostCall, key: str, *_context: Any) -> Any:
    """Forgets what is under a key."""
    if not host.may.state_delete:
        return host.refuse("denied", "deleting state is not granted")
    change = Change(once=host.next_key(), by=f"component:{host.granted.prefix}")
    host.has_acted = True
    done = _done(host, lambda states, at: states.delete(host.scope, at, change), key)
    return done if isinstance(done, Refused) else ACK


def _done(host: HostCall, work: Callable[[States, StateKey], Coroutine[Any, Any, T]], key: str) -> T | Refused:
    states = host.services.states
    if states is None:
        return Refused("unavailable", "there is no state here")
    try:
        return host.wait(work(states, StateKey(host.scope, host.granted.prefix, key)))
    except Invalid as error:
        return Refused("invalid", error.message)
    except LichenError as error:
        return Refused("unavailable", error.message)
    except TimeoutError:
        return Refused("unavailable", "the state did not answer in time")


FUNCTIONS: Final[dict[str, Answer]] = {"read": read, "write": write, "delete": delete}
