"""What a cloud would know us by on this machine: where credentials are, as its own libraries look for them.

Nothing is asked over a network, and no value is read but the names of profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Final

from lichen.agents.clouds.entra import VARIABLES

FILE_BYTES_MAX: Final = 1024 * 1024
ENTRA: Final = "AZURE_OPENAI_AD_TOKEN"  # a token of Microsoft Entra, as Azure's own client reads it
METADATA: Final = "the role of this machine, if it has one"
_AWS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_KINDS: Final = {  # of a profile, by what stands in it
    "aws_access_key_id": "keys",
    "sso_session": "SSO",
    "sso_start_url": "SSO",
    "role_arn": "a role",
    "credential_process": "a program",
    "web_identity_token_file": "a token file",
}


def found(provider: str, options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """What a connection without a key of its own is known by; empty where nothing is seen."""
    match provider:
        case "bedrock":
            return _aws(options, environ)
        case "google":
            return _google(environ)
        case "azure":
            if environ.get(ENTRA):
                return ENTRA
            return " and ".join(VARIABLES) if all(environ.get(each) for each in VARIABLES) else ""
        case _:
            return ""


def may_have_role(environ: Mapping[str, str]) -> bool:
    """Whether AWS's library would ask this machine for a role. Only asking says whether it has one."""
    return environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"


def _aws(options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    profile = options.get("profile") or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""
    if not profile and (name := next((each for each in _AWS if environ.get(each)), "")):
        return name
    home = _home(environ)
    files = (
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"),
        Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config"),
    )
    for file in files:
        kind = _kind(file, profile or "default")
        if kind:
            return f"the profile {profile or 'default'} of {_short(file, home)} ({kind})"
    return f"the profile {profile}" if profile else ""


def _kind(file: Path, profile: str) -> str:
    """What a profile of a file knows its caller by; empty where the file has no such profile that does."""
    parser = ConfigParser(interpolation=None, strict=False, default_section="\0")
    try:
        with file.open("rb") as opened:
            parser.read_string(opened.read(FILE_BYTES_MAX).decode("utf-8", "replace"))
    except (OSError, ConfigError):
        return ""
    for name in (profile, f"profile {profile}"):
        if parser.has_section(name):
            return next((kind for word, kind in _KINDS.items() if parser.has_option(name, word)), "")
    return ""


def _google(environ: Mapping[str, str]) -> str:
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return "GOOGLE_APPLICATION_CREDENTIALS"
    home = _home(environ)
    folder = Path(environ.get("CLOUDSDK_CONFIG") or home / ".config" / "gcloud")
    file = folder / "application_default_credentials.json"
    return f"{_short(file, home)} (application default credentials)" if file.is_file() else ""


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _short(file: Path, home: Path) -> str:
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
