"""What loads and will fail all the same when it runs.

Others take `review` and `policy_errors`.
"""

from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.project import policy_errors, review
from lichen.runtime.review.secrets import missing_secrets

__all__ = ["Flaw", "missing_secrets", "policy_errors", "review"]
