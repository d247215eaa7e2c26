#!/usr/bin/env bash
# Make sure that this machine has a redis-server, which the tests of what is kept in Redis start for themselves, on a
# free port and without a file. The service that comes with Debian's package is neither started nor enabled.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

if command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then
  exit 0
fi
if ! is_debian || ! can_be_root; then
  say redis "this machine lacks redis-server; the tests that need a real one will say so. To run them, install it:"
  say redis "Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis"
  exit 0
fi

# Debian's packages ask this file before they start a service, and start it if there is none. The tests need no service,
# and one that cannot have its port would fail the installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'as_root rm -f "$policy"' EXIT
  as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' policy "$policy"
fi
apt_install redis build/logs/apt-redis.log redis-server ||
  fail redis "Debian's package could not be installed" "See build/logs/apt-redis.log."
# A policy that was there before may have let it start; and it would start with the machine.
as_root service redis-server stop >/dev/null 2>&1 || true
as_root update-rc.d redis-server disable >>build/logs/apt-redis.log 2>&1 ||
  say redis "the service redis-server could not be disabled: it will start with this machine"
