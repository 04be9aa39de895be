"""The bot's own token, by client credentials.

Source: Microsoft, "Authentication with the Bot Connector API".
"""

from __future__ import annotations

from lichen.channels.platform.granting import Grant
from lichen.channels.port import Host
from lichen.channels.teams.clouds import Cloud


def grant_of(host: Host, cloud: Cloud, tenant: str, app_id: str, reference: str) -> Grant:
    """The token of a bot. `reference` is the setting that says where its password is."""

    async def form(hostname: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": app_id,
            "client_secret": await host.secret(reference, hostname),
            "scope": cloud.scope,
        }

    return Grant(host, cloud.login, f"{tenant or cloud.authority}/oauth2/v2.0/token", form)
