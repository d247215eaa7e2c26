#!/usr/bin/env bash
# Remove what the other targets made: containers, volumes and networks of this installation, our images, .venv and
# build/. Asks nothing, says what it removes. The key and the installation's id (in the state folder) stay.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

if [ -x .venv/bin/python ]; then
  .venv/bin/python scripts/clean_engine.py || say clean "the container engine was left as it is"
else
  say clean "no .venv: the container engine is left as it is (make setup clean removes our images, too)"
fi
for path in .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache; do
  if [ -e "$path" ]; then
    say clean "removing $path ($(du -sh "$path" | cut -f1))"
    rm -rf "$path"
  fi
done
find client engine sandbox_manager images tests scripts examples -name __pycache__ -type d -prune -exec rm -rf {} +
done_ clean "done"
