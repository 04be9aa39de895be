"""What a cloud would know us by on this machine: where credentials are, as its own libraries look for them.

Nothing is asked over a network, and no value is read but the names of profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Final, NamedTuple

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


class Address(NamedTuple):
    """An address of a provider, and who says it."""

    url: str = ""
    told_by: str = ""


NO_ADDRESS: Final = Address()


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
    profile = _profile(options, environ)
    if not profile and (name := next((each for each in _AWS if environ.get(each)), "")):
        return name
    home = _home(environ)
    for file in reversed(_files(environ)):
        kind = _kind(file, profile or "default")
        if kind:
            return f"the profile {profile or 'default'} of {_short(file, home)} ({kind})"
    return f"the profile {profile}" if profile else ""


def _profile(options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    return options.get("profile") or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""


def _files(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """AWS's own files: settings and credentials."""
    folder = _home(environ) / ".aws"
    config, credentials = environ.get("AWS_CONFIG_FILE"), environ.get("AWS_SHARED_CREDENTIALS_FILE")
    return Path(config or folder / "config"), Path(credentials or folder / "credentials")


def aws_address(options: Mapping[str, str], environ: Mapping[str, str]) -> Address:
    """The address that the profile in use has for Bedrock in AWS's own files, as AWS's library reads it: the one under
    `services` first, then `endpoint_url`. Nothing of it where variables say that such addresses do not count."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return NO_ADDRESS
    config, credentials = _files(environ)
    parser, profile = _read(config), _profile(options, environ) or "default"
    said = {**_section(parser, profile), **_section(_read(credentials), profile)}
    if said.get("ignore_configured_endpoint_urls", "").lower() == "true":
        return NO_ADDRESS
    of_service = _section(parser, f"services {said.get('services', '')}").get("bedrock_runtime", "")
    url = _nested(of_service).get("endpoint_url") or said.get("endpoint_url", "")
    return Address(url, f"the profile {profile} of {_short(config, _home(environ))}") if url else NO_ADDRESS


def _nested(text: str) -> Mapping[str, str]:
    """What stands in the lines below a name."""
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    return {name.strip(): value.strip() for name, _, value in lines}


def _kind(file: Path, profile: str) -> str:
    """What a profile of a file knows its caller by; empty where the file has no such profile that does."""
    said = _section(_read(file), profile)
    return next((kind for word, kind in _KINDS.items() if word in said), "")


def _read(file: Path) -> ConfigParser:
    """What a file of AWS's says; nothing where it cannot be read."""
    parser = ConfigParser(interpolation=None, strict=False, default_section="\0")
    try:
        with file.open("rb") as opened:
            parser.read_string(opened.read(FILE_BYTES_MAX).decode("utf-8", "replace"))
    except (OSError, ConfigError):
        return ConfigParser()
    return parser


def _section(parser: ConfigParser, name: str) -> Mapping[str, str]:
    """What a file says under this name, or of the profile of it."""
    found = next((each for each in (name, f"profile {name}") if parser.has_section(each)), None)
    return {} if found is None else dict(parser.items(found))


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
