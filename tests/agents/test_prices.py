"""What a model's tokens cost: by a project's own prices, else by the list that comes with `genai-prices`."""

from __future__ import annotations

import importlib
import math
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.models.prices import LISTED, PriceList
from lichen.agents.models.rates import Rates
from lichen.core.ports.prices import Price
from lichen.core.words.limits import Usage
from lichen.settings.reading import read

MILLION = Usage(1_000_000, 1_000_000)
TODAY = datetime(2026, 11, 27, tzinfo=UTC)
USAGES = (
    Usage(0, 0),
    Usage(1, 0),
    Usage(1_000, 100),
    Usage(128_000, 7, 3),
    Usage(128_001, 7, 3, cache_write_tokens=11),
    Usage(200_000, 3_000, 150_000, cache_write_tokens=50_000),
    Usage(200_001, 3_000, 150_000, cache_write_tokens=50_000),
    Usage(272_001, 999),
    Usage(5_000_000, 1_000_000, 9_000_000),
)


def now() -> int:
    """Microseconds."""
    return round(TODAY.timestamp() * 1e6)


def by_the_list(name: str, provider: str, usage: Usage, on: datetime = TODAY) -> int:
    """What the list itself says to the same question."""
    listed = importlib.import_module("genai_prices")
    cached = min(usage.cached_tokens, usage.input_tokens)
    asked = listed.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
    )
    found = listed.calc_price(asked, name, provider_id=provider, genai_request_timestamp=on)
    return math.ceil(found.total_price * 1_000_000)


@pytest.mark.req("LIC-24.14")
def test_listed_models_cost_what_the_list_says_and_others_have_no_price() -> None:
    prices = PriceList({}, now)
    listed = importlib.import_module("genai_prices")
    found = listed.calc_price(listed.Usage(input_tokens=1_000, output_tokens=100), "gpt-5", provider_id="openai")
    assert prices.cost("openai:gpt-5", Usage(1_000, 100)) == found.total_price * 1_000_000 > 0
    assert prices.cost("openai:no-such-model", Usage(1, 1)) is None
    assert prices.cost("corner-shop:gpt-5", Usage(1, 1)) is None
    assert prices.cost("scripted:x", MILLION) == 0


@pytest.mark.req("LIC-24.14")
def test_tokens_from_the_cache_of_the_provider_cost_less_where_the_list_says_so() -> None:
    prices = PriceList({}, now)
    fresh, cached = Usage(10_000, 0), Usage(10_000, 0, 9_000)
    assert (prices.cost("openai:gpt-5", cached) or 0) < (prices.cost("openai:gpt-5", fresh) or 0)


@pytest.mark.parametrize("provider", sorted(set(LISTED.values())))
def test_the_list_knows_each_provider_by_the_name_that_it_is_asked_for(provider: str) -> None:
    snapshot = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    assert provider in {each.id for each in snapshot.providers}


@pytest.mark.req("LIC-24.14")
@pytest.mark.parametrize("ours", sorted(LISTED))
def test_every_listed_model_costs_to_the_millionth_what_the_list_says_below_and_above_its_thresholds(ours: str) -> None:
    prices, provider = PriceList({}, now), LISTED[ours]
    snapshot = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    (models,) = (each.models for each in snapshot.providers if each.id == provider)
    for name in (model.id for model in models):
        for usage in USAGES:
            try:
                expected = by_the_list(name, provider, usage)
            except (LookupError, ValueError):
                continue
            assert prices.cost(f"{ours}:{name}", usage) == expected, (name, usage)


@pytest.mark.req("LIC-24.14")
def test_a_price_that_changes_on_a_day_counts_from_that_day_in_a_process_that_knew_the_old_one() -> None:
    moment = datetime(2025, 6, 9, 23, 59, tzinfo=UTC)
    prices = PriceList({}, lambda: round(moment.timestamp() * 1e6))
    before = prices.cost("openai:o3", MILLION)
    assert before == by_the_list("o3", "openai", MILLION, moment)
    moment = datetime(2025, 6, 10, 0, 1, tzinfo=UTC)
    assert prices.cost("openai:o3", MILLION) == by_the_list("o3", "openai", MILLION, moment) != before


@pytest.mark.req("LIC-24.14")
def test_the_list_is_asked_once_for_what_is_asked_of_it_again_and_again() -> None:
    asked: list[Usage] = []

    def ask(usage: Usage) -> Decimal:
        asked.append(usage)
        return Decimal(usage.input_tokens + 3 * usage.output_tokens)

    rates = Rates(ask, [100])
    assert [rates.cost(Usage(number, 2)) for number in range(101)] == [Decimal(number + 6) for number in range(101)]
    known = len(asked)
    assert rates.cost(Usage(50, 50)) == 200
    assert (known, len(asked)) == (5, 5)
    assert rates.cost(Usage(101, 0)) == 101
    assert len(asked) == 10


@pytest.mark.req("LIC-24.15")
def test_a_project_says_what_its_models_cost(tmp_path: Path) -> None:
    file = tmp_path / "lichen.toml"
    file.write_text(
        '[lichen]\nagents = ["a.py:a"]\n[tenants.acme]\n'
        "[tenants.acme.budgets]\ntokens_per_day = 5000\ncost_usd_per_session = 0.5\n"
        '[models]\nkeep_requests = false\n[models.prices]\n"openai:gpt-5" = { input = 1, output = 4, cached = 0.5 }\n'
        '"corner-shop:" = { input = 2, output = 3 }\n'
    )
    found = read(file, environ={})
    assert (found.errors, found.settings is not None) == ((), True)
    assert found.settings is not None
    prices = PriceList(found.settings.models.prices, now)
    assert prices.cost("openai:gpt-5", Usage(1_000_000, 1_000_000, 500_000)) == 500_000 + 250_000 + 4_000_000
    assert prices.cost("corner-shop:small", MILLION) == 5_000_000
    assert not found.settings.models.keep_requests
    bound = found.settings.budgets(found.settings.scopes[0])
    assert (bound.tokens_per_day, bound.cost_usd_per_session, bound.of_day) == (5_000, 0.5, (5_000, None))


@pytest.mark.req("LIC-24.14")
def test_without_the_list_no_service_has_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert PriceList({}, now).cost("openai:gpt-5", MILLION) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_price_grows_with_every_token(read: int, written: int, cached: int, more: int) -> None:
    prices = PriceList({"x:": Price(1.25, 10.0, 0.125, 1.5)}, now)
    less = prices.cost("x:y", Usage(read + cached, written, cached))
    assert less is not None
    assert less <= (prices.cost("x:y", Usage(read + cached, written + more, cached)) or 0)
    assert less <= (prices.cost("x:y", Usage(read + cached + more, written, cached)) or 0)
