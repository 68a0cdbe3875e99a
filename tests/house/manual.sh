#!/bin/sh
# manual.sh - Doxygen makes the manual of the public headers without a warning.
set -eu
if ! command -v doxygen >/dev/null; then
  echo "skipped: doxygen is not here"
  exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
{
  cat docs/Doxyfile
  echo "OUTPUT_DIRECTORY = $tmp"
} | doxygen - >"$tmp/out" 2>"$tmp/warnings"
if [ -s "$tmp/warnings" ]; then
  cat "$tmp/warnings"
  exit 1
fi
[ -s "$tmp/html/index.html" ]
grep -q wk_image_load -r "$tmp/html" || {
  echo "the manual does not have wk_image_load"
  exit 1
}
