"""What a tenant, and each of its teams, may do with a bundle's packs: the files below `resolved/`, made of its rules.

By them upstream knows for whom a bundle is. Source: `render_manifest_yaml` and `evaluate_app_pack_policies` of
greentic-bundle, but for `project_root`, which is `.` here: a bundle is the same on every machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from lichen.gate.access.parsing import parse
from lichen.gate.access.rules import Path, Rules
from lichen.packs.bundles.opening import Bundle
from lichen.packs.bundles.reading import place_of
from lichen.packs.bundles.tenants import tenants_in
from lichen.settings.bundles.listing import pack_id
from lichen.settings.bundles.words import Bundle as Root

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _./@:+-]*")
_LISTS: Final = ("extension_providers", "hooks", "subscriptions", "capabilities")


def resolved(bundle: Bundle, root: Root) -> dict[str, bytes]:
    """A file for each tenant and team that has none. Raises Invalid (`access_…`), the first mistake in rules."""
    files = {path: text.encode() for path, text in _all(bundle, root)}
    return {path: data for path, data in files.items() if path not in bundle}


def rules_file(tenant: str, team: str = "") -> str:
    """Where the rules of a tenant or a team lie."""
    return f"tenants/{tenant}/teams/{team}/team.gmap" if team else f"tenants/{tenant}/tenant.gmap"


def _all(bundle: Bundle, root: Root) -> Iterator[tuple[str, str]]:
    for tenant, teams in tenants_in(bundle).items():
        own = _rules(bundle, rules_file(tenant))
        yield f"resolved/{tenant}.yaml", _text(root, tenant, "", (own,))
        for team in teams:
            theirs = _rules(bundle, rules_file(tenant, team))
            yield f"resolved/{tenant}.{team}.yaml", _text(root, tenant, team, (theirs, own))


def _rules(bundle: Bundle, path: str) -> Rules:
    if path not in bundle:
        return Rules()
    found = parse(bundle.read(path), path, path=place_of(bundle, path))
    for error in found.errors:
        raise error
    return found.rules


def _text(root: Root, tenant: str, team: str, rules: tuple[Rules, ...]) -> str:
    """A target's file; `rules` are those that decide, the closest first."""
    lines = ["version: 1", f"tenant: {_scalar(tenant)}", *([f"team: {_scalar(team)}"] if team else [])]
    lines += ["project_root: .", "bundle:"]
    said = {"bundle_id": root.bundle_id, "bundle_name": root.bundle_name, "locale": root.locale, "mode": root.mode}
    lines += [f"  {name}: {_scalar(value)}" for name, value in said.items()]
    for name in ("advanced_setup", "setup_execution_intent", "export_intent"):
        lines.append(f"  {name}: {str(getattr(root, name)).lower()}")
    lines += ["policy:", "  source:", f"    tenant_gmap: {_scalar(rules_file(tenant))}"]
    lines += [f"    team_gmap: {_scalar(rules_file(tenant, team))}"] if team else []
    lines += ["  default: forbidden", *_list("catalogs", root.remote_catalogs), "app_packs:"]
    lines += [] if root.packs else ["  []"]
    for reference in root.packs:
        lines += [f"  - reference: {_scalar(reference)}", f"    policy: {_policy(reference, rules)}"]
    for name in _LISTS:
        lines += _list(name, getattr(root, name))
    return "\n".join(lines) + "\n"


def _policy(reference: str, rules: tuple[Rules, ...]) -> str:
    for each in rules:
        found = each.find(Path(pack_id(reference)))
        if found is not None:
            return "public" if found.is_public else "forbidden"
    return "unset"


def _list(name: str, values: tuple[str, ...]) -> list[str]:
    return [f"{name}:", *([f"  - {_scalar(value)}" for value in sorted(set(values))] or ["  []"])]


def _scalar(text: str) -> str:
    """A text as YAML reads it back; in quotes where it could be read as something else."""
    is_plain = _PLAIN.fullmatch(text) is not None and ": " not in text and text[-1] not in ": "
    is_word = text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)
