"""The words of `bundle.yaml`, `greentic.demo.yaml`, `greentic.operator.yaml` and `greentic.yaml`, as strict types.

Source: `BundleWorkspaceDefinition` of greentic-bundle; `DemoConfig`, `OperatorConfig`, `BundleTelemetryConfig` and
`BundleLlmConfig` of greentic-start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=1_024)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
Many = msgspec.Meta(max_length=256)
References = Annotated[tuple[Reference, ...], Many]
Switch = Literal["auto", "true", "false"] | bool


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What knows all its keys."""


class Spawn(Strict, frozen=True):
    """Whether upstream starts a NATS server of its own, and how."""

    enabled: bool = True
    binary: Text = "nats-server"
    args: tuple[Text, ...] = ("-p", "4222", "-js")


class Nats(Strict, frozen=True):
    """The bus between upstream's processes."""

    enabled: bool = True
    url: Text = "nats://127.0.0.1:4222"
    spawn: Spawn = Spawn()


class Gateway(Strict, frozen=True):
    """Where messages come in."""

    binary: Text = "gateway"
    listen_addr: Text = "127.0.0.1"
    port: Port = 8080
    args: tuple[Text, ...] = ()


class Egress(Strict, frozen=True):
    """The process that sends."""

    binary: Text = "egress"
    args: tuple[Text, ...] = ()


class Service(Strict, frozen=True):
    """A process that is started beside."""

    id: Text
    binary: Text
    args: tuple[Text, ...] = ()


class Domain(Strict, frozen=True):
    """Whether a kind of providers is served, and by which processes."""

    enabled: Switch = "auto"
    components: tuple[Service, ...] = ()


class Universal(Strict, frozen=True):
    """How subscriptions at platforms are renewed."""

    renew_interval_seconds: int = 60
    renew_skew_minutes: int = 10
    desired: tuple[Mapping[str, Any], ...] = ()


class Graph(Strict, frozen=True):
    """The process that subscribes at Microsoft Graph."""

    enabled: bool = True
    binary: Text = "subscriptions-msgraph"
    mode: Text = "poll"
    args: tuple[Text, ...] = ()


class Subscriptions(Strict, frozen=True):
    """Who keeps subscriptions at platforms alive."""

    mode: Literal["legacy_gsm", "universal_ops"] = "legacy_gsm"
    universal: Universal = Universal()
    msgraph: Graph = Graph()


class DemoServices(Strict, frozen=True):
    """The processes of a demo."""

    nats: Nats = Nats()
    gateway: Gateway = Gateway()
    egress: Egress = Egress()
    subscriptions: Subscriptions = Subscriptions()
    events: Domain = Domain()


class Provider(Strict, frozen=True):
    """A provider by its pack, and the flows that set it up and try it."""

    pack: Text | None = None
    setup_flow: Text | None = None
    verify_flow: Text | None = None


class Demo(Strict, frozen=True):
    """`greentic.demo.yaml`, `greentic.operator.yaml` or `demo/demo.yaml`."""

    tenant: Name = "demo"
    team: Name = "default"
    services: DemoServices = DemoServices()
    providers: Mapping[str, Provider] | None = None


class Notifier(Strict, frozen=True):
    """By what several processes tell each other of messages of the web chat."""

    backend: Literal["memory", "redis"] = "memory"
    url: Text | None = None
    channel: Text = "greentic:webchat:notify"
    capacity: int = 64


class WebchatWords(Strict, frozen=True):
    """Of the web chat."""

    notifier: Notifier = Notifier()


class OperatorServices(Strict, frozen=True):
    """Which kinds of providers an operator serves."""

    messaging: Domain = Domain()
    events: Domain = Domain()


class Operator(Strict, frozen=True):
    """`greentic.yaml`."""

    services: OperatorServices | None = None
    binaries: Mapping[str, Text] = {}
    webchat: WebchatWords | None = None


class Mapped(Strict, frozen=True):
    """For whom a pack of an application is."""

    reference: Reference
    scope: Literal["global", "tenant", "team"]
    tenant: Name | None = None
    team: Name | None = None


class Telemetry(Strict, frozen=True):
    """Where spans go."""

    enabled: bool = True
    exporter: Literal["none", "otlp-grpc", "otlp-http"] = "none"
    endpoint: Text | None = None
    service_name: Text | None = None
    log_level: Text | None = None
    sampling: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    headers: Mapping[str, Text] = {}


class Llm(Strict, frozen=True):
    """The model that upstream asks where to send a message."""

    provider: Text
    model: Text | None = None
    api_key_secret: Text | None = None
    base_url: Text | None = None
    fast2flow: bool = True
    fast2flow_llm_min_confidence: float | None = None


class Bundle(Strict, frozen=True):
    """`bundle.yaml`."""

    bundle_id: Name
    bundle_name: Text
    schema_version: Literal[1] = 1
    locale: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z")] = "en"
    mode: Text = "create"
    advanced_setup: bool = False
    app_packs: References = ()
    agent_packs: Mapping[str, Reference] = {}
    app_pack_mappings: Annotated[tuple[Mapped, ...], Many] = ()
    extension_providers: References = ()
    remote_catalogs: References = ()
    hooks: References = ()
    subscriptions: References = ()
    capabilities: References = ()
    setup_execution_intent: bool = False
    export_intent: bool = False
    tenant: Name | None = None
    team: Name | None = None
    providers: Mapping[str, Provider] | None = None
    telemetry: Telemetry | None = None
    llm: Llm | None = None

    @property
    def packs(self) -> tuple[str, ...]:
        """The packs of applications that it names, each once, in order."""
        return tuple(sorted({*self.app_packs, *(each.reference for each in self.app_pack_mappings)}))
