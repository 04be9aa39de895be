#!/usr/bin/env bash
# Makes sure that wrk is there, which brings the load on the web chat.
set -euo pipefail

command -v wrk >/dev/null && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The benchmarks need wrk: install it." >&2
  exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends wrk >/dev/null
