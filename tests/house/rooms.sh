#!/bin/sh
# rooms.sh - a file may include its own room's headers and those of rooms above it (in nn: of layers); the command and the page use the
# public headers alone; pictures and networks do not know each other.
set -eu
order="base image plot nn formats import zoo data model export train explain attack report workflow studio cli"
bad=0

rank() {
  i=0
  for room in $order; do
    i=$((i + 1))
    [ "$room" != "$1" ] || break
  done
  echo "$i"
}

# The room of include/whisker/NAME.h. A room with much to offer has more than one public header: it is the one with a
# NAME.c or NAME.h of its own, or said here.
public_room() {
  case $1 in
    explain) echo workflow && return ;; # the call; the room's own headers are named after its parts
  esac
  case " $order whisker " in
    *" $1 "*) echo "$1" && return ;;
  esac
  for file_of_room in src/*/"$1".[ch] src/*/*/"$1".[ch]; do
    if [ -f "$file_of_room" ]; then
      echo "$file_of_room" | cut -d / -f 2
      return
    fi
  done
  case $1 in
    probe) echo train ;;
    answers | insight) echo workflow ;;
    train_nn) echo nn ;;
    *) echo unknown ;;
  esac
}

complain() {
  echo "$1"
  bad=1
}

# The layers of src/nn, from the bottom up: a file may include those of its own layer and of layers before it.
layers="graph kernels ops compile run"
layer_rank() {
  i=0
  for layer in $layers; do
    i=$((i + 1))
    case $1 in
      *nn/"$layer"/*) echo "$i" && return ;;
    esac
  done
  echo 0
}

# judge FILE ROOM INCLUDE: complains where a file of a room may not include that.
judge() {
  case "$2 $3" in
    "cli whisker/"* | "studio whisker/"*) return ;;
    "cli "*/* | "studio "*/*) complain "$1: #include \"$3\": $2 stands on the public headers alone" && return ;;
    "cli "* | "studio "*) return ;; # their own: they do not see src/
    *" whisker/whisker.h") complain "$1: #include \"$3\": name the rooms that are used, so that the order shows" && return ;;
    *" whisker/"*) used=${3#whisker/} used=$(public_room "${used%.h}") ;;
    *" "*/*) used=${3%%/*} ;;
    *) complain "$1: #include \"$3\": name it with its room, as in \"$2/$3\"" && return ;;
  esac
  case "$2 $used" in
    "image nn" | "nn image") complain "$1: #include \"$3\": pictures and networks do not know each other" ;;
    *) [ "$(rank "$used")" -le "$(rank "$2")" ] || complain "$1: #include \"$3\": $used is a room below $2" ;;
  esac
  [ "$2 $used" != "nn nn" ] || [ "$(layer_rank "$3")" -le "$(layer_rank "$1")" ] ||
    complain "$1: #include \"$3\": a layer of nn above its own"
}

check() {
  sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1" >"$list"
  while read -r include; do
    judge "$1" "$2" "$include"
  done <"$list"
}

list=$(mktemp)
trap 'rm -f "$list"' EXIT
for room in $order; do
  for file in src/"$room"/*.[ch] src/"$room"/*/*.[ch] src/"$room"/*/*/*.[ch]; do
    [ ! -f "$file" ] || check "$file" "$room"
  done
done
for file in include/whisker/*.h; do
  name=${file##*/} name=${name%.h}
  room=$(public_room "$name")
  case $room in
    whisker) ;;
    unknown) complain "$file: whose header is this? tests/house/rooms.sh has a list (public_room)" ;;
    *) check "$file" "$room" ;;
  esac
done
for folder in src/*/; do
  room=${folder#src/} room=${room%/}
  case " $order " in
    *" $room "*) ;;
    *) complain "src/$room: a room that tests/house/rooms.sh and docs/architecture.md do not know" ;;
  esac
done
exit $bad
