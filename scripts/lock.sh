#!/usr/bin/env bash
# Resolve pyproject.toml into requirements.lock: every package that `make setup` installs, with hashes.
#
# The file names no index and no host: pip takes the packages from wherever it is configured to, and the hashes say
# that they are the same everywhere.  Usage: scripts/lock.sh [--upgrade] [--check]
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
lock=requirements.lock

resolve() {
  # stdout, not -o alone: uv writes the output's path into its comments
  "$uv" pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 \
    --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}

case "${1:-}" in
  --check)
    copy="$(mktemp)"
    trap 'rm -f "$copy"' EXIT
    cp "$lock" "$copy"
    resolve --output-file "$copy" >/dev/null
    if ! diff <(grep -v '^ *#' "$lock") <(grep -v '^ *#' "$copy") >/dev/null; then
      echo "lock: requirements.lock does not fit pyproject.toml; run \`make lock\` and commit it" >&2
      exit 1
    fi
    echo "lock: requirements.lock fits pyproject.toml"
    ;;
  "" | --upgrade)
    body="$(mktemp)"
    trap 'rm -f "$body"' EXIT
    [ -f "$lock" ] && cp "$lock" "$body"
    resolve ${1:+"$1"} --output-file "$body" >/dev/null
    {
      echo "# What \`make setup\` installs. Written by \`make lock\` from pyproject.toml: change that, not this."
      grep -v '^#' "$body"
    } >"$lock"
    echo "lock: $(grep -c '==' "$lock") packages in $lock"
    ;;
  *)
    echo "usage: scripts/lock.sh [--upgrade] [--check]" >&2
    exit 2
    ;;
esac
