"""A command ends as the error ends that the server met."""

from __future__ import annotations

import pytest

from lichen.cli.errors import exit_code, of_response
from lichen.core.words.errors import Denied, LichenError
from lichen.serve.http.errors import STATUSES, Unauthenticated


@pytest.mark.parametrize(("kind", "status"), STATUSES, ids=lambda each: getattr(each, "__name__", str(each)))
def test_a_command_ends_over_the_socket_as_it_does_beside_the_runtime(kind: type[LichenError], status: int) -> None:
    near = Denied if kind is Unauthenticated else kind  # the socket asks nobody for a key
    there = of_response(status, {"error": {"code": "x", "message": "m", "next_step": "n", "place": "p"}})
    assert exit_code(there) == exit_code(near.__new__(near))
    assert (there.code, there.place) == ("x", "p")
