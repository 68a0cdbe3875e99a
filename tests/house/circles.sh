#!/bin/sh
# circles.sh NM OBJECTS ROOM... - within a room no file needs one that needs it, at however many removes: neither by
# #include nor by a call. So every file can be read, tested and taken away after those that it stands on.
# OBJECTS is where the library's object files are: OBJECTS/ROOM/...
set -eu
nm=$1 objects=$2
shift 2
command -v "$nm" >/dev/null && command -v tsort >/dev/null || { echo "skipped: needs $nm and tsort"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# "FILE NEEDED" for each include of a file of the room.
includes() {
  find "src/$1" -name '*.[ch]' | while read -r file; do
    sed -n "s|^[[:space:]]*#[[:space:]]*include[[:space:]]*\"\($1/[^\"]*\)\".*|${file#src/} \1|p" "$file"
  done
}

# "FILE NEEDED" where one object file uses what another of the room defines.
calls() {
  find "$objects/$1" -name '*.o' | while read -r object; do
    file=${object#"$objects/"}
    "$nm" -P -g "$object" | awk -v file="${file%.o}" '{ print file, $1, $2 }'
  done | awk '{ if ($3 == "U") { user[++n] = $1; used[n] = $2 } else if ($3 ~ /^[TDRBVWC]$/) owner[$2] = $1 }
    END { for (i = 1; i <= n; i++) if (used[i] in owner && owner[used[i]] != user[i]) print user[i], owner[used[i]] }'
}

for room in "$@"; do
  for kind in includes calls; do
    $kind "$room" | sort -u >"$work/pairs"
    [ -s "$work/pairs" ] || { echo "src/$room: no $kind found: are its object files in $objects/$room?"; bad=1; }
    if ! tsort "$work/pairs" >/dev/null 2>"$work/circles"; then
      echo "src/$room: $kind in a circle:"
      sed 's/^tsort: /  /; /input contains a loop/d' "$work/circles"
      bad=1
    fi
  done
done
exit $bad
