#!/bin/sh
# fuzz_seeds.sh WHISKER OUT - seeds for the libFuzzer targets: OUT/weights and OUT/import, of the committed goldens and of
# what whisker itself writes of one of them in each format that it exports.
set -eu
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
whisker=$1 out=$2
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out/weights" "$out/import"
cp "$here"/tests/golden/formats/* "$here"/tests/golden/checkpoints/* "$out/weights/"
for file in "$here"/tests/golden/import/* "$here"/tests/golden/onnx/*; do
  case $file in *.txt) ;; *) cp "$file" "$out/import/" ;; esac
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$whisker" import "$here/tests/golden/import/nested.keras" -o "$tmp/nested.whisker" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
for ending in onnx tflite pth safetensors h5 keras; do
  # A format that this whisker does not write has no seed of its own.
  "$whisker" export "$tmp/nested.whisker" -o "$tmp/seed.$ending" >"$tmp/log" 2>&1 || continue
  case $ending in
  pth | safetensors) cp "$tmp/seed.$ending" "$out/weights/" ;;
  *) cp "$tmp/seed.$ending" "$out/import/" ;;
  esac
done
ls "$out"/weights "$out"/import | wc -l
