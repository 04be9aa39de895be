#!/usr/bin/env bash
# Makes sure there is a browser for the tests that look at pages: Debian's chromium, or the one CHROMIUM names.
set -euo pipefail

browser="${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}"
[ -n "$browser" ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need a browser: install chromium, or set CHROMIUM to the path of one." >&2
  exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium >/dev/null
