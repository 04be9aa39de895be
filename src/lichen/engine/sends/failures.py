"""What becomes of an exception that a tool, a planner or the gate met: words into the record, one line into the log.

The record keeps everything under the subject's key, so that it is read by who may read contents and goes when they are
erased. The process's log gets what no person and no system can have written: code, type, place, run and tenant.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from logging import ERROR, WARNING
from typing import Final

import msgspec

from lichen.core.ports.call import NotDone
from lichen.core.ports.plan import Kinded
from lichen.core.words.content import Content
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import PART, Failure
from lichen.core.words.ids import StreamId
from lichen.core.words.scope import Scope
from lichen.engine.act import Act
from lichen.engine.ports import Services
from lichen.tools.failure import failure_of, raised_at

LOGGER: Final = "lichen.failures"

_log = logging.getLogger(LOGGER)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

Part = tuple[str, bytes]
Fields = dict[str, str | int]


def sealed(failure: Failure | None) -> list[Part]:
    """The content part that keeps a failure; none without one."""
    return [] if failure is None else [(PART, msgspec.json.encode(failure))]


def told(act: Act, what: str, code: str, error: BaseException) -> Failure:
    """What the exception says, after one line of it went to the process's log. `what` is as in `c1 payments.refund`."""
    failure = failure_of(error)
    _tell(act, what, code, failure, at=raised_at(error), level=WARNING if isinstance(error, NotDone) else ERROR)
    return failure


def tell(act: Act, what: str, code: str, failure: Failure) -> None:
    """One line to the process's log; its text only where the environment is one for development and wants it."""
    _tell(act, what, code, failure, at=failure.place, level=ERROR)


def unforeseen(services: Services, scope: Scope, stream: StreamId, what: str, error: BaseException) -> None:
    """One line for an error of the engine itself while it performed `what` for a stream."""
    code = error.code if isinstance(error, LichenError) else "internal"
    where: Fields = {"at": raised_at(error), stream.kind: stream.id, "what": what}
    _write(services, scope, ERROR, code, failure_of(error), where)


def _tell(act: Act, what: str, code: str, failure: Failure, *, at: str, level: int) -> None:
    where: Fields = {**({"at": at} if at else {}), "run": act.state.id, "what": what, "agent": act.state.agent}
    _write(act.services, act.journal.scope, level, code, failure, where)


def _write(services: Services, scope: Scope, level: int, code: str, failure: Failure, where: Fields) -> None:
    fields: Fields = {
        "code": code if _CODE.fullmatch(code) else "unspeakable",
        "exception": failure.exception,
        **where,
        "tenant": scope.tenant,
        "env": scope.env,
    }
    if services.environment(scope).error_text:
        fields |= {"message": failure.message, "traceback": failure.traceback}
    _log.log(level, line("failed", fields), extra={"event": "failed", "fields": fields})


def line(event: str, fields: Fields) -> str:
    """`event key=value …`, values that need it quoted as JSON, so that one event is one line whatever is in it."""
    return " ".join([event, *(f"{name}={_value(value)}" for name, value in fields.items())])


def _value(value: str | int) -> str:
    text = str(value)
    return text if re.fullmatch(r"[\w.:/@+-]+", text) else msgspec.json.encode(text).decode()


METADATA: Final = "metadata"


def failed(act: Act, public: str) -> Content:
    """What goes with the answer of a run that failed, for channels and programs: of which kind the failure is, and what
    the customer is told of it in their language. Source: Greentic, errors of a session flow."""
    planner = act.agent.planner if act.agent is not None else None
    is_flow = isinstance(planner, Kinded) and planner.kind == "flow"
    kind = "flow_execution_failed" if is_flow else "agent_execution_failed"
    named = {"error_kind": kind, "error_message": public, "flow_id": str(act.state.agent)}
    return Content(METADATA, act.state.subject, msgspec.json.encode(named))


def metadata_of(contents: Mapping[str, bytes]) -> Mapping[str, str]:
    """The same as a message has it; nothing for any other message."""
    data = contents.get(METADATA)
    return msgspec.json.decode(data, type=dict[str, str]) if data else {}
