"""How asking a model fails: each code, what it means, what follows, and what the customer is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from docs.reference.markdown import code, table
from lichen.core.ports.model import KINDS


class Meant(NamedTuple):
    """What a code means, and what mends it."""

    cause: str
    mend: str


FAILURE: Mapping[str, Meant] = {
    "model_auth": Meant("The provider does not accept the key.", "`lichen secrets rotate`, or the variable it is in."),
    "model_key_missing": Meant("There is no key.", "`lichen doctor` names the variable and the setting."),
    "model_key_elsewhere": Meant(
        "A secret would go to an address of the environment.", "`base_url` beside `key` in `lichen.toml`."
    ),
    "model_rate_limited": Meant("Too many requests, or tokens, for this key.", "Nothing: the limiter slows down."),
    "model_overloaded": Meant("The provider has more to do than it can.", "Nothing, or a second model behind it."),
    "model_unavailable": Meant("No connection, or a server's error.", "The address in the error, or a second model."),
    "model_timed_out": Meant("No reply within `timeout_s`, or within the run's time.", "A longer `timeout_s`."),
    "model_malformed": Meant("A reply that is cut off, or no reply at all.", "Nothing, or another server."),
    "model_context_too_long": Meant(
        "More than fits into the model's window.", "`compress`, which sums up what was said earlier."
    ),
    "model_refused": Meant("The provider's own filter held it back.", "Look at the prompt in the run."),
    "model_request_invalid": Meant("The provider does not take the request.", "Its option, schema or attachment."),
    "model_unasked": Meant("Planning ended before a reply came.", "Look at the failure beside it in the run."),
    "model_unpriced": Meant("A budget in money, and no price of the model.", "`prices` under `[models.PROVIDER]`."),
    "model_budget_busy": Meant(
        "The request fits into a budget but for what requests under way hold of it.",
        "Nothing: it waits until they give back what they did not use.",
    ),
    "model_budget_exceeded": Meant("A budget has no room for it.", "`lichen costs` shows what is used up."),
}


def failures() -> str:
    """The table of them."""
    rows = [
        (
            code(name),
            FAILURE[name].cause,
            "yes" if kind.again else "no",
            "yes" if kind.elsewhere else "no",
            kind.public,
            FAILURE[name].mend,
        )
        for name, kind in KINDS.items()
    ]
    return table(("code", "because", "tried again", "next model", "customers are told", "what mends it"), rows)
