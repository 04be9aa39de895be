"""What policies may read before a run is started: what whose it would be began and used today, and the tenant."""

from __future__ import annotations

from collections.abc import Mapping

from lichen.core.ports.policy import RunMeter
from lichen.engine.journal.journal import Journal
from lichen.log.projections.costs import day_key


def counted_today(journal: Journal, subject: str, now_us: int) -> Mapping[RunMeter, int]:
    """Every meter of runs for somebody, a pseudonym, as things stand."""
    person, day = journal.log.person(subject, now_us), journal.log.spent(day_key(now_us))
    return {
        "customer_runs": person.runs,
        "customer_tokens": person.spent.tokens_all,
        "customer_micro_usd": person.spent.micro_usd_all,
        "day_tokens": day.tokens_all,
        "day_micro_usd": day.micro_usd_all,
    }
