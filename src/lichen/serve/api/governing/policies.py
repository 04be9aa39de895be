"""Policies as they lie on disk: whether they load, before anybody depends on it."""

from __future__ import annotations

from lichen.runtime.operations.governing.reload import Reloaded
from lichen.runtime.project.policies import PolicyReport
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Exchange


async def check(x: Exchange) -> PolicyReport:
    """The caller's policies as they are on disk now."""
    return x.runtime.policies.check(x.scope, x.actor)


async def reload(x: Exchange) -> Reloaded:
    """Puts policies, agents and flows in force as their files are now; what is broken leaves the old and is named."""
    return await x.runtime.reload(x.scope, x.actor)


ROUTES = (
    ApiRoute("POST", "policies/check", "policy.check", check),
    ApiRoute("POST", "reload", "policy.reload", reload),
)
