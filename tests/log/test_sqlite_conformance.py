from __future__ import annotations

import pytest

from lichen.testing.log_conformance import LogConformance, Reopen
from tests.log.homes import Home


class TestSqliteLog(LogConformance):
    @pytest.fixture
    def reopen(self, home: Home) -> Reopen:
        return home.reopen
