"""Where a key goes: the host of an address, or that of the provider where nobody says one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

HOST_CHARS_MAX: Final = 256

_HOMES: Final[Mapping[str, str]] = {
    "openai": "api.openai.com",
    "openai-chat": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "mistral": "api.mistral.ai",
}
_MULTI_REGIONS: Final = ("us", "eu")


def host_of(url: str) -> str:
    """The host of an address, and its port where that is said; empty for what is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return (shown if port is None else f"{shown}:{port}")[:HOST_CHARS_MAX]


def home_of(provider: str, options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """The host that a provider's own library would ask; empty where only that knows."""
    match provider:
        case "google":
            return _google(options, environ) if is_vertex(options) else "generativelanguage.googleapis.com"
        case "bedrock":
            return _bedrock(options.get("region") or environ.get("AWS_DEFAULT_REGION", ""))
        case _:
            return _HOMES.get(provider, "")


def is_vertex(options: Mapping[str, str]) -> bool:
    """Whether Google is reached as Vertex AI."""
    return bool(options.get("project")) or options.get("vertex") == "true"


def _google(options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    location = options.get("location") or environ.get("GOOGLE_CLOUD_LOCATION", "")
    location = location or ("us-central1" if options.get("project") else "global")
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _bedrock(region: str) -> str:
    if not region:
        return ""  # a profile may name one
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"bedrock-runtime.{region}.{suffix}"
