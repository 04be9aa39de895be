"""Which interfaces are answered, by their names. Any other is linked as one that stops whoever asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lichen.tools.wasm.imports import control, http, secrets, state, telemetry, wasi
from lichen.tools.wasm.running.asked import Answer, Answers

_ANSWERED: Final[tuple[tuple[Mapping[str, Answer], tuple[str, ...]], ...]] = (
    (state.FUNCTIONS, ("greentic:state/state-store@1.0.0",)),
    (secrets.FUNCTIONS, ("greentic:secrets-store/secrets-store@1.0.0", "greentic:secrets-store/secrets-store@1.1.0")),
    (http.FUNCTIONS, ("greentic:http/http-client@1.0.0", "greentic:http/http-client@1.1.0")),
    (http.FUNCTIONS, ("greentic:http/client@1.0.0", "greentic:http/client@1.1.0")),
    (telemetry.FUNCTIONS, ("greentic:telemetry/logger-api@1.0.0",)),
    (control.FUNCTIONS, ("greentic:component/control@0.6.0",)),
    (wasi.RANDOM, ("wasi:random/random@0.2",)),
    (wasi.INSECURE, ("wasi:random/insecure@0.2",)),
    (wasi.SEED, ("wasi:random/insecure-seed@0.2",)),
    (wasi.WALL, ("wasi:clocks/wall-clock@0.2",)),
    (wasi.MONOTONIC, ("wasi:clocks/monotonic-clock@0.2",)),
)  # fmt: skip

ANSWERS: Final[Answers] = {name: functions for functions, names in _ANSWERED for name in names}
