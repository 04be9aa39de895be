#!/usr/bin/env bash
# Makes sure there is a registry for the tests that fetch packs: Debian's docker-registry, or the one DOCKER_REGISTRY names.
set -euo pipefail

registry="${DOCKER_REGISTRY:-$(command -v docker-registry || command -v registry || true)}"
[ -n "$registry" ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need a registry: install docker-registry, or set DOCKER_REGISTRY to the path of one." >&2
  exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
# The package starts a registry of its own where a service manager runs; the tests start theirs.
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "${as_root[@]}" apt-get install -y -qq --no-install-recommends docker-registry >/dev/null
