"""Other people's stores of secrets: where each is, and how we sign in there. Of values there are references only."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class VaultStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """HashiCorp Vault or OpenBao. Where `url` and `namespace` are left out, `VAULT_ADDR` and `VAULT_NAMESPACE` count.

    `token`, `role_id`, `secret_id` and `jwt` are references, `env:VARIABLE` or `mounted:/file`. `mount` is where the
    auth method is, if not under its own name; `role` is that of Kubernetes; `ca` a file of certificates.
    """

    url: str = ""
    namespace: str = ""
    auth: Literal["token", "approle", "kubernetes"] = "token"
    mount: str = ""
    token: str = "env:VAULT_TOKEN"
    role_id: str = "env:VAULT_ROLE_ID"
    secret_id: str = "env:VAULT_SECRET_ID"
    role: str = ""
    jwt: str = "mounted:/var/run/secrets/kubernetes.io/serviceaccount/token"
    ca: str = ""


class AwsStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AWS Secrets Manager, signed in to as every AWS client is. `url` is an endpoint of one's own."""

    region: str = ""
    url: str = ""


class AzureStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Azure Key Vault, signed in to as every Azure client is. `{vault}` in `url` is what the source names first."""

    url: str = "https://{vault}.vault.azure.net"
    ca: str = ""


class GcpStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Google Secret Manager, signed in to as every Google client is. `url` is an endpoint of one's own."""

    url: str = ""


class Stores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[secrets]`: the stores, and how long a value that came from one may be used.

    Until `fresh_s` after it was read a value is used without asking again. Up to `stale_s` after it was read it is
    used where its store does not answer.
    """

    fresh_s: _Seconds = 0.0
    stale_s: _Seconds = 60.0
    vault: VaultStore = VaultStore()
    aws: AwsStore = AwsStore()
    azure: AzureStore = AzureStore()
    gcp: GcpStore = GcpStore()
