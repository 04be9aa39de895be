"""The server as the official SDK has it, made of our handlers. It speaks every revision that the SDK speaks."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp_types import SetLevelRequestParams

from lichen.serve.mcp.reading import Prompts, Resources, Subscriptions
from lichen.serve.mcp.telling import Levels
from lichen.serve.mcp.tools import Tools
from lichen.serve.mcp.visit import House, answering

INSTRUCTIONS: Final = (
    "Each tool but run_result is an agent or a flow: tell it in words what is wanted. What an agent may do is decided "
    "by its operators' policies; what needs somebody's approval says so, and cannot be approved from here."
)


def make_server(house: House) -> Server[Any]:
    """The server of an application; whose a message is, each message says itself."""
    levels = Levels(house)
    tools, resources, prompts = Tools(house, levels), Resources(house), Prompts(house)
    subscriptions = Subscriptions(house)
    server: Server[Any] = Server(
        "lichen",
        version=version("lichen"),
        title="Lichen",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=_nothing_to_check,
        on_list_tools=answering(tools.list),
        on_call_tool=answering(tools.call),
        on_list_resources=answering(resources.list),
        on_list_resource_templates=answering(resources.templates),
        on_read_resource=answering(resources.read),
        on_subscribe_resource=answering(subscriptions.subscribe),
        on_unsubscribe_resource=answering(subscriptions.unsubscribe),
        on_subscriptions_listen=answering(subscriptions.listen),
        on_list_prompts=answering(prompts.list),
        on_get_prompt=answering(prompts.get),
    )
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, answering(levels.set))
    return server


def _nothing_to_check(name: str) -> None:
    """No argument of ours is repeated in a header."""
