#!/usr/bin/env bash
# Makes sure that there are mksquashfs and unsquashfs, by which the tests hold what is read and written of bundles.
set -euo pipefail

command -v mksquashfs >/dev/null && command -v unsquashfs >/dev/null && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need mksquashfs and unsquashfs: install squashfs-tools." >&2
  exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends squashfs-tools >/dev/null
