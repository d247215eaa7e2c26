#!/usr/bin/env bash
# Make sure that this machine has what the tests look at pages with: a Chromium, and the one library that Playwright's
# driver needs and minimal systems lack. Only the tests need them; sandboxes have their own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

missing=""
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  missing="chromium"
fi
# Asked to do something, since a library that is there says nothing about one that can be loaded.
.venv/bin/playwright --version >/dev/null 2>&1 || missing="$missing libatomic1"
[ -n "$missing" ] || exit 0

if ! is_debian || ! can_be_root; then
  say chromium "this machine lacks: $missing; the tests that look at pages will say so (install it to run them)"
  exit 0
fi
# shellcheck disable=SC2086  # a list of packages
apt_install chromium build/logs/apt-chromium.log $missing ||
  fail chromium "Debian's packages could not be installed" "See build/logs/apt-chromium.log."
.venv/bin/playwright --version >/dev/null 2>&1 ||
  fail chromium "Playwright's driver does not start" ".venv/bin/playwright --version says why."
