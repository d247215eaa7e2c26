#!/bin/sh
# Bundles core/rfb.js of the installed noVNC into the file $1: an ES module that exports the class RFB as default.
set -eu
package=node_modules/@novnc/novnc
version=$(sed -n 's/^ *"version": *"\(.*\)",*$/\1/p' "$package/package.json")

# Minifying drops the licence lines of the sources, so they are said once on top.
des=$(sed -n '/^\/\*/,/\*\//p;/\*\//q' "$package/core/crypto/des.js" | sed 's/^\/\*//;s/ *\*\/$//;s/^ \* \{0,1\}//')
banner="/*
noVNC $version, core/rfb.js and what it imports, bundled and minified by esbuild.
Copyright (c) The noVNC authors. Licensed under MPL 2.0 (https://mozilla.org/MPL/2.0/).
The source is the npm package @novnc/novnc, version $version.

It contains pako:
$(cat "$package/vendor/pako/LICENSE")

It contains an implementation of DES:
$des
*/"

node_modules/.bin/esbuild "$package/core/rfb.js" --bundle --format=esm --target=es2022 --minify \
    --legal-comments=none --charset=utf8 --banner:js="$banner" --outfile="$1" --log-level=warning
