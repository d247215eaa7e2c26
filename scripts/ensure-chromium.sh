#!/usr/bin/env bash
# Make sure that this machine has a Chromium, with which the tests watch a sandbox as a person would.
# Only the tests need it; sandboxes have their own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if ! is_debian || ! can_be_root; then
  say chromium "this machine has none: the viewer's test will be skipped (install Chromium to run it)"
  exit 0
fi
apt_install chromium build/logs/apt-chromium.log chromium ||
  fail chromium "Debian's chromium could not be installed" "See build/logs/apt-chromium.log."
