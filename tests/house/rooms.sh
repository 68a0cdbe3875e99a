#!/bin/sh
# rooms.sh - a file may include its own room's headers and those of rooms above it; the command and the page use the
# public headers alone; pictures and networks do not know each other.
set -eu
order="base image nn formats zoo data model learn look attack report studio cli"
bad=0

rank() {
  i=0
  for room in $order; do
    i=$((i + 1))
    [ "$room" != "$1" ] || break
  done
  echo "$i"
}

complain() {
  echo "$1"
  bad=1
}

# check FILE ROOM: every include of FILE, of which the last part before a slash (or before .h, for whisker/x.h) is a room.
check() {
  own=$(rank "$2")
  # shellcheck disable=SC2013 # includes are words
  for include in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1"); do
    case $include in
      whisker/whisker.h) used=whisker public=1 ;;
      whisker/*.h) used=${include#whisker/} used=${used%.h} public=1 ;;
      */*) used=${include%%/*} public=0 ;;
      *) complain "$1: #include \"$include\": name it with its room, as in \"$2/$include\"" && continue ;;
    esac
    case "$2 $public $used" in
      "cli 0 cli" | "studio 0 studio") ;;
      "cli 0 "* | "studio 0 "*) complain "$1: #include \"$include\": $2 stands on the public headers alone" ;;
      "cli 1 whisker" | "studio 1 whisker") ;;
      *" whisker") complain "$1: #include \"$include\": a room names what it uses, so that the order shows" ;;
      "image "*" nn" | "nn "*" image") complain "$1: #include \"$include\": pictures and networks do not know each other" ;;
      *) [ "$(rank "$used")" -le "$own" ] || complain "$1: #include \"$include\": $used is a room below $2" ;;
    esac
  done
}

for room in $order; do
  for file in src/"$room"/*.[ch] src/"$room"/*/*.[ch] include/whisker/"$room".h; do
    [ ! -f "$file" ] || check "$file" "$room"
  done
done
for folder in src/*/; do
  room=${folder#src/} room=${room%/}
  case " $order " in
    *" $room "*) ;;
    *) complain "src/$room: a room that tests/house/rooms.sh and docs/architecture.md do not know" ;;
  esac
done
exit $bad
