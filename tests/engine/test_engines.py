"""Both engines keep what is asked of every engine, and the same seed's troubles."""

from __future__ import annotations

from lichen.engine.engine import Engine
from lichen.engine.local import LocalEngine
from lichen.engine.ports import Services
from lichen.log.volume import Volume
from lichen.testing.engine_conformance import EngineConformance
from lichen.testing.simulated_engine import SimulatedEngine


class TestLocalEngine(EngineConformance):
    """The engine of one process."""

    def engine(self, services: Services, volume: Volume) -> Engine:
        return LocalEngine(services, volume)


class TestSimulatedEngine(EngineConformance):
    """The plain one."""

    def engine(self, services: Services, volume: Volume) -> Engine:
        return SimulatedEngine(services, volume)
