"""A command ends as the error ends that the server met."""

from __future__ import annotations

import json

import pytest

from docs.reference.codes import classes
from lichen.cli.errors import exit_code, of_response
from lichen.core.words.errors import FAMILY, LichenError
from lichen.serve.http.errors import failure

EVERY = sorted(classes().values(), key=lambda kind: kind.__name__)
OLD = {
    400: 2, 401: 5, 403: 5, 404: 4, 405: 2, 408: 2, 409: 3, 410: 3, 413: 2, 415: 2, 418: 2, 429: 1, 431: 2, 500: 1,
    502: 1, 503: 1, 507: 1,
}  # fmt: skip


def made(kind: type[LichenError]) -> LichenError:
    error = kind.__new__(kind)
    LichenError.__init__(error, "It is so.", code="it_is_so", next_step="Do this.", place="here")
    vars(error).setdefault("retry_after_s", 1.0)
    return error


@pytest.mark.req("SYM-101.21")
@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_a_command_ends_over_the_socket_as_it_does_beside_the_runtime(kind: type[LichenError]) -> None:
    here = made(kind)
    response = failure(here)
    there = of_response(response.status_code, json.loads(bytes(response.body)))
    assert exit_code(there) == exit_code(here)
    assert (there.kind, there.code, there.message) == (here.kind, here.code, here.message)
    assert (there.next_step, there.place) == (here.next_step, here.place)


@pytest.mark.req("SYM-101.21")
def test_the_kind_counts_whatever_the_status_says() -> None:
    assert exit_code(of_response(500, {"error": {"kind": "not_found"}})) == 4
    assert exit_code(of_response(404, {"error": {"kind": "unavailable"}})) == 1


@pytest.mark.req("SYM-101.21")
@pytest.mark.parametrize("document", [{"error": {"code": "x"}}, {"error": {"kind": "later_kind"}}, "", None, []])
@pytest.mark.parametrize(("status", "code"), OLD.items())
def test_a_server_that_names_no_kind_is_judged_by_the_status(status: int, code: int, document: object) -> None:
    assert exit_code(of_response(status, document)) == code


def test_every_kind_has_one_class() -> None:
    kinds = [each.kind for each in FAMILY]
    assert len({*kinds}) == len(kinds)
    assert {kind.kind for kind in EVERY} == {*kinds}
