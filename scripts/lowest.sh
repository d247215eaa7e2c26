#!/usr/bin/env bash
# Show that the lower bounds in pyproject.toml are true: install the lowest version that each dependency's bound allows,
# in an environment of its own under build/, and run the tests that need no engine. The tools that run them are newest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

uv=$PWD/.venv/bin/uv
lowest=build/lowest
compile() { "$uv" pip compile pyproject.toml --python-version 3.11 --no-header --quiet "$@" >/dev/null; }

rm -rf "$lowest"
mkdir -p build
"$uv" venv --quiet --seed --python .venv/bin/python "$lowest"
compile --resolution lowest-direct --output-file build/lowest.txt
compile --group dev --constraint build/lowest.txt --output-file build/lowest-dev.txt
watched lowest "installing $(grep -c '==' build/lowest-dev.txt) packages" build/logs/lowest.log \
  "$uv" pip install --python "$lowest/bin/python" -r build/lowest-dev.txt
"$uv" pip install --quiet --python "$lowest/bin/python" --no-deps --no-build-isolation -e .
grep -E '^(httpx|pydantic|pydantic-settings|python-dotenv|fastapi|uvicorn|aiohttp|aiodocker|docker|certifi)(\[|==)' \
  build/lowest.txt | tr '\n' ' '
echo
"$lowest/bin/python" -m pytest -q -m "not docker" "$@"
