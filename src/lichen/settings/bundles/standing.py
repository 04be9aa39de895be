"""The settings that stand for a bundle's folder, as `lichen.toml` would say them, each with the line it comes from.

What Lichen does otherwise, or not, is told by its name: as an error where leaving it out would let somebody do more,
else as a warning. A bundle brings no trust: whose packs count is said by who serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from lichen.core.reading.misfits import Steps
from lichen.core.words.errors import Invalid, LichenError
from lichen.settings.bundles import words
from lichen.settings.bundles.finding import ROOT, root_of
from lichen.settings.bundles.listing import Listed, Rules, listed, pack_id
from lichen.settings.bundles.marked import BYTES_MAX, Marked
from lichen.settings.bundles.reading import read_words
from lichen.settings.layers.layers import Layer

ENV: Final = "GREENTIC_ENV"
ENVIRONMENT: Final = "local"
OPERATOR: Final = "greentic.yaml"
CHANNELS: Final = ("email", "mattermost", "slack", "teams", "telegram", "webex", "webhook", "whatsapp")
_UNCHANGED: Final = (  # what upstream's processes are; each is told where the file says it
    ("services", "nats"),
    ("services", "egress"),
    ("services", "subscriptions"),
    ("services", "events"),
    ("services", "gateway", "binary"),
    ("services", "gateway", "args"),
)
_OF_BUNDLE: Final = ("agent_packs", "remote_catalogs", "hooks", "subscriptions", "capabilities", "telemetry", "llm")
_OF_OPERATOR: Final = (("services",), ("binaries",), ("webchat", "notifier"))


class Standing(NamedTuple):
    """The settings as a layer, the folder they are of, and what is wrong or not done."""

    layer: Layer
    root: Path
    errors: tuple[Invalid, ...]
    warnings: tuple[LichenError, ...]


def stand_in(file: Path, environ: Mapping[str, str], base: Path | None = None) -> Standing:
    """What stands for the folder that a file starts; its paths are from `base`, else from that folder."""
    making = _Making(file, environ, base)
    making.make()
    return Standing(
        Layer("bundle", making.document, making.at), making.root, tuple(making.errors), tuple(making.warnings)
    )


class _Making:
    """Makes the document, and notes by the path of each value where it comes from."""

    def __init__(self, file: Path, environ: Mapping[str, str], base: Path | None) -> None:
        self.root = root_of(file)
        self._file, self._base = file, base or self.root
        self._env = environ.get(ENV, "").strip() or ENVIRONMENT
        self._team = ""
        self._places: dict[Steps, str] = {}
        self.document: dict[str, Any] = {}
        self.errors: list[Invalid] = []
        self.warnings: list[LichenError] = []

    def at(self, steps: Steps) -> str:
        """`file:line` of what is at a path, or of the closest thing around it, or of the first in that."""
        for length in range(len(steps), 0, -1):
            found = self._places.get(tuple(steps[:length]))
            below = (place for known, place in self._places.items() if known[:length] == tuple(steps[:length]))
            found = found or next(below, None)
            if found is not None:
                return found
        return str(self._file)

    def make(self) -> None:
        try:
            found = listed(self.root)
        except Invalid as error:
            self.errors.append(error)
            return
        self._say(("lichen", "agents"), [], str(self._file))
        if self._file.name == ROOT:
            self._bundle(found)
        else:
            self._demo(found)
        self._operator()
        self._packs(found)
        for path in found.setups:
            message = "The answers that set a provider up are not taken over: a channel is set up here."
            step = "Run `lichen channel add`, with these answers at hand."
            place = str(self.root / path)
            self.warnings.append(Invalid(message, code="bundle_setup_unused", place=place, next_step=step))

    # -- the files -----------------------------------------------------------------------------------------------

    def _read(self, path: Path, kind: type[Any]) -> tuple[Marked, Any]:
        try:
            with path.open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except OSError as error:
            message, step = f"The file cannot be read: {error.strerror}.", "Make it readable."
            self.errors.append(Invalid(message, code="bundle_yaml", place=str(path), next_step=step))
            return Marked(str(path), None, {}), None
        said = read_words(str(path), data, kind)
        self.errors += said.errors
        return said.marked, said.words

    def _demo(self, found: Listed) -> None:
        marked, said = self._read(self._file, words.Demo)
        if not isinstance(said, words.Demo):
            return
        gateway = said.services.gateway
        for name, key, value in (("listen_addr", "host", gateway.listen_addr), ("port", "port", gateway.port)):
            if ("services", "gateway", name) in marked.marks:
                self._say(("serve", key), value, _line(marked, "services", "gateway", name))
        for steps in _UNCHANGED:
            self._untouched(marked, steps)
        self._tenants(found, said.tenant, said.team, marked, "en")
        self._providers(found, said.providers or {}, said.tenant, marked)

    def _bundle(self, found: Listed) -> None:
        marked, said = self._read(self._file, words.Bundle)
        if not isinstance(said, words.Bundle):
            return
        for name in _OF_BUNDLE:
            if getattr(said, name):
                self._untouched(marked, (name,))
        tenant = said.tenant or next(iter(found.tenants), "default")
        self._tenants(found, tenant, said.team or "default", marked, said.locale)
        self._providers(found, said.providers or {}, tenant, marked)
        files = set(found.packs)
        named = [(("app_packs", i), each) for i, each in enumerate(said.app_packs)]
        named += [(("app_pack_mappings", i), each.reference) for i, each in enumerate(said.app_pack_mappings)]
        for steps, reference in named:
            plain = reference.removeprefix("file://").removeprefix("./")
            if not {plain, f"packs/{pack_id(reference)}.gtpack"} & {*files, *found.scoped}:
                message = f"The pack {reference} is not in the bundle."
                step = "Put its file into packs/: a bundle that is served fetches nothing."
                place = marked.place(*steps)
                self.errors.append(Invalid(message, code="bundle_pack_missing", place=place, next_step=step))

    def _operator(self) -> None:
        if (self.root / OPERATOR).is_file():
            marked, _ = self._read(self.root / OPERATOR, words.Operator)
            for steps in _OF_OPERATOR:
                self._untouched(marked, steps)

    # -- what stands for them ------------------------------------------------------------------------------------

    def _tenants(self, found: Listed, tenant: str, team: str, marked: Marked, locale: str) -> None:
        place = _line(marked, "tenant")
        names = {tenant: place, **{name: str(self.root / "tenants" / name) for name in found.tenants}}
        for name, at in names.items():
            self._say(("tenants", name, "environments"), [self._env], ENV if self._env != ENVIRONMENT else at)
            language = locale.replace("_", "-").partition("-")[0].lower()
            if language != "en":
                self._say(("tenants", name, "languages"), [language, "en"], _line(marked, "locale"))
            self._access(name, found.tenants.get(name, Rules("", {})))
        self._team = team if team in found.tenants.get(tenant, Rules("", {})).teams else ""
        if team not in ("default", self._team):
            message = f"The team {team} has no rules of its own, so that it is like nobody's."
            step = f"Write tenants/{tenant}/teams/{team}/team.gmap, or leave the team out."
            place = marked.place("team")
            self.warnings.append(Invalid(message, code="bundle_ignored", place=place, next_step=step))

    def _access(self, tenant: str, rules: Rules) -> None:
        """The rules of a tenant and of its teams. Without any, policy alone decides."""
        files = {("access",): rules.tenant} if rules.tenant else {}
        for steps, path in (files | {("team", team, "access"): path for team, path in rules.teams.items()}).items():
            self._say(("tenants", tenant, *steps), self._inner(self.root / path), str(self.root / path))

    def _inner(self, path: Path) -> str:
        """A path as the settings have it: from the folder they are of, where it lies in that."""
        return str(path.relative_to(self._base) if path.is_relative_to(self._base) else path)

    def _providers(self, found: Listed, named: Mapping[str, words.Provider], tenant: str, marked: Marked) -> None:
        """The channels that providers are here. Their packs hold upstream's own, which are not run."""
        places = {pack_id(path): str(self.root / path) for path in found.providers}
        for name, each in named.items():
            at = _line(marked, "providers", name)
            places.pop(pack_id(each.pack or ""), None)
            places[name] = at
        for name, at in places.items():
            kind = _kind(name)
            if kind == "webchat":
                self._say(("tenants", tenant, "webchat", "env"), self._env, at)
                if self._team:
                    self._say(("tenants", tenant, "webchat", "team"), self._team, _line(marked, "team"))
            elif kind:
                message = f"The provider {name} is the channel {kind} here, which is not set up yet."
                step = f"Run `lichen channel add {kind} --tenant {tenant}` in a project that has this bundle."
                self.warnings.append(Invalid(message, code="bundle_provider_unset", place=at, next_step=step))
            else:
                message = f"There is no channel or source of events for the provider {name}."
                step = "Leave it out, or serve what it brings as a webhook or an MCP server."
                self.warnings.append(Invalid(message, code="bundle_provider_unknown", place=at, next_step=step))

    def _packs(self, found: Listed) -> None:
        tenants = self.document.get("tenants", {})
        for path in found.scoped:
            if len(tenants) != 1 or path.split("/")[2] != "packs":
                message = "It is for one tenant or team of several, and a pack here is for all of them."
                step = "Put it into packs/, with rules in .gmap files for whom it is; or serve one tenant alone."
                place = str(self.root / path)
                self.errors.append(Invalid(message, code="bundle_pack_scoped", place=place, next_step=step))
        paths = [self.root / path for path in (*found.packs, *found.scoped)]
        inner = [self._inner(path) for path in paths]
        for i, path in enumerate(paths):
            self._places["lichen", "packs", i] = str(path)
        self._say(("lichen", "packs"), inner, str(self.root / "packs"))

    def _untouched(self, marked: Marked, steps: Steps) -> None:
        """Tells of something in a file that stands for nothing here."""
        if steps in marked.marks:
            message = f"{'.'.join(map(str, steps))} says nothing here."
            step = "Take it out, if nobody else reads the file."
            at = marked.place(*steps)
            self.warnings.append(Invalid(message, code="bundle_ignored", place=at, next_step=step))

    def _say(self, steps: tuple[str, ...], value: object, place: str) -> None:
        table = self.document
        for step in steps[:-1]:
            table = table.setdefault(step, {})
        table[steps[-1]] = value
        self._places[steps] = place


def _line(marked: Marked, *steps: str) -> str:
    """`file:line` of something, or the file where it does not say it."""
    mark = marked.marks.get(steps)
    return marked.name if mark is None else f"{marked.name}:{mark[0]}"


def _kind(provider: str) -> str:
    """The channel that a provider is: `messaging-telegram`, `telegram` and `messaging.telegram.bot` are `telegram`."""
    parts = provider.lower().replace(".", "-").replace("_", "-").split("-")
    if "webchat" in parts:
        return "webchat"
    return next((kind for kind in CHANNELS if kind in parts), "")
