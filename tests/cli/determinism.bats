# The same photos, the same seed: the same bytes, wherever and however it runs.
bats_require_minimum_version 1.5.0
load support

setup() {
  ordinary_build_only "the same runs again; and their kernels, compiled for checks, round in another order"
  enter
}

# makes NAME: a probe, a tuned model, an export and a list of findings, in a folder of that name. SET is where the photos
# are, THREADS how many work.
makes() {
  local to="$PWD/$1" threads="${THREADS:-2}"
  mkdir -p "$to"
  "$WHISKER" train "${SET:-$F/few}" -b "$F/backbone.safetensors" --no-cache -q -j "$threads" -o "$to/probe.whisker"
  "$WHISKER" train "${SET:-$F/few}" -b "$F/backbone.safetensors" --no-cache -q -j "$threads" -o "$to/tuned.whisker" \
    --tune last:1 --epochs 2 --keep tuned
  "$WHISKER" export "$to/probe.whisker" -q -j "$threads" -o "$to/probe.onnx" >"$to/export.txt"
  rm "$to/tuned.json" "$to/export.txt" # they tell how long it took
}

same() { diff -r "$1" "$2"; }

@test "the same bytes with 1, 2, 3 and 8 threads" {
  THREADS=1 makes one
  for threads in 2 3 8; do
    THREADS=$threads makes "of$threads"
    same one "of$threads"
  done
}

@test "the same bytes from another working folder, by another spelling, in another time zone" {
  makes plain
  mkdir elsewhere
  cp -r "$F/few" photos
  SET=photos makes beside
  SET=./photos/ makes spelled
  SET=elsewhere/../photos// TZ=Asia/Taipei makes around
  cd elsewhere
  SET=../photos makes ../inside
  cd ..
  for other in beside spelled around inside; do
    same plain $other
  done
}

@test "the same bytes whatever order a folder lists its photos in" {
  makes plain
  mkdir -p turned/stripes turned/dots
  for file in $(cd "$F/few" && find . -name '*.png' | sort -r); do
    cp "$F/few/$file" "turned/$file"
  done
  SET=turned makes turned_folder
  same plain turned_folder
  (cd "$F/few" && find . -name '*.png' | sort -r | tar -cf - -T -) >turned.tar
  SET=turned.tar makes turned_archive
  same plain turned_archive
}

@test "the same bytes where a number is written with a comma" {
  [ -e /usr/share/i18n/locales/de_DE ] || skip "skipped: no locale with a decimal comma can be made here (Debian: locales)"
  localedef -i de_DE -f UTF-8 "$PWD/de_DE.UTF-8" || [ -e de_DE.UTF-8/LC_NUMERIC ]
  [ "$(LOCPATH=$PWD LC_ALL=de_DE.UTF-8 locale decimal_point)" = , ]
  makes plain
  LOCPATH=$PWD LC_ALL=de_DE.UTF-8 makes comma
  same plain comma
}

@test "the same bytes from a build of another kind" {
  local other
  for other in ci release debug; do
    other="$(dirname "$WHISKER")/../$other/whisker"
    [ -x "$other" ] && ! [ "$other" -ef "$WHISKER" ] && break
    other=
  done
  [ -n "$other" ] || skip "skipped: there is no other build beside this one"
  makes plain
  WHISKER="$other" makes other
  same plain other
}
