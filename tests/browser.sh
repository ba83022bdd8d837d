#!/usr/bin/env bash
# Prints the path of a Chromium for the tests of the page. Where there is none, Debian's is installed, if that is allowed.
set -euo pipefail

find_browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" && return
  done
  return 1
}

install_browser() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  command -v apt-get > /dev/null || return 1
  echo "Installing chromium for the tests of the page (once) ..." >&2
  { "${as_root[@]}" apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends chromium; } >&2
}

find_browser && exit
install_browser && find_browser && exit
echo "The tests of the page need a browser and none could be installed: install the package chromium (or google-chrome), so that it is found by name." >&2
exit 1
