"""One request of a web chat as its handlers see it, and which pages may make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from lichen.channels.activities import decode
from lichen.channels.tokens import Issued, Visitor
from lichen.core.words.errors import Denied, Invalid, Unauthenticated
from lichen.serve.http.errors import JSON
from lichen.serve.http.limits import client_of
from lichen.serve.http.origin import is_own
from lichen.serve.webchat.chat import Chat

WATERMARK_DIGITS_MAX = 15

T = TypeVar("T")


class Visit:
    """A request to a tenant's web chat, with its body."""

    def __init__(self, chat: Chat, request: HTTPConnection, body: bytes = b"") -> None:
        self.chat = chat
        self.request = request
        self.data = body

    def body(self, kind: type[T]) -> T:
        """The JSON body; none is an empty object. Raises Invalid (`body_invalid`)."""
        return decode(self.data or b"{}", kind)

    def issued(self) -> Issued:
        """The token of the request. Raises Unauthenticated (`token_missing`), Denied (`token_revoked`) and as the
        channel does."""
        authorization = self.request.headers.get("authorization", "")
        in_query = "" if authorization[:7].lower() == "bearer " else self.request.query_params.get("t", "")
        try:
            issued = self.chat.channel.admit(authorization, in_query, self.chat.now_us)
            self.chat.check(issued.visitor)
            return issued
        except Denied as error:
            if error.code == "token_missing":
                raise Unauthenticated(error.message, code=error.code, next_step=error.next_step) from None
            raise

    def visitor(self) -> Visitor:
        """Whose conversation of the path this is. Raises Denied (`token_conversation`) for somebody else's."""
        return self.admitted().visitor

    def admitted(self) -> Issued:
        """The token, if it is for the conversation of the path. Raises Denied (`token_conversation`)."""
        issued = self.issued()
        if issued.visitor.conversation != self.request.path_params["conversation"]:
            raise Denied(
                "The token is for another conversation.",
                code="token_conversation",
                next_step="Use the token that names this conversation.",
            )
        return issued

    def language(self, locale: str | None = None) -> str:
        """The languages the customer wants: the `locale` of what was sent, else those of the browser."""
        return locale or self.request.headers.get("accept-language", "")

    def count(self, conversation: str, size: int, *, files: int = 0) -> None:
        """Counts a message of so many bytes, and of files. Raises TooMany (`messages_too_many`, `address_bytes`)."""
        chat, client = self.chat, client_of(self.request)
        chat.messages.take(chat.scope, client, conversation=conversation, size=size, files=files)

    def weigh(self) -> None:
        """Counts what a new conversation writes. Raises TooMany (`address_bytes`)."""
        self.chat.messages.weigh(self.chat.scope, client_of(self.request), size=0)

    def watermark(self) -> int:
        """How many records of the conversation the client has; 0 for none. Raises Invalid (`watermark_invalid`)."""
        given = self.request.query_params.get("watermark", "")
        if given in ("", "null", "undefined"):  # what scripts write for none
            return 0
        if not (given.isascii() and given.isdigit() and len(given) <= WATERMARK_DIGITS_MAX):
            raise Invalid("This is no watermark.", code="watermark_invalid", next_step="Leave it out to begin anew.")
        return int(given)

    def file_url(self, n: int, i: int) -> str:
        """Where whoever has the token of this request gets a file of its conversation."""
        return self._url(f"attachments/{n}/{i}")

    def artifact_url(self, n: int, i: int) -> str:
        """Where they get what a tool gave beside an answer."""
        return self._url(f"artifacts/{n}/{i}")

    def _url(self, place: str) -> str:
        url, parts = self.request.url, self.request.path_params
        base, bearer = url.path.partition("/conversations")[0], self.request.headers.get("authorization", "")
        token = bearer[7:] if bearer[:7].lower() == "bearer " else self.request.query_params.get("t", "")
        scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
        path = f"{base}/conversations/{parts['conversation']}/{place}"
        return f"{scheme}://{url.netloc}{path}?t={token}"

    def stream_url(self, token: str, watermark: int = 0) -> str:
        """Where the WebSocket of the token's conversation is, beside this request."""
        url = self.request.url
        conversation = self.chat.channel.tokens.read(token, now_s=self.chat.now_us // 1_000_000).visitor.conversation
        base = url.path.partition("/conversations")[0]
        since = f"&watermark={watermark}" if watermark else ""
        scheme = "wss" if url.scheme in ("https", "wss") else "ws"
        return f"{scheme}://{url.netloc}{base}/conversations/{conversation}/stream?t={token}{since}"


def answer(value: object, status: int = 200) -> Response:
    """A success."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def check_origin(chat: Chat, request: HTTPConnection) -> None:
    """Raises Denied (`origin_denied`) for a page of another site that the tenant does not name.

    This stands for WebSockets too, which browsers open without asking first.
    """
    origin = request.headers.get("origin")
    allowed = chat.settings.origins
    if origin is not None and "*" not in allowed and origin not in allowed and not is_own(request, origin):
        raise Denied(
            "Pages of this origin may not use this web chat.",
            code="origin_denied",
            next_step="Add it to `origins` of the tenant's web chat.",
        )


def cors(chat: Chat, request: HTTPConnection) -> Mapping[str, str]:
    """What lets the browser hand an answer to the page that asked. No credentials: the token is in a header."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    allowed = "*" if "*" in chat.settings.origins else origin
    return {"access-control-allow-origin": allowed, "access-control-expose-headers": "retry-after", "vary": "origin"}


PREFLIGHT: Mapping[str, str] = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-ms-bot-agent, x-requested-with",
    "access-control-max-age": "86400",
}
