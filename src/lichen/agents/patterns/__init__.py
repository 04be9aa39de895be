"""How several agents work together: each pattern is a function that gives an agent, whose runs call the others.

Others take nothing: people write `patterns.chain("shop.answer", [triage, writer])`.
"""

from lichen.agents.patterns.chains import chain
from lichen.agents.patterns.critics import Human, critic
from lichen.agents.patterns.debates import debate
from lichen.agents.patterns.directors import director
from lichen.agents.patterns.parallels import Opinion, map_reduce, parallel
from lichen.agents.patterns.races import race
from lichen.agents.patterns.routers import router
from lichen.agents.patterns.sagas import Step, saga

__all__ = [
    "Human",
    "Opinion",
    "Step",
    "chain",
    "critic",
    "debate",
    "director",
    "map_reduce",
    "parallel",
    "race",
    "router",
    "saga",
]
