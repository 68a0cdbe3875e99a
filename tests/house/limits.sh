#!/bin/sh
# limits.sh - every limit that docs/limits.md tells is the one in the code: the number of a row equals the constant that its last
# column names.
set -eu
bad=0 rows=0

# The last expression that the constant is given in the file, computed by the shell: "#define NAME ((size_t)1 << 20)", "NAME = 16,".
value() {
  line=$(grep -E "(#define $2 |(^|[^A-Za-z_])$2 = )" "$1" | head -n 1)
  expression=$(printf '%s\n' "$line" |
    sed -E "s/.*(#define $2 |[^A-Za-z_]?$2 = )//; s|/\*.*||; s/\((uint64_t|size_t)\)//g; s/UINT64_C\(([0-9]+)\)/\1/; s/([0-9])u/\1/g; s/[,;}].*//")
  [ -n "$expression" ] && echo $(($expression))
}

while IFS='|' read -r _ of limit _ where _; do
  case $where in *src/*) ;; *) continue ;; esac
  rows=$((rows + 1))
  where=$(printf '%s' "$where" | tr -d '` ')
  told=$(printf '%s' "$limit" | grep -oE '[0-9]+' | head -n 1)
  held=$(value "${where%%:*}" "${where#*:}") || held=none
  if [ "$told" != "$held" ]; then
    echo "docs/limits.md:$of: it says $told, ${where%%:*} has ${where#*:} = $held"
    bad=1
  fi
done <docs/limits.md
[ "$rows" -gt 15 ] || { echo "docs/limits.md: only $rows rows were understood"; bad=1; }
exit $bad
