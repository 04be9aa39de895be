"""What loads and will fail all the same when it runs: `review` names all of it. `policy_errors`: what does not load."""

from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.project import policy_errors, review

__all__ = ["Flaw", "policy_errors", "review"]
