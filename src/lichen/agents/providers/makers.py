"""The client of each provider, made for one connection. It retries nothing: that is decided above it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.profiles import ModelProfile

from lichen.agents.clouds.entra import EntraTokens, application_of
from lichen.agents.clouds.found import ENTRA
from lichen.agents.providers.facts import Facts
from lichen.agents.providers.failures import key_missing
from lichen.agents.providers.spelling import remembered
from lichen.agents.providers.transport import CONNECT_S
from lichen.core.ports.model import Connection

_NO_KEY: Final = "none"  # for servers that want no key: their client insists on one


class Made(NamedTuple):
    """What makes a model of a name over one connection, and what lets go of it."""

    model: Callable[[str], Model[Any]]
    close: Callable[[], Awaitable[None]]


class Reach(NamedTuple):
    """What a client is made of."""

    facts: Facts
    connection: Connection
    http: httpx2.AsyncClient

    @property
    def key(self) -> str:
        """The key, or what stands for one where none is needed."""
        return self.facts.key_of(self.connection) or _NO_KEY

    @property
    def url(self) -> str | None:
        """The address; None for the provider's own."""
        return self.facts.url_of(self.connection) or None

    def option(self, name: str) -> str | None:
        """An option; None where nobody said it."""
        return self.connection.options.get(name) or None


def make(reach: Reach) -> Made:
    """The client of a connection."""
    model = _MAKERS[reach.facts.name](reach)

    async def close() -> None:
        await reach.http.aclose()
        if reach.facts.name == "bedrock":  # whose client has connections of its own
            await asyncio.to_thread(model.keywords["provider"].client.close)

    return Made(partial(model, profile=remembered(model.keywords.get("profile"))), close)


def _openai_client(reach: Reach) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=reach.key,
        base_url=reach.url,
        organization=reach.option("organization"),
        project=reach.option("project"),
        http_client=reach.http,
        max_retries=0,
    )


def _openai(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=_openai_client(reach))
    # Nothing is left with the provider, so what it thought goes back encrypted instead of by its number.
    settings = OpenAIResponsesModelSettings(openai_store=reach.option("store") == "true")
    return partial(OpenAIResponsesModel, provider=provider, settings=settings)


def _chat_profile() -> ModelProfile:
    """A reply that does not say why it ended was cut off, however tidily the stream did."""
    from pydantic_ai.profiles.openai import OpenAIModelProfile

    return OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)


def _openai_chat(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=_openai_client(reach))
    return partial(OpenAIChatModel, provider=provider, profile=_chat_profile())


def _compatible(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    provider = OpenAICompatibleProvider(reach.facts.name, openai_client=_openai_client(reach))
    return partial(OpenAIChatModel, provider=provider, profile=_chat_profile())


def _ollama(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    provider = OllamaProvider(openai_client=_openai_client(reach))
    return partial(OllamaModel, provider=provider, profile=_chat_profile())


def _azure(reach: Reach) -> partial[Any]:
    from openai import AsyncAzureOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.azure import AzureProvider

    key = reach.facts.key_of(reach.connection)
    is_token = reach.option("auth") == "entra"
    token = key if is_token else "" if key else os.environ.get(ENTRA, "")
    application = None if key or token else application_of(os.environ)
    tokens = None if application is None else EntraTokens(application, reach.http)
    client = AsyncAzureOpenAI(
        azure_endpoint=reach.url or "",
        api_key=None if token or tokens else reach.key,
        azure_ad_token=token or None,
        azure_ad_token_provider=None if tokens is None else tokens.token,
        api_version=reach.option("api_version") or os.environ.get("OPENAI_API_VERSION") or "2024-10-21",
        http_client=reach.http,
        max_retries=0,
    )
    return partial(OpenAIChatModel, provider=AzureProvider(openai_client=client), profile=_chat_profile())


def _anthropic(reach: Reach) -> partial[Any]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(api_key=reach.key, base_url=reach.url, http_client=reach.http, max_retries=0)
    return partial(AnthropicModel, provider=AnthropicProvider(anthropic_client=client))


def _google(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider
    from pydantic_ai.providers.google_cloud import GoogleCloudProvider

    project, location = reach.option("project"), reach.option("location")
    if project or reach.option("vertex") == "true":
        key = None if project else reach.key
        cloud = GoogleCloudProvider(
            api_key=key, project=project, location=location, base_url=reach.url, http_client=reach.http
        )
        return partial(GoogleModel, provider=cloud)
    return partial(GoogleModel, provider=GoogleProvider(api_key=reach.key, base_url=reach.url, http_client=reach.http))


def _mistral(reach: Reach) -> partial[Any]:
    from mistralai.client import Mistral
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    client = Mistral(api_key=reach.key, async_client=reach.http, server_url=reach.url)
    return partial(MistralModel, provider=MistralProvider(mistral_client=client))


def _bedrock(reach: Reach) -> partial[Any]:
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    boto3, config_of = _untyped("boto3"), _untyped("botocore.config").Config
    key, timeout_s = reach.facts.key_of(reach.connection), reach.connection.timeout_s
    id, is_pair, rest = key.partition(":")
    secret, _, token = rest.partition(":")
    bearer = "" if is_pair else key
    config = config_of(
        read_timeout=timeout_s,
        connect_timeout=min(CONNECT_S, timeout_s),
        retries={"total_max_attempts": 1},
        **({"signature_version": "bearer"} if bearer else {}),
    )
    session = boto3.Session(
        botocore_session=_bearer(bearer) if bearer else None,
        region_name=reach.option("region"),
        profile_name=reach.option("profile"),
        **({"aws_access_key_id": id, "aws_secret_access_key": secret} if is_pair else {}),
        **({"aws_session_token": token} if token else {}),
    )
    if not bearer and session.get_credentials() is None:  # what it looked for may be there at the next request
        raise key_missing(reach.facts, reach.facts.name)
    client = session.client("bedrock-runtime", config=config, endpoint_url=reach.url)
    return partial(BedrockConverseModel, provider=BedrockProvider(bedrock_client=client))


def _bearer(token: str) -> Any:
    """A session of botocore that is known by a key of Bedrock's alone, whatever the machine has beside it."""
    session = _untyped("botocore.session").Session()
    frozen = _untyped("botocore.tokens").FrozenAuthToken(token)

    def token_of(**asked: object) -> Any:
        return frozen

    def nobody() -> None:
        return None

    session.get_auth_token, session.get_credentials = token_of, nobody
    return session


def _untyped(module: str) -> Any:
    """A library that brings no types."""
    return import_module(module)


def libraries(provider: str) -> tuple[str, ...]:
    """The modules that a client of the provider is made with, and its requests by."""
    kind, adapter = _LIBRARIES[provider]
    return (f"pydantic_ai.models.{kind}", f"pydantic_ai.providers.{adapter}")


_LIBRARIES: Final = {
    "openai": ("openai", "openai"),
    "openai-chat": ("openai", "openai"),
    "openai-compatible": ("openai", "openai_compatible"),
    "ollama": ("ollama", "ollama"),
    "azure": ("openai", "azure"),
    "anthropic": ("anthropic", "anthropic"),
    "google": ("google", "google"),
    "mistral": ("mistral", "mistral"),
    "bedrock": ("bedrock", "bedrock"),
}
_MAKERS: Final[Mapping[str, Callable[[Reach], partial[Any]]]] = {
    "openai": _openai,
    "openai-chat": _openai_chat,
    "openai-compatible": _compatible,
    "ollama": _ollama,
    "azure": _azure,
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "bedrock": _bedrock,
}
