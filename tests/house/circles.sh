#!/bin/sh
# circles.sh CC LIBRARY FOLDER... - in each folder of src no file depends on one that depends on it, by what it includes
# (the compiler's own dependency output) or calls (the objects' symbol tables). A header and the source of its name are one.
set -eu
cc=$1 library=$2
shift 2
if ! command -v nm >/dev/null || ! command -v tsort >/dev/null; then
  echo "skipped: nm and tsort are not here"
  exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# "user used" for every object of the library that uses a symbol of another, by the names of their sources.
nm -A "$library" | sed -n 's/^[^:]*:\([^:]*\)\.c\.o:[0-9a-f ]*\([A-Za-z]\) \(wk_[A-Za-z0-9_]*\).*$/\1 \2 \3/p' >"$tmp/symbols"
awk '$2 ~ /[TDRBVW]/ { home[$3] = $1 }
     $2 == "U" { uses[$1 " " $3] = 1 }
     END { for (u in uses) { split(u, a, " "); if (a[2] in home && home[a[2]] != a[1]) print a[1], home[a[2]] } }' \
  "$tmp/symbols" | sort -u >"$tmp/calls"

for folder in "$@"; do
  find "src/$folder" -name '*.[ch]' | sort >"$tmp/files"
  sed 's|.*/||; s|\.[ch]$||' "$tmp/files" | sort -u >"$tmp/names"
  while read -r file; do
    # The dependencies that lie in the folder, as "user used".
    "$cc" -std=c17 -D_GNU_SOURCE -DWK_ISA_NAME=c -x c -Iinclude -Isrc -MM "$file" 2>/dev/null | tr ' \\' '\n\n' |
      sed -n "s|^src/$folder/\(.*/\)*\([^/]*\)\.h\$|\2|p" | sed "s|^|$(basename "${file%.*}") |"
  done <"$tmp/files" | awk '$1 != $2' >"$tmp/edges"
  awk 'NR == FNR { here[$1]; next } ($1 in here) && ($2 in here)' "$tmp/names" "$tmp/calls" >>"$tmp/edges"
  sort -u "$tmp/edges" >"$tmp/all"
  if ! tsort "$tmp/all" >/dev/null 2>"$tmp/loops"; then
    echo "src/$folder: files that depend on each other (the first is used by the last):"
    sed -n 's/^tsort: /  /p' "$tmp/loops" | grep -v 'input contains a loop' || true
    bad=1
  fi
done
exit $bad
