"""The official Web Chat widget, as published."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from tests.browser.published import Published

WIDGET = Published(
    "botframework-webchat",
    "4.18.1",
    "7jpEUJ7olT62Xm+8eh7BhhIcXVfU2xD4pZDaeBt8K4XcNy6K/83UGIxE9BFkXmHMZ4hDEVOzs5cre07GWuaXzg==",
)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Widget</title>
<style>html, body, #chat { height: 100%%; margin: 0 }</style>
<div id="chat"></div>
<script src="/widget.js"></script>
<script>
  const directLine = WebChat.createDirectLine({
    domain: location.origin + "%(line)s", token: location.hash.slice(1), webSocket: %(socket)s, pollingInterval: 200,
  });
  WebChat.renderWebChat({ directLine }, document.getElementById("chat"));
</script>
"""


def widget_routes(line: str) -> list[BaseRoute]:
    """`/widget.js` and two pages that show it: `/live` with a WebSocket, `/poll` without. The token is the fragment."""
    script = WIDGET.member("package/dist/webchat.js")

    async def code(request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    async def live(request: Request) -> Response:
        return HTMLResponse(_PAGE % {"line": line, "socket": "true"})

    async def poll(request: Request) -> Response:
        return HTMLResponse(_PAGE % {"line": line, "socket": "false"})

    return [Route("/widget.js", code), Route("/live", live), Route("/poll", poll)]
