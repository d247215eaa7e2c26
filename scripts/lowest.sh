#!/usr/bin/env bash
# Show that the lower bounds in pyproject.toml are true: install the lowest version that each dependency's bound allows,
# in an environment of its own under build/, and run the tests that need no engine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

uv=.venv/bin/uv
lowest=build/lowest
rm -rf "$lowest"
"$uv" venv --quiet --python .venv/bin/python "$lowest"
# Only what users install is lowered; the tools that run the tests are as locked.
"$uv" pip compile pyproject.toml --resolution lowest-direct --python-version 3.11 --no-header --quiet \
  --output-file build/lowest.txt >/dev/null
"$uv" pip compile pyproject.toml --group test --constraint build/lowest.txt --python-version 3.11 --no-header --quiet \
  --output-file build/lowest-test.txt >/dev/null
watched lowest "installing $(grep -c '==' build/lowest-test.txt) packages" build/logs/lowest.log \
  "$uv" pip install --python "$lowest/bin/python" -r build/lowest-test.txt
grep -E '^(httpx|pydantic|pydantic-settings|fastapi|uvicorn|aiohttp|aiodocker|docker)==' build/lowest.txt | tr '\n' ' '
echo
"$lowest/bin/python" -m pytest -q -m "not docker" "$@"
