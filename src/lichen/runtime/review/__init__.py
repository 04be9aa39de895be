"""What loads and will fail all the same when it runs.

Others take `review` and `policy_errors`.
"""

from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.project import policy_errors, review

__all__ = ["Flaw", "policy_errors", "review"]
