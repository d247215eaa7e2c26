#!/usr/bin/env bash
# Show that the lower bounds in pyproject.toml are true: install the lowest version that each dependency's bound allows,
# the extras' too, in an environment of its own under build/, and run the tests that need no engine. What the extras and
# the tools that run the tests bring along is as new as goes with these.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

uv=$PWD/.venv/bin/uv
lowest=build/lowest
compile() {
  "$uv" pip compile pyproject.toml --all-extras --python-version 3.11 --no-header --annotation-style line --quiet "$@" >/dev/null
}

rm -rf "$lowest" "$lowest".txt "$lowest"-dev.txt # what was resolved before would be preferred
mkdir -p build
"$uv" venv --quiet --seed --python .venv/bin/python "$lowest"
compile --resolution lowest-direct --output-file build/lowest.txt
compile --group dev --constraint build/lowest.txt --output-file build/lowest-dev.txt
watched lowest "installing $(grep -c '==' build/lowest-dev.txt) packages" build/logs/lowest.log \
  "$uv" pip install --python "$lowest/bin/python" -r build/lowest-dev.txt
"$uv" pip install --quiet --python "$lowest/bin/python" --no-deps --no-build-isolation -e .
# What the bounds are about: pyproject.toml names it.
awk '/\(pyproject.toml\)/ { printf "%s ", $1 } END { print "" }' build/lowest.txt
"$lowest/bin/python" -m pytest -q -m "not docker" "$@"
