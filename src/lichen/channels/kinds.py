"""The kinds of channels there are: ours, each in a folder of its own and imported when somebody has one, and those that
packages bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, TypeGuard

from lichen.channels.port import ChannelMaker, ChannelSettings, Guide
from lichen.plugins.registry import Registry

OWN: Final[Mapping[str, str]] = {
    "dummy": "lichen.channels.dummy.channel:DummyChannel",
    "email": "lichen.channels.email.channel:EmailChannel",
    "file": "lichen.channels.file.channel:FileChannel",
    "mattermost": "lichen.channels.mattermost.channel:MattermostChannel",
    "slack": "lichen.channels.slack.channel:SlackChannel",
    "teams": "lichen.channels.teams.channel:TeamsChannel",
    "telegram": "lichen.channels.telegram.channel:TelegramChannel",
    "webex": "lichen.channels.webex.channel:WebexChannel",
    "whatsapp": "lichen.channels.whatsapp.channel:WhatsAppChannel",
    "webhook": "lichen.channels.webhook.channel:WebhookChannel",
}
"""What makes a channel of each kind. The web chat is ours too, and has doors of its own."""


class _Own(Mapping[str, ChannelMaker]):
    """The makers, imported when they are asked for."""

    def __getitem__(self, name: str) -> ChannelMaker:
        module, _, attribute = OWN[name].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(OWN)

    def __len__(self) -> int:
        return len(OWN)


def _is_maker(value: object) -> TypeGuard[ChannelMaker]:
    settings: object = getattr(value, "settings", None)
    return callable(value) and isinstance(settings, type) and issubclass(settings, ChannelSettings)


CHANNELS: Registry[ChannelMaker] = Registry(
    "lichen.channels",
    _Own(),
    taken=("webchat",),
    fits=_is_maker,
    shape="class that makes a channel, with `settings`, a ChannelSettings",
)


def guide_of(maker: Any) -> Guide | None:
    """How a channel of a kind is set up, where its maker says so."""
    found: object = getattr(maker, "guide", None)
    return found if isinstance(found, Guide) else None
