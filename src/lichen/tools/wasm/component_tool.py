"""An operation of a component as the engine executes it: a fresh instance for each call, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lichen.core.ports.call import (
    RESULT_BYTES_MAX,
    Arguments,
    Artifact,
    CallMeta,
    CannotTell,
    NotDone,
    Probe,
    Produced,
    Resources,
    ToolSpec,
)
from lichen.core.state.port import States
from lichen.core.words.errors import Invalid, LichenError
from lichen.tools.arguments.described import canonical, read
from lichen.tools.egress.reach import Reach
from lichen.tools.wasm.asking import asks, heard, question_of, with_said
from lichen.tools.wasm.component import Component
from lichen.tools.wasm.port import STILL, Answered, Invocation, Reported, Services, Surroundings, TenantContext, Trapped
from lichen.tools.workers.placement import StillRunning, Workers
from lichen.tools.workers.places import Owner, call_key

if TYPE_CHECKING:  # what runs guests is loaded with the first call
    from lichen.tools.wasm.imports.host import HostCall

LOG: Final = "log"
STOPS_S: Final = 1.0  # how long a guest that was cancelled may take to stop: some ticks, and what it waits for
MESSAGE_CHARS_MAX: Final = 500


class InDoubt(LichenError):
    """A component ended after it was let do something: nobody knows what was done."""

    code = "component_in_doubt"
    next_step = "Look at the call's log, and at what it writes to; then settle the call."


class ComponentHost:
    """What a runtime has for components: state, clock and randomness, where compiled code is kept, and the key that
    vouches for it."""

    def __init__(
        self,
        states: States,
        folder: Path | None = None,
        key: Callable[[], bytes] = bytes,
        *,
        around: Surroundings = STILL,
    ) -> None:
        self.states, self.around = states, around
        self._folder, self._key = folder, key

    def keep(self, component: Component) -> None:
        """Keeps the compiled code of a component for the next start."""
        if self._folder is not None and (key := self._key()):
            from lichen.tools.wasm.running.cache import Cache  # with the first component

            component.keep(Cache(self._folder, key))


class ComponentTool:
    """One operation of one component."""

    def __init__(
        self,
        spec: ToolSpec,
        operation: str,
        component: Component,
        *,
        workers: Workers | None = None,
        services: Services | None = None,
    ) -> None:
        self.spec, self.operation = spec, operation
        self._component, self._workers = component, workers
        self._services = services or Services()

    def bound(self, resources: Resources) -> ComponentTool:
        """The tool on the threads, state and client of a runtime."""
        host = resources.get(ComponentHost)
        host.keep(self._component)
        return ComponentTool(
            self.spec,
            self.operation,
            self._component,
            workers=resources.get(Workers),
            services=Services(host.states, resources.made(Reach), host.around),
        )

    @property
    def component(self) -> Component:
        """The component that it is an operation of."""
        return self._component

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments that fit the schema. Raises InvalidArguments."""
        return canonical(read(args, self.spec.input_schema))

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a component vouches for nothing."""
        return b"{}"

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: a component is not asked what it did."""
        return CannotTell()

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """What the component answers, with what it wrote beside it for operators.

        Raises NotDone for a failure that it reports and for a trap, InDoubt for a trap after it was let act,
        NeedsAnswer where it asks something first and may.
        """
        assert self._workers is not None, "a runtime binds components to its threads"
        call = self._component.call(meta, asyncio.get_running_loop(), self._services)
        context = context_of(meta, self._services.around.clock())
        before = heard(meta.answer)
        asked = Invocation(self.operation, with_said(args.fields, before.said), context, self._component.config)
        owner = Owner(f"{meta.scope.tenant}/{meta.scope.env}", self.spec.name)
        try:
            answered = await self._workers.in_thread(
                lambda: self._component.ask(call, asked), owner=owner, call=call_key(meta)
            )
        except StillRunning as running:
            call.cancel()
            await asyncio.wait({running.ended}, timeout=STOPS_S)
            if not running.ended.done():
                raise
            raise asyncio.CancelledError from None
        except Trapped as trapped:
            raise _ended(trapped, call, self.spec) from None
        except Invalid as error:
            raise _failed(call, self.spec, error.code, error.message) from None
        if self._component.may_ask and asks(answered) and not (call.has_acted and self.spec.effects == "once"):
            raise question_of(self._component.name, answered, before)
        return self._produced(answered, call)

    def _produced(self, answered: Answered, call: HostCall) -> Produced:
        if answered.failure is not None:
            raise _reported(answered.failure, call, self.spec)
        result = msgspec.json.encode(answered.payload)
        if len(result) > RESULT_BYTES_MAX:
            raise _failed(call, self.spec, "component_result_large", "The component's answer is too large.")
        return Produced(result, _log(call))


def context_of(meta: CallMeta, now_us: int) -> TenantContext:
    """What a component is told of a call. Whose words it is about is said by a pseudonym alone."""
    return TenantContext(
        scope=meta.scope,
        user=meta.subject,
        session=str(meta.session or ""),
        trace=str(meta.run),
        correlation=str(meta.call),
        deadline_ms=now_us // 1_000 + max(1, round(meta.timeout_s * 1_000)),
        attempt=meta.attempt,
        idempotency_key=meta.idempotency_key,
        i18n=meta.language or "en",
    )


def _log(call: HostCall) -> bytes:
    """What the guest wrote and was refused, as one artifact for operators; nothing where there is nothing."""
    written = b"".join(call.watch.written) if call.watch is not None else b""
    if not written and not call.notes:
        return b""
    data: dict[str, Any] = {"written": written.decode(errors="replace"), "notes": call.notes}
    return msgspec.json.encode([Artifact(LOG, "internal", data)])


def _ended(trapped: Trapped, call: HostCall, spec: ToolSpec) -> Exception:
    message = f"The component was stopped: {trapped.detail or trapped.kind}."
    return _failed(call, spec, f"component_{trapped.kind}", message)


def _failed(call: HostCall, spec: ToolSpec, code: str, message: str) -> Exception:
    """Nothing was done where it could do nothing; otherwise nobody knows."""
    if call.has_acted and spec.effects == "once":
        return InDoubt(message)
    return NotDone(message, code=code, retryable=False, recovery="replan")


def _reported(failure: Reported, call: HostCall, spec: ToolSpec) -> Exception:
    """A component that reports a failure says that what was asked of it was not done. Where it was let act before, it
    is not asked again by itself, whatever it says."""
    message = failure.message[:MESSAGE_CHARS_MAX] or "The component reports a failure."
    return NotDone(
        message,
        code="component_failed",
        retryable=failure.retryable and not (call.has_acted and spec.effects == "once"),
        recovery="replan",
        foreign_code=failure.code,
        pause_s=(failure.backoff_ms or 0) / 1_000,
    )
