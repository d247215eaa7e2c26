#!/usr/bin/env bash
# Make .venv hold exactly what requirements.lock names, and this project, editable. Done once, and again when the
# lock or pyproject.toml changed. pip is used as this machine has it configured: index, proxy, CA bundle.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

venv=.venv
stamp=$venv/installed
hash_of() { cat "$@" | { grep -v '^ *#' || true; } | sha256sum | cut -d' ' -f1; } # comments change nothing
wanted="$(hash_of requirements.lock pyproject.toml scripts/setup-venv.sh) $PWD"
# Who names an interpreter wants that one, though the environment of another be complete.
as_asked() { [ -z "${PYTHON:-}" ] || [ "$(command -v "$PYTHON") $PWD" = "$(cat "$venv/origin")" ]; }
if [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && as_asked && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local name names=(python3 python3.13 python3.12 python3.11 python3.14)
  [ -z "${PYTHON:-}" ] || names=("$PYTHON")
  for name in "${names[@]}"; do
    if command -v "$name" >/dev/null && new_enough "$name"; then
      command -v "$name"
      return
    fi
  done
  return 1
}

python="$(find_python)" || {
  if [ -z "${PYTHON:-}" ] && is_debian && can_be_root; then
    apt_install python build/logs/apt-python.log python3 python3-venv || exit 1
    hash -r
  fi
  python="$(find_python)" || fail python "needs Python 3.11 or newer; found $("${PYTHON:-python3}" --version 2>/dev/null || echo none)" \
    "Install one, or name it: make setup PYTHON=/path/to/python3.12"
}

# Debian splits venv from the interpreter.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if ! is_debian || ! can_be_root; then
    fail python "$python has no venv module" "Install your distribution's python3-venv."
  fi
  apt_install python build/logs/apt-venv.log python3-venv || exit 1
fi

rm -f "$stamp"
# An environment of another interpreter, or one that was moved here, is made anew rather than repaired.
origin="$python $PWD"
if ! { [ -r "$venv/origin" ] && [ "$(cat "$venv/origin")" = "$origin" ] && "$venv/bin/python" -m pip --version; } >/dev/null 2>&1; then
  say setup "making $venv with $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  echo "$origin" >"$venv/origin"
fi

count="$(grep -c '==' requirements.lock)"
cure="Is the package index reachable (pip config list)? Behind a TLS-intercepting proxy set PIP_CERT to its CA bundle."
watched setup "installing $count locked packages into $venv" build/logs/pip.log \
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes --no-deps \
  -r requirements.lock || fail setup "pip could not install the locked packages" "$cure"
# What the lock no longer names goes: no test may pass by a leftover.
names() { tr 'A-Z_.' 'a-z--' | LC_ALL=C sort; }
leftover="$(LC_ALL=C comm -23 \
  <("$venv/bin/python" -m pip list --format=freeze --disable-pip-version-check | cut -d= -f1 | names) \
  <({ sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' requirements.lock; printf 'pip\nsetuptools\nagentscope-runtime-sandboxed\n'; } | names))"
if [ -n "$leftover" ]; then
  say setup "removing what is not in the lock: $(echo "$leftover" | tr '\n' ' ')"
  # shellcheck disable=SC2086  # a list of names
  "$venv/bin/python" -m pip uninstall --quiet --disable-pip-version-check --yes $leftover
fi
watched setup "installing this project, editable" build/logs/pip-project.log \
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation -e . ||
  fail setup "pip could not install the project" "See build/logs/pip-project.log."
"$venv/bin/python" -m pip check --disable-pip-version-check >build/logs/pip-check.log ||
  fail setup "the environment does not fit together" "$(cat build/logs/pip-check.log)" "rm -rf $venv and run this again."
echo "$wanted" >"$stamp"
