"""A webhook: each delivery is one message, in a conversation of its own unless the settings say where that stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, assert_never
from urllib.parse import parse_qsl

import msgspec

from lichen.channels.activities import decode
from lichen.channels.platform.calling import Api, CutOff, NotSent, delivery_of
from lichen.channels.port import Arrival, ChannelSettings, Guide, Inbound, Question, Reply, Setup
from lichen.channels.webhook.reading import fields, required, words_at
from lichen.channels.webhook.schemes import Scheme, check, standard_signature
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

ID_MAX: Final = 256
SENDER_MAX: Final = 96
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = (b"{", b"[", b'"')
_EVENTS: Final = ("x-github-event", "x-gitlab-event", "x-event-type")


class WebhookSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.webhook]` may say.

    `scheme` is how a delivery is proven, `secrets` what it is proven with: several while one is replaced; `header` the
    one that bears the proof, for `bearer` and `hmac`. The others are JSON pointers into the body: `text` are the words,
    `conversation` and `sender` whose they are, `id` what makes a delivery the same, `data` by name what a planner reads
    beside the words; without `data` that is the whole body. Answers are posted to `url`, signed with `url_secret` as a
    Standard Webhook; without it nobody is told. With `schedule` a delivery is no message: it begins the schedule of
    this name, once.
    """

    scheme: Scheme = "standard"
    secrets: tuple[str, ...] = ("secret:webhook-secret",)
    header: str = ""
    text: str = ""
    conversation: str = ""
    sender: str = ""
    id: str = ""
    data: Mapping[str, str] = {}
    url: str = ""
    url_secret: str = ""
    schedule: Annotated[str, msgspec.Meta(pattern="^([a-z][a-z0-9-]{0,47})?$")] = ""

    def __post_init__(self) -> None:
        pointers = (self.text, self.conversation, self.sender, self.id, *self.data.values())
        if any(pointer and not pointer.startswith("/") for pointer in pointers):
            raise ValueError("a place in the body is a JSON pointer: it begins with /")
        if not self.secrets:
            raise ValueError("a webhook is proven with at least one secret")
        if self.schedule and (self.url or self.conversation):
            raise ValueError("what begins a `schedule` is in no `conversation`, and answered to no `url`")
        if bool(self.url) != bool(self.url_secret):
            raise ValueError("answers are posted to `url` and signed with `url_secret`: name both, or none")


class WebhookChannel:
    """The webhook of one tenant."""

    settings = WebhookSettings
    guide = Guide(
        "Webhook",
        (
            Question("scheme", "How deliveries are proven", "github, stripe, slack, standard, bearer or hmac",
                     default="standard", pattern="^(github|stripe|slack|standard|bearer|hmac)$"),
            Question("secrets", "Signing secret", "As the sender shows it.", secret=True),
            Question("text", "Where the words stand", "A JSON pointer into the body, such as /message.", required=False,
                     pattern="^(/.*)?$"),
        ),
        ("Have the sender post to {webhook}.",),
    )  # fmt: skip

    def __init__(self, setup: Setup[WebhookSettings]) -> None:
        self.name = setup.name or "webhook"
        self.traits = Traits("same", setup.settings.in_doubt)
        self._settings, self._host = setup.settings, setup.host
        self._api: Api | None = None

    @property
    def fires(self) -> str:
        """The schedule that deliveries begin, where they are no messages."""
        return self._settings.schedule

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular, once one of the secrets proves the delivery.

        Raises Denied (`signature_missing`, `signature_invalid`, `signature_expired`), Unavailable.
        """
        secrets = [await self._host.secret(each, self.name) for each in self._settings.secrets]
        check(self._settings.scheme, arrival, secrets, header=self._settings.header)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The one message. Raises Invalid (`body_invalid`) with the place where something is not there."""
        says, body = self._settings, _body(arrival)
        if says.scheme == "slack" and words_at(body, "/type") == "url_verification":
            return ()
        id = self._id(arrival, body)
        who = required(body, says.sender, characters_max=SENDER_MAX) if says.sender else says.scheme
        conversation = required(body, says.conversation, characters_max=ID_MAX) if says.conversation else id
        text = words_at(body, says.text) if says.text else _event(arrival, body)
        envelope: dict[str, Any] = fields(body, says.data) if says.data else {"value": body}
        address = conversation.encode()
        return (Inbound(conversation, Customer(f"{self.name}:{who}"), text, id, envelope=envelope, address=address),)

    def _id(self, arrival: Arrival, body: Any) -> str:
        """What makes a delivery the same when it comes again: only what its proof covers, so that whoever captured one
        cannot bring it as another. GitHub signs the body alone, and has no id in it."""
        if self._settings.id:
            return required(body, self._settings.id, characters_max=ID_MAX)
        match self._settings.scheme:
            case "github":
                given = ""
            case "standard":
                given = arrival.headers.get("webhook-id", "")
            case "stripe" | "slack" | "bearer" | "hmac":
                given = words_at(body, "/event_id") or words_at(body, "/id")
            case _:
                assert_never(self._settings.scheme)
        return given if 0 < len(given) <= ID_MAX else hashlib.sha256(arrival.body).hexdigest()

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """Slack's challenge, where it asks for one; else that the delivery is there."""
        if self._settings.scheme == "slack":
            body = _body(arrival)
            if words_at(body, "/type") == "url_verification":
                return Reply(words_at(body, "/challenge").encode(), "text/plain")
        return Reply()

    def render(self, message: Outbound) -> dict[str, Any]:
        """The message as it is posted."""
        saying = message.saying
        said: dict[str, Any] = {"type": f"message.{message.kind}", "text": saying.text}
        said |= {"conversation": message.address.decode(), "id": f"{message.session}/{message.id}"}
        said |= {} if saying.card is None else {"card": saying.card}
        files = [{"contentType": each.content_type, "url": each.url, "name": each.name} for each in saying.attachments]
        return {**said, "attachments": files} if files else said

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts it under its id, so that a receiver knows a second one. Raises CutOff."""
        if not self._settings.url:
            return Delivery("delivered", "nobody_told")
        body, id = msgspec.json.encode(self.render(message)), f"{message.session}/{message.id}"
        try:
            self._api = self._api or Api(self._host, self._settings.url)
            secret = await self._host.secret(self._settings.url_secret, self._api.hostname)
            now_s = self._host.now_us() // 1_000_000
            headers = {
                "webhook-id": id,
                "webhook-timestamp": str(now_s),
                "webhook-signature": standard_signature(secret, id, now_s, body),
            }
            answer = await self._api.ask("POST", self._settings.url, content=body, headers=headers)
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        except Invalid as error:
            return Delivery("failed", error.code)
        return delivery_of(answer, self._host.now_us())


def _body(arrival: Arrival) -> Any:
    """The body as JSON: also of a form, and where a form has it in its field `payload`. What begins as JSON is JSON,
    whatever the unproven header says: else it could be brought again as something else. Raises Invalid."""
    is_form = arrival.headers.get("content-type", "").startswith(_FORM)
    if not is_form or arrival.body.lstrip().startswith(_JSON):
        return decode(arrival.body, object)
    try:
        form = dict(parse_qsl(arrival.body.decode(), keep_blank_values=True, max_num_fields=1_000))
    except ValueError:
        raise Invalid("The body is no form.", code="body_invalid", place="$") from None
    return decode(form["payload"].encode(), object) if "payload" in form else form


def _event(arrival: Arrival, body: Any) -> str:
    """What happened, in a word, where the settings name no words."""
    named = next((arrival.headers[name] for name in _EVENTS if arrival.headers.get(name)), "")
    return (named or words_at(body, "/type") or words_at(body, "/event") or "event")[:ID_MAX]
