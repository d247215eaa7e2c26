#!/bin/sh
# Bundles what entry.js names into the file $1: an ES module.
set -eu
package=node_modules/@xterm/xterm
version=$(sed -n 's/^ *"version": *"\(.*\)",*$/\1/p' "$package/package.json")

# Minifying drops the licence lines of the sources, so they are said once on top.
banner="/*
xterm.js $version and its addons fit and web-links, bundled and minified by esbuild.
The source is the npm package @xterm/xterm, version $version.

$(cat "$package/LICENSE")
*/"

node_modules/.bin/esbuild entry.js --bundle --format=esm --target=es2022 --minify --loader:.css=text \
    --legal-comments=none --charset=utf8 --banner:js="$banner" --outfile="$1" --log-level=warning
